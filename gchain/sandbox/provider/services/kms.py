"""KMS keys, aliases and replicas of multi-Region keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, ResourceType, same_document
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_GONE = "NotFoundException"


def _kms_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


def _describe(op: Operation, identity: str) -> dict[str, Any] | None:
    """The metadata of a key that is not on its way out."""
    answer = op.find("kms.describe_key", _GONE, KeyId=identity)
    if answer is None or answer["KeyMetadata"]["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
        return None
    return dict(answer["KeyMetadata"])


def _policy_and_tags(op: Operation, identity: str) -> Properties:
    listed = op.call("kms.list_resource_tags", KeyId=identity)["Tags"]
    return {
        "policy": op.call("kms.get_key_policy", KeyId=identity, PolicyName="default")["Policy"],
        "tags": {tag["TagKey"]: tag["TagValue"] for tag in listed},
    }


def _set_enabled(op: Operation, identity: str, enabled: bool) -> None:
    op.call(f"kms.{'enable' if enabled else 'disable'}_key", KeyId=identity)


class _KmsKey(ResourceType):
    taggable = True

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        if removed:
            op.call("kms.untag_resource", KeyId=identity, TagKeys=removed)
        if tags:
            op.call("kms.tag_resource", KeyId=identity, Tags=_kms_tags(tags))

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        """Keys go after a waiting period of 7 to 30 days; until then they are pending."""
        if _describe(op, identity):
            days = state.get("deletionWindowInDays")
            op.find("kms.schedule_key_deletion", _GONE, KeyId=identity, PendingWindowInDays=days)


class Key(_KmsKey):
    type_name = "aws:kms/key:Key"
    inputs = (
        Input("description", computed=True),
        Input("keyUsage", default="ENCRYPT_DECRYPT", replace=True),
        Input("customerMasterKeySpec", member="KeySpec", default="SYMMETRIC_DEFAULT", replace=True),
        Input("policy", member=None, computed=True, equal=same_document),
        Input("isEnabled", member=None, default=True),
        Input("enableKeyRotation", member=None, default=False),
        Input("rotationPeriodInDays", member=None, computed=True, write_only=True),  # moto keeps none
        Input("multiRegion", default=False, replace=True),
        Input("deletionWindowInDays", member=None, write_only=True),
        Input("bypassPolicyLockoutSafetyCheck", member=None, default=False, write_only=True),
    )
    outputs = ("arn", "keyId")

    def create(self, op: Operation, new: Properties) -> str:
        answer = op.call(
            "kms.create_key",
            Description=new.get("description"),
            KeyUsage=new["keyUsage"],
            KeySpec=new["customerMasterKeySpec"],
            Policy=new.get("policy"),
            MultiRegion=new["multiRegion"],
            BypassPolicyLockoutSafetyCheck=new["bypassPolicyLockoutSafetyCheck"],
            Tags=_kms_tags(new["tagsAll"]) or None,
        )
        return str(answer["KeyMetadata"]["KeyId"])

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        if new["enableKeyRotation"]:
            self._rotate(op, identity, new)
        if not new["isEnabled"]:
            _set_enabled(op, identity, False)

    @staticmethod
    def _rotate(op: Operation, identity: str, new: Properties) -> None:
        if new["enableKeyRotation"]:
            days = new.get("rotationPeriodInDays")
            op.call("kms.enable_key_rotation", KeyId=identity, RotationPeriodInDays=days)
        else:
            op.call("kms.disable_key_rotation", KeyId=identity)

    def update(self, op: Operation, identity: str, change: Change) -> None:
        now = change.now
        if change.touches("isEnabled"):
            _set_enabled(op, identity, now["isEnabled"])
        if change.touches("description"):
            op.call("kms.update_key_description", KeyId=identity, Description=now["description"])
        if change.touches("policy"):
            op.call("kms.put_key_policy", KeyId=identity, PolicyName="default", Policy=now["policy"])
        if change.touches("enableKeyRotation", "rotationPeriodInDays"):
            self._rotate(op, identity, now)

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        live = _describe(op, identity)
        if live is None:
            return None
        symmetric = live.get("KeySpec") == "SYMMETRIC_DEFAULT" and live["Enabled"]
        rotation = op.call("kms.get_key_rotation_status", KeyId=identity) if symmetric else {}
        return {
            "arn": op.arn("kms", f"key/{identity}"),
            "keyId": identity,
            "description": live.get("Description"),
            "keyUsage": live["KeyUsage"],
            "customerMasterKeySpec": live.get("KeySpec"),
            "multiRegion": live.get("MultiRegion", False),
            "isEnabled": live["Enabled"],
            "enableKeyRotation": rotation.get("KeyRotationEnabled", False),
            **_policy_and_tags(op, identity),
        }


class ReplicaKey(_KmsKey):
    """A multi-Region key's copy in another region: what a zone forbids, and therefore what a planted leak uses."""

    type_name = "aws:kms/replicaKey:ReplicaKey"
    inputs = (
        Input("primaryKeyArn", required=True, replace=True),
        Input("description", computed=True),
        Input("policy", computed=True, equal=same_document),
        Input("enabled", default=True),
        Input("deletionWindowInDays", write_only=True),
        Input("bypassPolicyLockoutSafetyCheck", default=False, write_only=True),
    )
    outputs = ("arn", "keyId", "keySpec", "keyUsage")

    def create(self, op: Operation, new: Properties) -> str:
        primary = new["primaryKeyArn"]
        answer = op.elsewhere(primary.split(":")[3]).call(
            "kms.replicate_key",
            KeyId=primary.rpartition("/")[2],
            ReplicaRegion=op.region,
            Description=new.get("description"),
            Policy=new.get("policy"),
            Tags=_kms_tags(new["tagsAll"]) or None,
        )
        return str(answer["ReplicaKeyMetadata"]["KeyId"])

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        """moto forgets what ReplicateKey was told about the description and the tags."""
        if new.get("description"):
            op.call("kms.update_key_description", KeyId=identity, Description=new["description"])
        if new["tagsAll"]:
            op.call("kms.tag_resource", KeyId=identity, Tags=_kms_tags(new["tagsAll"]))
        if not new["enabled"]:
            _set_enabled(op, identity, False)

    def update(self, op: Operation, identity: str, change: Change) -> None:
        if change.touches("enabled"):
            _set_enabled(op, identity, change.now["enabled"])
        if change.touches("description"):
            op.call("kms.update_key_description", KeyId=identity, Description=change.now["description"])
        if change.touches("policy"):
            op.call("kms.put_key_policy", KeyId=identity, PolicyName="default", Policy=change.now["policy"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        live = _describe(op, identity)
        if live is None:
            return None
        return {
            "arn": op.arn("kms", f"key/{identity}"),
            "keyId": identity,
            "keySpec": live.get("KeySpec"),
            "keyUsage": live["KeyUsage"],
            "description": live.get("Description"),
            "enabled": live["Enabled"],
            "primaryKeyArn": known.get("primaryKeyArn"),
            **_policy_and_tags(op, identity),
        }


def _same_key(left: Any, right: Any) -> bool:
    """Keys are named by id or by ARN."""
    return str(left).rpartition("/")[2] == str(right).rpartition("/")[2]


class Alias(ResourceType):
    type_name = "aws:kms/alias:Alias"
    inputs = (
        Input("name", required=True, replace=True),
        Input("targetKeyId", required=True, equal=_same_key),
    )
    outputs = ("arn", "targetKeyArn")
    delete_before_replace = True

    def verify(self, inputs: Properties) -> dict[str, str]:
        name = inputs.get("name")
        if isinstance(name, str) and not name.startswith("alias/"):
            return {"name": f"an alias begins with 'alias/': found {name!r}"}
        return {}

    def create(self, op: Operation, new: Properties) -> str:
        op.call("kms.create_alias", AliasName=new["name"], TargetKeyId=new["targetKeyId"])
        return str(new["name"])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        op.call("kms.update_alias", AliasName=identity, TargetKeyId=change.now["targetKeyId"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        for alias in op.call("kms.list_aliases")["Aliases"]:
            if alias["AliasName"] == identity and alias.get("TargetKeyId"):
                target = alias["TargetKeyId"].rpartition("/")[2]
                return {
                    "name": identity,
                    "arn": op.arn("kms", identity),
                    "targetKeyId": target,
                    "targetKeyArn": op.arn("kms", f"key/{target}"),
                }
        return None

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("kms.delete_alias", _GONE, AliasName=identity)


TYPES = (Key(), ReplicaKey(), Alias())
