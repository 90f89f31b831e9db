"""EBS volumes, their attachments, and the two account settings that encrypt every volume."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input
from gchain.sandbox.provider.services.ec2 import Ec2Object, Ec2Setting
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_NO_VOLUME = ("InvalidVolume.NotFound",)


class Volume(Ec2Object):
    type_name = "aws:ebs/volume:Volume"
    noun = "volume"
    create_action, created = "create_volume", ("VolumeId",)
    described = ("describe_volumes", "VolumeIds", "Volumes")
    deleted = ("delete_volume", "VolumeId")
    gone = _NO_VOLUME
    inputs = (
        Input("availabilityZone", required=True, replace=True),
        Input("encrypted", replace=True, computed=True),
        Input("kmsKeyId", replace=True, computed=True),
        Input("size", computed=True),
        Input("type", member="VolumeType", default="gp2"),
        Input("iops", computed=True),
        Input("throughput", computed=True, write_only=True),
        Input("snapshotId", replace=True, computed=True),
    )
    outputs = ("arn", "createTime")

    def update(self, op: Operation, identity: str, change: Change) -> None:
        now = change.now
        op.call(
            "ec2.modify_volume",
            VolumeId=identity,
            Size=now.get("size"),
            VolumeType=now.get("type"),
            Iops=now.get("iops"),
        )

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        created = live.get("CreateTime")
        return {
            "createTime": created.isoformat() if created else None,
            "kmsKeyId": live.get("KmsKeyId") or None,
            "snapshotId": live.get("SnapshotId") or None,
        }


class VolumeAttachment(Ec2Setting):
    type_name = "aws:ec2/volumeAttachment:VolumeAttachment"
    inputs = (
        Input("deviceName", required=True, replace=True),
        Input("instanceId", required=True, replace=True),
        Input("volumeId", required=True, replace=True),
        Input("forceDetach", write_only=True),
        Input("skipDestroy", write_only=True),
        Input("stopInstanceBeforeDetaching", write_only=True),
    )
    delete_before_replace = True  # a volume is attached once

    def create(self, op: Operation, new: Properties) -> str:
        device, instance, volume = new["deviceName"], new["instanceId"], new["volumeId"]
        op.call("ec2.attach_volume", Device=device, InstanceId=instance, VolumeId=volume)
        return f"vai-{zlib.crc32(f'{device}-{instance}-{volume}-'.encode())}"

    def update(self, op: Operation, identity: str, change: Change) -> None:
        """Only what a delete does can change, and it is read from the state then."""

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find("ec2.describe_volumes", _NO_VOLUME, VolumeIds=[known["volumeId"]])
        for volume in (answer or {}).get("Volumes") or []:
            for attachment in volume.get("Attachments") or []:
                if attachment["InstanceId"] == known["instanceId"]:
                    where = {name: known[name] for name in ("instanceId", "volumeId")}
                    return {**where, "deviceName": attachment["Device"]}
        return None

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        if state.get("skipDestroy"):
            return
        gone = (*_NO_VOLUME, "InvalidInstanceID.NotFound", "InvalidAttachment.NotFound", "IncorrectState")
        op.find("ec2.detach_volume", gone, VolumeId=state["volumeId"], InstanceId=state["instanceId"])


class EncryptionByDefault(Ec2Setting):
    type_name = "aws:ebs/encryptionByDefault:EncryptionByDefault"
    inputs = (Input("enabled", default=True),)

    def create(self, op: Operation, new: Properties) -> str:
        self._set(op, new["enabled"])
        return "terraform-ebs-encryption-by-default"

    @staticmethod
    def _set(op: Operation, enabled: bool) -> None:
        op.call(f"ec2.{'enable' if enabled else 'disable'}_ebs_encryption_by_default")

    def update(self, op: Operation, identity: str, change: Change) -> None:
        self._set(op, change.now["enabled"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        return {"enabled": op.call("ec2.get_ebs_encryption_by_default")["EbsEncryptionByDefault"]}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        self._set(op, False)


class DefaultKmsKey(Ec2Setting):
    """The key that volumes get when none is named; deleting it goes back to the account's own EBS key."""

    type_name = "aws:ebs/defaultKmsKey:DefaultKmsKey"
    inputs = (Input("keyArn", required=True, replace=True),)

    def create(self, op: Operation, new: Properties) -> str:
        op.call("ec2.modify_ebs_default_kms_key_id", KmsKeyId=new["keyArn"])
        return str(new["keyArn"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        key = op.call("ec2.get_ebs_default_kms_key_id")["KmsKeyId"]
        return {"keyArn": key} if key == identity else None

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.call("ec2.reset_ebs_default_kms_key_id")


TYPES = (Volume(), VolumeAttachment(), EncryptionByDefault(), DefaultKmsKey())
