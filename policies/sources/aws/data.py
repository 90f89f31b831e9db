"""Buckets, keys, secrets and HSM clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from policies.graph import Resource
from policies.sources.aws.account import Account

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
    home = account.client("s3", region)
    for bucket in home.list_buckets()["Buckets"]:
        name = bucket["Name"]
        place = home.get_bucket_location(Bucket=name).get("LocationConstraint") or "us-east-1"
        place = "eu-west-1" if place == "EU" else place
        yield account.resource(
            "aws:s3/bucket:Bucket",
            name,
            place,
            # Configurations are resources of their own here, so nothing is inline.
            {"bucket": name, "replicationConfiguration": None, "logging": None, "accelerationStatus": None},
        )
        client = account.client("s3", place)
        for kind, read in _CONFIGURATIONS.items():
            properties = _configuration(read, client, name)
            if properties is not None:
                yield account.resource(kind, f"{name}/{kind.rpartition(':')[2]}", place, {"bucket": name, **properties})


def _configuration(read: Callable[[Any, str], dict[str, Any] | None], client: Any, name: str) -> dict[str, Any] | None:
    try:
        return read(client, name)
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise


def _replication(client: Any, name: str) -> dict[str, Any]:
    found = client.get_bucket_replication(Bucket=name)["ReplicationConfiguration"]
    return {"rules": [_replication_rule(rule) for rule in found["Rules"]]}


def _replication_rule(rule: Any) -> dict[str, Any]:
    destination = rule["Destination"]
    key = (destination.get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID")
    return {
        "status": rule.get("Status"),
        "destination": {
            "bucket": destination["Bucket"],
            "account": destination.get("Account"),
            "encryptionConfiguration": {"replicaKmsKeyId": key} if key else None,
        },
    }


def _logging(client: Any, name: str) -> dict[str, Any] | None:
    found = client.get_bucket_logging(Bucket=name).get("LoggingEnabled")
    return {"targetBucket": found["TargetBucket"]} if found else None


def _public_access_block(client: Any, name: str) -> dict[str, Any]:
    found = client.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    return {key[0].lower() + key[1:]: bool(value) for key, value in found.items()}


def _policy(client: Any, name: str) -> dict[str, Any]:
    return {"policy": client.get_bucket_policy(Bucket=name)["Policy"]}


def _encryption(client: Any, name: str) -> dict[str, Any]:
    found = client.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]
    return {"rules": [_encryption_rule(rule) for rule in found["Rules"]]}


def _encryption_rule(rule: Any) -> dict[str, Any]:
    default = rule.get("ApplyServerSideEncryptionByDefault") or {}
    key = {"sseAlgorithm": default.get("SSEAlgorithm"), "kmsMasterKeyId": default.get("KMSMasterKeyID")}
    return {"applyServerSideEncryptionByDefault": key}


def _versioning(client: Any, name: str) -> dict[str, Any]:
    return {"versioningConfiguration": {"status": client.get_bucket_versioning(Bucket=name).get("Status")}}


def _object_lock(client: Any, name: str) -> dict[str, Any]:
    found = client.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
    retention = (found.get("Rule") or {}).get("DefaultRetention")
    rule = retention and {
        "defaultRetention": {
            "mode": retention.get("Mode"),
            "days": retention.get("Days"),
            "years": retention.get("Years"),
        }
    }
    return {"objectLockEnabled": found.get("ObjectLockEnabled"), "rule": rule}


def _acceleration(client: Any, name: str) -> dict[str, Any] | None:
    status = client.get_bucket_accelerate_configuration(Bucket=name).get("Status")
    return {"status": status} if status else None


_CONFIGURATIONS: dict[str, Callable[[Any, str], dict[str, Any] | None]] = {
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": _replication,
    "aws:s3/bucketLogging:BucketLogging": _logging,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _public_access_block,
    "aws:s3/bucketPolicy:BucketPolicy": _policy,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _encryption,
    "aws:s3/bucketVersioning:BucketVersioning": _versioning,
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": _object_lock,
    "aws:s3/bucketAccelerateConfiguration:BucketAccelerateConfiguration": _acceleration,
}


def inventories(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    home = account.client("s3", region)
    for bucket in home.list_buckets()["Buckets"]:
        name = bucket["Name"]
        place = home.get_bucket_location(Bucket=name).get("LocationConstraint") or "us-east-1"
        found = account.client("s3", place).list_bucket_inventory_configurations(Bucket=name)
        for inventory in found.get("InventoryConfigurationList") or ():
            target = inventory["Destination"]["S3BucketDestination"]
            yield account.resource(
                "aws:s3/inventory:Inventory",
                f"{name}/{inventory['Id']}",
                place,
                {"destination": {"bucket": {"bucketArn": target["Bucket"], "accountId": target.get("AccountId")}}},
            )


def storage_lenses(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    client = account.client("s3control", region)
    found = client.list_storage_lens_configurations(AccountId=account.number)
    for each in found.get("StorageLensConfigurationList") or ():
        arguments = {"ConfigId": each["Id"], "AccountId": account.number}
        lens = client.get_storage_lens_configuration(**arguments)["StorageLensConfiguration"]
        target = (lens.get("DataExport") or {}).get("S3BucketDestination")
        export = target and {"s3BucketDestination": {"arn": target["Arn"], "accountId": target.get("AccountId")}}
        yield account.resource(
            "aws:s3control/storageLensConfiguration:StorageLensConfiguration",
            each["Id"],
            each.get("HomeRegion") or region,
            {"storageLensConfiguration": {"dataExport": export, "expandedPrefixesDataExport": None}},
        )


def keys(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    client = account.client("kms", region)
    reserved = {
        alias.get("TargetKeyId")
        for alias in account.pages("kms", region, "list_aliases", "Aliases")
        if alias["AliasName"].startswith("alias/aws/")
    }
    for item in account.pages("kms", region, "list_keys", "Keys"):
        key = client.describe_key(KeyId=item["KeyId"])["KeyMetadata"]
        if (
            key.get("KeyManager") == "AWS"
            or item["KeyId"] in reserved
            or key.get("KeyState") in ("PendingDeletion", "PendingReplicaDeletion")
        ):
            continue
        symmetric = key.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
        policy = client.get_key_policy(KeyId=item["KeyId"], PolicyName="default")["Policy"]
        rotates = client.get_key_rotation_status(KeyId=item["KeyId"])["KeyRotationEnabled"] if symmetric else False
        role = (key.get("MultiRegionConfiguration") or {}).get("MultiRegionKeyType")
        primary = (key.get("MultiRegionConfiguration") or {}).get("PrimaryKey", {}).get("Arn")
        common = {"arn": key["Arn"], "policy": policy}
        if role == "REPLICA" or (primary and primary != key["Arn"]):
            kind, own = "aws:kms/replicaKey:ReplicaKey", {"primaryKeyArn": primary}
        else:
            kind = "aws:kms/key:Key"
            own = {
                "multiRegion": bool(key.get("MultiRegion")),
                "enableKeyRotation": rotates,
                "deletionWindowInDays": None,  # the API knows it only once a deletion is scheduled
                "customerMasterKeySpec": key.get("KeySpec"),
                "customKeyStoreId": key.get("CustomKeyStoreId"),
            }
        yield account.resource(kind, item["KeyId"], region, {**common, **own})
        yield from _grants(account, region, item["KeyId"])


def _grants(account: Account, region: str, key: str) -> Iterator[Resource]:
    for grant in account.pages("kms", region, "list_grants", "Grants", KeyId=key):
        yield account.resource(
            "aws:kms/grant:Grant",
            grant["GrantId"],
            region,
            {
                "keyId": key,
                "granteePrincipal": grant.get("GranteePrincipal"),
                "retiringPrincipal": grant.get("RetiringPrincipal"),
            },
        )


def secrets(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    client = account.client("secretsmanager", region)
    for item in account.pages("secretsmanager", region, "list_secrets", "SecretList"):
        found = client.describe_secret(SecretId=item["ARN"])
        replicas = [
            {"region": each["Region"], "kmsKeyId": each.get("KmsKeyId")}
            for each in found.get("ReplicationStatus") or ()
        ]
        yield account.resource("aws:secretsmanager/secret:Secret", item["ARN"], region, {"replicas": replicas})


def hsm_clusters(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for cluster in account.pages("cloudhsmv2", region, "describe_clusters", "Clusters"):
        if cluster.get("State") in ("DELETED", "DELETE_IN_PROGRESS"):
            continue
        yield account.resource(
            "aws:cloudhsmv2/cluster:Cluster",
            cluster["ClusterId"],
            region,
            {"sourceBackupIdentifier": cluster.get("SourceBackupId"), "mode": cluster.get("Mode")},
        )
        for hsm in cluster.get("Hsms") or ():
            yield account.resource(
                "aws:cloudhsmv2/hsm:Hsm", hsm["HsmId"], region, {"availabilityZone": hsm.get("AvailabilityZone")}
            )


def hsm_backups(account: Account, region: str) -> list[dict[str, Any]]:
    """The HSM backups listed in a region, with the region that each was copied from."""
    return [
        {"id": backup["BackupId"], "region": region, "source_region": backup.get("SourceRegion")}
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
