"""What copies data: snapshots, file systems, transfer tasks, lifecycle policies, backups, registries, access points."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from policies.errors import SourceError
from policies.graph import Resource
from policies.sources.aws.account import Account
from policies.sources.aws.answer import Answer
from policies.sources.aws.listing import Listing

__all__ = ["COLLECTORS", "GLOBAL_COLLECTORS", "default_lifecycle_policies", "snapshots", "vaults"]

_PERMISSION = "aws:ec2/snapshotCreateVolumePermission:SnapshotCreateVolumePermission"
_COPIED = re.compile(r"^\[?Copied (snap-[0-9a-f]+|.*) from ([a-z0-9-]+)\]?")


def snapshots(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    """Every snapshot, and who may use it; one whose description says that it was copied is a copy as well."""
    for snapshot in account.pages("ec2", region, "describe_snapshots", "Snapshots", OwnerIds=["self"]):
        identifier = snapshot["SnapshotId"]
        yield account.resource("aws:ebs/snapshot:Snapshot", identifier, region, {"volumeId": snapshot["VolumeId?"]})
        arguments = {"SnapshotId": identifier, "Attribute": "createVolumePermission"}
        found = account.ask("ec2", region, "describe_snapshot_attribute", **arguments)
        for permission in found.each("CreateVolumePermissions"):
            if not (user := permission["UserId?"] or permission["Group?"]):
                raise SourceError("DescribeSnapshotAttribute: CreateVolumePermissions names nobody")
            properties = {"snapshotId": identifier, "accountId": user}
            yield account.resource(_PERMISSION, f"{identifier}/{user}", region, properties)
        if (copied := _COPIED.match(snapshot.words("Description"))) is not None:
            yield account.resource(
                "aws:ebs/snapshotCopy:SnapshotCopy",
                f"{identifier}/copy",
                region,
                {
                    "sourceSnapshotId": copied.group(1),
                    "sourceRegion": copied.group(2),
                    "kmsKeyId": snapshot["KmsKeyId?"],
                },
            )


def file_system_copies(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for each in account.pages("efs", region, "describe_replication_configurations", "Replications"):
        for index, destination in enumerate(each.each("Destinations")):
            place = {
                "region": destination["Region"],
                "availabilityZoneName": destination["AvailabilityZoneName?"],
                "kmsKeyId": destination["KmsKeyId?"],
            }
            yield account.resource(
                "aws:efs/replicationConfiguration:ReplicationConfiguration",
                f"{each['SourceFileSystemId']}/{index}",
                region,
                {"sourceFileSystemId": each["SourceFileSystemId"], "destination": place},
            )


def transfers(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for task in account.pages("datasync", region, "list_tasks", "Tasks"):
        found = account.ask("datasync", region, "describe_task", TaskArn=task["TaskArn"])
        properties = {
            "sourceLocationArn": found["SourceLocationArn"],
            "destinationLocationArn": found["DestinationLocationArn"],
        }
        yield account.resource("aws:datasync/task:Task", task["TaskArn"], region, properties)
    for location in account.pages("datasync", region, "list_locations", "Locations"):
        arn = location["LocationArn"]
        kind, properties = _location(location.text("LocationUri"), region, account.number)
        yield account.resource(kind, arn, region, properties)


_LOCATION_TYPES = {
    "nfs": "aws:datasync/nfsLocation:NfsLocation",
    "smb": "aws:datasync/locationSmb:LocationSmb",
    "object-storage": "aws:datasync/locationObjectStorage:LocationObjectStorage",
}


def _location(uri: str, region: str, number: str) -> tuple[str, dict[str, Any]]:
    """The type and properties that a location's URI stands for (DataSync User Guide, ListLocations)."""
    scheme, _, rest = uri.partition("://")
    host, _, path = rest.partition("/")
    if scheme == "s3":
        return "aws:datasync/s3Location:S3Location", {"s3BucketArn": f"arn:aws:s3:::{host}"}
    if scheme in ("efs", "fsxl", "fsxz", "fsxw", "fsxn"):
        place, _, identifier = host.partition(".")
        arn = f"arn:aws:elasticfilesystem:{place or region}:{number}:file-system/{identifier}"
        return "aws:datasync/efsLocation:EfsLocation", {"efsFileSystemArn": arn}
    if scheme in _LOCATION_TYPES:
        bucket = path.partition("/")[0] or None
        return _LOCATION_TYPES[scheme], {"serverHostname": host, "bucketName": bucket}
    # Azure blobs, Hadoop and whatever comes: a host outside the zone until the rule knows it.
    return "aws:datasync/locationAzureBlob:LocationAzureBlob", {"containerUrl": uri}


def lifecycle_policies(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for summary in account.pages("dlm", region, "get_lifecycle_policies", "Policies"):
        policy = account.ask("dlm", region, "get_lifecycle_policy", PolicyId=summary["PolicyId"])["Policy"]
        details = policy["PolicyDetails"]
        action = {
            "crossRegionCopies": [
                {"target": copy["Target"], "encryptionConfiguration": {"cmkArn": _key(copy)}}
                for each in details.each("Actions?")
                for copy in each.each("CrossRegionCopy?")
            ]
        }
        schedules = [_schedule(each.said()) for each in details.each("Schedules?")]
        if not (schedules or "Actions" in details or details["PolicyLanguage?"] == "SIMPLIFIED"):
            raise SourceError("GetLifecyclePolicy: PolicyDetails has neither Schedules nor Actions")
        yield account.resource(
            "aws:dlm/lifecyclePolicy:LifecyclePolicy",
            summary["PolicyId"],
            region,
            {
                "defaultPolicy": policy["DefaultPolicy?"],
                "policyDetails": {"schedules": schedules, "action": action},
            },
        )


def _key(copy: Answer) -> Any:
    return copy["EncryptionConfiguration?.CmkArn?"]


def _schedule(schedule: Answer) -> dict[str, Any]:
    rules = [
        {"target": rule["Target?"], "targetRegion": rule["TargetRegion?"], "cmkArn": rule["CmkArn?"]}
        for rule in schedule.each("CrossRegionCopyRules?")
    ]
    accounts = [each for rule in schedule.each("ShareRules?") for each in rule.texts("TargetAccounts")]
    return {"crossRegionCopyRules": rules, "shareRule": {"targetAccounts": accounts}}


def default_lifecycle_policies(account: Account, region: str) -> list[dict[str, Any]]:
    """The default policies of a region with the regions that they copy to."""
    found = []
    for summary in account.pages("dlm", region, "get_lifecycle_policies", "Policies", DefaultPolicyType="ALL"):
        policy = account.ask("dlm", region, "get_lifecycle_policy", PolicyId=summary["PolicyId"])["Policy"]
        targets = [each["TargetRegion"] for each in policy["PolicyDetails"].said().each("CrossRegionCopyTargets?")]
        found.append({"id": summary["PolicyId"], "cross_region_copy_targets": targets})
    return found


def backup_plans(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for plan in account.pages("backup", region, "list_backup_plans", "BackupPlansList"):
        found = account.ask("backup", region, "get_backup_plan", BackupPlanId=plan["BackupPlanId"])["BackupPlan"]
        rules = [
            {
                "targetVaultName": rule["TargetBackupVaultName"],
                "copyActions": [
                    {"destinationVaultArn": copy["DestinationBackupVaultArn"]} for copy in rule.each("CopyActions?")
                ],
                "targetLogicallyAirGappedBackupVaultArn": rule["TargetLogicallyAirGappedBackupVaultArn?"],
            }
            for rule in found.each("Rules")
        ]
        yield account.resource("aws:backup/plan:Plan", plan["BackupPlanId"], region, {"rules": rules})


def backup_settings(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    found = account.ask("backup", region, "describe_global_settings")["GlobalSettings"]
    # An account that never set it is not told of it; unset is false (AWS Backup API, DescribeGlobalSettings).
    settings = {"isCrossAccountBackupEnabled": "false", **found.plain}
    yield account.resource("aws:backup/globalSettings:GlobalSettings", "settings", None, {"globalSettings": settings})


def vaults(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for vault in account.pages("backup", region, "list_backup_vaults", "BackupVaultList"):
        name = vault["BackupVaultName"]
        properties = {"name": name, "kmsKeyArn": vault["EncryptionKeyArn?"]}
        yield account.resource("aws:backup/vault:Vault", name, region, properties)
        if vault["Locked?"] or vault["MinRetentionDays?"]:
            # A lock date is there in compliance mode only (AWS Backup API, BackupVaultListMember).
            lock = {
                "backupVaultName": name,
                "minRetentionDays": vault["MinRetentionDays?"],
                "changeableForDays": _grace(vault),
            }
            kind = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
            yield account.resource(kind, f"{name}/lock", region, lock)


def _grace(vault: Answer) -> int | None:
    if not vault["LockDate?"]:
        return None
    return max(1, int((vault["LockDate"] - vault["CreationDate"]).days))


def registries(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    found = account.ask("ecr", region, "describe_registry")["replicationConfiguration"]
    rules = [rule.plain for rule in found.each("rules")]
    if rules:
        kind = "aws:ecr/replicationConfiguration:ReplicationConfiguration"
        yield account.resource(kind, "registry", region, {"replicationConfiguration": {"rules": rules}})


COLLECTORS = {
    ("aws:ebs/snapshot:Snapshot", "aws:ebs/snapshotCopy:SnapshotCopy", _PERMISSION): snapshots,
    ("aws:efs/replicationConfiguration:ReplicationConfiguration",): file_system_copies,
    (
        "aws:datasync/task:Task",
        "aws:datasync/s3Location:S3Location",
        "aws:datasync/efsLocation:EfsLocation",
        "aws:datasync/locationAzureBlob:LocationAzureBlob",
        *_LOCATION_TYPES.values(),
    ): transfers,
    ("aws:dlm/lifecyclePolicy:LifecyclePolicy",): lifecycle_policies,
    ("aws:backup/plan:Plan",): backup_plans,
    ("aws:backup/vault:Vault", "aws:backup/vaultLockConfiguration:VaultLockConfiguration"): vaults,
    ("aws:ecr/replicationConfiguration:ReplicationConfiguration",): registries,
    ("aws:ecr/pullThroughCacheRule:PullThroughCacheRule",): Listing(
        "aws:ecr/pullThroughCacheRule:PullThroughCacheRule",
        "ecr",
        "describe_pull_through_cache_rules",
        "pullThroughCacheRules",
        "ecrRepositoryPrefix",
        {"ecrRepositoryPrefix": "ecrRepositoryPrefix", "upstreamRegistryUrl": "upstreamRegistryUrl"},
    ),
}


def access_points(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    # Multi-Region Access Points are controlled in us-west-2 alone (S3 User Guide).
    arguments = {"AccountId": account.number}
    listed = account.pages("s3control", "us-west-2", "list_multi_region_access_points", "AccessPoints", **arguments)
    for point in listed:
        regions = [
            {
                "bucket": each["Bucket"],
                "bucketAccountId": each["BucketAccountId?"],
                "region": each["Region"],
            }
            for each in point.each("Regions")
        ]
        kind = "aws:s3control/multiRegionAccessPoint:MultiRegionAccessPoint"
        yield account.resource(kind, point["Name"], None, {"details": {"regions": regions}})


GLOBAL_COLLECTORS = {
    ("aws:s3control/multiRegionAccessPoint:MultiRegionAccessPoint",): access_points,
    ("aws:backup/globalSettings:GlobalSettings",): backup_settings,
}
