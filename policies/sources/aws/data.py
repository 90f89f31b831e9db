"""Buckets, keys, secrets and HSM clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from policies.errors import SourceError
from policies.graph import Resource
from policies.sources.aws.account import Account
from policies.sources.aws.answer import Answer

__all__ = ["COLLECTORS", "GLOBAL_COLLECTORS", "hsm_backups"]

_ABSENT = {
    "ReplicationConfigurationNotFoundError",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchBucketPolicy",
    "ServerSideEncryptionConfigurationNotFoundError",
    "ObjectLockConfigurationNotFoundError",
    "NoSuchConfiguration",
}
"""What S3 answers where a bucket has no such configuration; every other error is one."""


def buckets(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    """Every bucket of the account, wherever it is, with its configurations as resources of their own."""
    for name, place in _places(account, region):
        yield account.resource(
            "aws:s3/bucket:Bucket",
            name,
            place,
            # Configurations are resources of their own here, so nothing is inline.
            {"bucket": name, "replicationConfiguration": None, "logging": None, "accelerationStatus": None},
        )
        for kind, (operation, read) in _CONFIGURATIONS.items():
            properties = _configuration(account, place, name, operation, read)
            if properties is not None:
                yield account.resource(kind, f"{name}/{kind.rpartition(':')[2]}", place, {"bucket": name, **properties})


def _places(account: Account, region: str) -> Iterator[tuple[str, str]]:
    """Name and region of every bucket; no location and `EU` are what S3 says of its oldest regions."""
    for bucket in account.pages("s3", region, "list_buckets", "Buckets"):
        name = bucket.text("Name")
        place = account.ask("s3", region, "get_bucket_location", Bucket=name).text("LocationConstraint?")
        yield name, {"": "us-east-1", "EU": "eu-west-1"}.get(place, place)


_Read = Callable[[Answer], dict[str, Any] | None]


def _configuration(account: Account, place: str, name: str, operation: str, read: _Read) -> dict[str, Any] | None:
    try:
        return read(account.ask("s3", place, operation, Bucket=name))
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise


def _replication(found: Answer) -> dict[str, Any]:
    return {"rules": [_replication_rule(rule) for rule in found.each("ReplicationConfiguration.Rules")]}


def _replication_rule(rule: Answer) -> dict[str, Any]:
    destination = rule["Destination"]
    key = destination["EncryptionConfiguration?.ReplicaKmsKeyID?"]
    return {
        "status": rule["Status"],
        "destination": {
            "bucket": destination["Bucket"],
            "account": destination["Account?"],
            "encryptionConfiguration": {"replicaKmsKeyId": key} if key else None,
        },
    }


def _logging(found: Answer) -> dict[str, Any] | None:
    return {"targetBucket": found["LoggingEnabled.TargetBucket"]} if "LoggingEnabled" in found else None


def _public_access_block(found: Answer) -> dict[str, Any]:
    block = found["PublicAccessBlockConfiguration"]
    return {name[0].lower() + name[1:]: value for name, value in block.members().items()}


def _policy(found: Answer) -> dict[str, Any]:
    return {"policy": found["Policy"]}


def _encryption(found: Answer) -> dict[str, Any]:
    return {"rules": [_encryption_rule(rule) for rule in found.each("ServerSideEncryptionConfiguration.Rules")]}


def _encryption_rule(rule: Answer) -> dict[str, Any]:
    key = {
        "sseAlgorithm": rule["ApplyServerSideEncryptionByDefault?.SSEAlgorithm"],
        "kmsMasterKeyId": rule["ApplyServerSideEncryptionByDefault?.KMSMasterKeyID?"],
    }
    return {"applyServerSideEncryptionByDefault": key}


def _versioning(found: Answer) -> dict[str, Any]:
    return {"versioningConfiguration": {"status": found["Status?"]}}


def _object_lock(answer: Answer) -> dict[str, Any]:
    found = answer["ObjectLockConfiguration"]
    retention = found["Rule?.DefaultRetention?"]
    rule = retention and {
        "defaultRetention": {
            "mode": retention["Mode?"],
            "days": retention["Days?"],
            "years": retention["Years?"],
        }
    }
    return {"objectLockEnabled": found["ObjectLockEnabled?"], "rule": rule}


def _acceleration(found: Answer) -> dict[str, Any] | None:
    return {"status": found["Status"]} if "Status" in found else None


_CONFIGURATIONS: dict[str, tuple[str, _Read]] = {
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": ("get_bucket_replication", _replication),
    "aws:s3/bucketLogging:BucketLogging": ("get_bucket_logging", _logging),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ("get_public_access_block", _public_access_block),
    "aws:s3/bucketPolicy:BucketPolicy": ("get_bucket_policy", _policy),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "get_bucket_encryption",
        _encryption,
    ),
    "aws:s3/bucketVersioning:BucketVersioning": ("get_bucket_versioning", _versioning),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": (
        "get_object_lock_configuration",
        _object_lock,
    ),
    "aws:s3/bucketAccelerateConfiguration:BucketAccelerateConfiguration": (
        "get_bucket_accelerate_configuration",
        _acceleration,
    ),
}


def inventories(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    operation, key = "list_bucket_inventory_configurations", "InventoryConfigurationList"
    for name, place in _places(account, region):
        for inventory in account.pages("s3", place, operation, key, Bucket=name):
            target = inventory["Destination.S3BucketDestination"]
            yield account.resource(
                "aws:s3/inventory:Inventory",
                f"{name}/{inventory['Id']}",
                place,
                {"destination": {"bucket": {"bucketArn": target["Bucket"], "accountId": target["AccountId?"]}}},
            )


def storage_lenses(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    operation, key = "list_storage_lens_configurations", "StorageLensConfigurationList"
    for each in account.pages("s3control", region, operation, key, AccountId=account.number):
        arguments = {"ConfigId": each["Id"], "AccountId": account.number}
        lens = account.ask("s3control", region, "get_storage_lens_configuration", **arguments)
        target = lens["StorageLensConfiguration.DataExport?.S3BucketDestination?"]
        export = target and {"s3BucketDestination": {"arn": target["Arn"], "accountId": target["AccountId?"]}}
        yield account.resource(
            "aws:s3control/storageLensConfiguration:StorageLensConfiguration",
            each["Id"],
            each["HomeRegion"],
            {"storageLensConfiguration": {"dataExport": export, "expandedPrefixesDataExport": None}},
        )


def keys(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    reserved = {
        alias["TargetKeyId?"]
        for alias in account.pages("kms", region, "list_aliases", "Aliases")
        if alias.text("AliasName").startswith("alias/aws/")
    }
    for item in account.pages("kms", region, "list_keys", "Keys"):
        key = account.ask("kms", region, "describe_key", KeyId=item["KeyId"])["KeyMetadata"]
        if (
            key["KeyManager"] == "AWS"
            or item["KeyId"] in reserved
            or key["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion")
        ):
            continue
        symmetric = key["KeySpec"] == "SYMMETRIC_DEFAULT"
        policy = account.ask("kms", region, "get_key_policy", KeyId=item["KeyId"], PolicyName="default")["Policy"]
        rotates = symmetric and _rotates(account, region, item["KeyId"])
        primary = key["MultiRegionConfiguration.PrimaryKey.Arn"] if key.flag("MultiRegion") else key["Arn"]
        if (primary != key["Arn"]) != (key["MultiRegionConfiguration?.MultiRegionKeyType"] == "REPLICA"):
            raise SourceError("DescribeKey: a replica that is its own primary, or the other way round")
        common = {"arn": key["Arn"], "policy": policy}
        if primary != key["Arn"]:
            kind, own = "aws:kms/replicaKey:ReplicaKey", {"primaryKeyArn": primary}
        else:
            kind = "aws:kms/key:Key"
            own = {
                "multiRegion": key.flag("MultiRegion"),
                "enableKeyRotation": rotates,
                "deletionWindowInDays": None,  # the API knows it only once a deletion is scheduled
                "customerMasterKeySpec": key["KeySpec"],
                "customKeyStoreId": key["CustomKeyStoreId?"],
            }
        yield account.resource(kind, item["KeyId"], region, {**common, **own})
        yield from _grants(account, region, item["KeyId"])


def _rotates(account: Account, region: str, key: str) -> bool:
    return account.ask("kms", region, "get_key_rotation_status", KeyId=key).flag("KeyRotationEnabled")


def _grants(account: Account, region: str, key: str) -> Iterator[Resource]:
    for grant in account.pages("kms", region, "list_grants", "Grants", KeyId=key):
        yield account.resource(
            "aws:kms/grant:Grant",
            grant["GrantId"],
            region,
            {
                "keyId": key,
                "granteePrincipal": grant["GranteePrincipal?"],
                "retiringPrincipal": grant["RetiringPrincipal?"],
            },
        )


def secrets(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for item in account.pages("secretsmanager", region, "list_secrets", "SecretList"):
        found = account.ask("secretsmanager", region, "describe_secret", SecretId=item["ARN"])
        replicas = [
            {"region": each["Region"], "kmsKeyId": each["KmsKeyId?"]} for each in found.each("ReplicationStatus?")
        ]
        yield account.resource("aws:secretsmanager/secret:Secret", item["ARN"], region, {"replicas": replicas})


def hsm_clusters(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for cluster in account.pages("cloudhsmv2", region, "describe_clusters", "Clusters"):
        if cluster["State?"] in ("DELETED", "DELETE_IN_PROGRESS"):
            continue
        yield account.resource(
            "aws:cloudhsmv2/cluster:Cluster",
            cluster["ClusterId"],
            region,
            {"sourceBackupIdentifier": cluster["SourceBackupId?"], "mode": cluster["Mode?"]},
        )
        for hsm in cluster.each("Hsms"):
            yield account.resource(
                "aws:cloudhsmv2/hsm:Hsm", hsm["HsmId"], region, {"availabilityZone": hsm["AvailabilityZone?"]}
            )


def hsm_backups(account: Account, region: str) -> list[dict[str, Any]]:
    """The HSM backups listed in a region, with the region that each was copied from."""
    return [
        {"id": backup["BackupId"], "region": region, "source_region": backup["SourceRegion?"]}
        for backup in account.pages("cloudhsmv2", region, "describe_backups", "Backups")
    ]


COLLECTORS = {
    (
        "aws:kms/key:Key",
        "aws:kms/externalKey:ExternalKey",
        "aws:kms/replicaKey:ReplicaKey",
        "aws:kms/replicaExternalKey:ReplicaExternalKey",
        "aws:kms/keyPolicy:KeyPolicy",
        "aws:kms/grant:Grant",
    ): keys,
    ("aws:s3control/storageLensConfiguration:StorageLensConfiguration",): storage_lenses,
    ("aws:secretsmanager/secret:Secret",): secrets,
    ("aws:cloudhsmv2/cluster:Cluster", "aws:cloudhsmv2/hsm:Hsm"): hsm_clusters,
}
GLOBAL_COLLECTORS = {
    ("aws:s3/bucket:Bucket", *_CONFIGURATIONS): buckets,
    ("aws:s3/inventory:Inventory",): inventories,
}
