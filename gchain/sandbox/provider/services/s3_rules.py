"""Bucket settings that are lists of nested rules: object lock, lifecycle, replication."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Input, covers
from gchain.sandbox.provider.services.s3 import BucketSetting
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

# Names that are not simply capitalised in the API.
_NAMES = {"id": "ID", "replicaKmsKeyId": "ReplicaKmsKeyID", "expiredObjectDeleteMarker": "ExpiredObjectDeleteMarker"}
_PROPERTIES = {member: name for name, member in _NAMES.items()}


def _to_api(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_NAMES.get(key, key[:1].upper() + key[1:]): _to_api(item) for key, item in value.items()}
    return [_to_api(item) for item in value] if isinstance(value, list) else value


def _from_api(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_PROPERTIES.get(key, key[:1].lower() + key[1:]): _from_api(item) for key, item in value.items()}
    return [_from_api(item) for item in value] if isinstance(value, list) else value


class BucketObjectLockConfiguration(BucketSetting):
    type_name = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
    setting, absent = "object_lock_configuration", "ObjectLockConfigurationNotFoundError"
    _RETENTION = (Input("mode"), Input("days"), Input("years"))
    inputs = (
        Input("bucket", required=True, replace=True),
        Input("objectLockEnabled", default="Enabled", replace=True),
        Input("rule", equal=covers, fields=(Input("defaultRetention", required=True, fields=_RETENTION),)),
    )

    def document(self, new: Properties) -> Properties:
        lock = {"ObjectLockEnabled": new["objectLockEnabled"]}
        return {"ObjectLockConfiguration": lock | ({"Rule": _to_api(new["rule"])} if new.get("rule") else {})}

    def live(self, answer: Mapping[str, Any]) -> Properties | None:
        lock = answer["ObjectLockConfiguration"]
        retention = (lock.get("Rule") or {}).get("DefaultRetention")
        rule = {"defaultRetention": _from_api(retention)} if retention else None
        return {"objectLockEnabled": lock.get("ObjectLockEnabled"), "rule": rule}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        """Object lock stays with the bucket; what goes is the default retention."""
        lock = {"ObjectLockEnabled": state["objectLockEnabled"]}
        op.find("s3.put_object_lock_configuration", "NoSuchBucket", Bucket=identity, ObjectLockConfiguration=lock)


def _lifecycle_rules(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lists keep their plural in the API; a rule must say what it filters."""
    return [{"Filter": {"Prefix": ""}} | _to_api(rule) for rule in rules]


class BucketLifecycleConfiguration(BucketSetting):
    type_name = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    setting, absent = "bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"
    inputs = (
        Input("bucket", required=True, replace=True),
        Input(
            "rules",
            required=True,
            equal=covers,
            fields=(
                Input("id", required=True),
                Input("status", required=True),
                Input("filter", fields=(Input("prefix"),)),
                Input("expiration", fields=(Input("days"), Input("date"), Input("expiredObjectDeleteMarker"))),
                Input("noncurrentVersionExpiration", fields=(Input("noncurrentDays", required=True),)),
                Input("abortIncompleteMultipartUpload", fields=(Input("daysAfterInitiation", required=True),)),
                Input("transitions", fields=(Input("days"), Input("storageClass", required=True))),
                Input(
                    "noncurrentVersionTransitions",
                    fields=(Input("noncurrentDays", required=True), Input("storageClass", required=True)),
                ),
            ),
        ),
    )

    def document(self, new: Properties) -> Properties:
        return {"LifecycleConfiguration": {"Rules": _lifecycle_rules(new["rules"])}}

    def live(self, answer: Mapping[str, Any]) -> Properties | None:
        return {"rules": _from_api(answer["Rules"])}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("s3.delete_bucket_lifecycle", ("NoSuchBucket", self.absent), Bucket=identity)


_SELECTION = "sourceSelectionCriteria"


def _same_replication(live: Any, given: Any) -> bool:
    """moto loses the selection of encrypted objects."""
    return covers(live, [{key: value for key, value in rule.items() if key != _SELECTION} for rule in given or []])


class BucketReplicationConfig(BucketSetting):
    """Replication to another bucket: what a zone forbids across its border, and what a planted leak uses."""

    type_name = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
    setting, absent = "bucket_replication", "ReplicationConfigurationNotFoundError"
    _STATUS = (Input("status", required=True),)
    _DESTINATION = (
        Input("bucket", required=True),
        Input("account"),
        Input("storageClass"),
        Input("encryptionConfiguration", fields=(Input("replicaKmsKeyId", required=True),)),
    )
    inputs = (
        Input("bucket", required=True, replace=True),
        Input("role", required=True),
        Input(
            "rules",
            required=True,
            equal=_same_replication,
            fields=(
                Input("id"),
                Input("status", required=True),
                Input("priority"),
                Input("prefix"),
                Input("filter", fields=(Input("prefix"),)),
                Input("destination", required=True, fields=_DESTINATION),
                Input("deleteMarkerReplication", fields=_STATUS),
                Input("existingObjectReplication", fields=_STATUS),
                Input(_SELECTION, fields=(Input("sseKmsEncryptedObjects", fields=_STATUS),)),
            ),
        ),
    )

    def document(self, new: Properties) -> Properties:
        return {"ReplicationConfiguration": {"Role": new["role"], "Rules": _to_api(new["rules"])}}

    def live(self, answer: Mapping[str, Any]) -> Properties | None:
        configuration = answer["ReplicationConfiguration"]
        return {"role": configuration["Role"], "rules": _from_api(configuration["Rules"])}


TYPES = (BucketObjectLockConfiguration(), BucketLifecycleConfiguration(), BucketReplicationConfig())
