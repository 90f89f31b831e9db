"""AWS Config: the recorder, where it delivers, and whether it runs."""

from __future__ import annotations

from typing import Any

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, ResourceType, covers
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_NO_RECORDER = "NoSuchConfigurationRecorderException"
_GROUP_KEYS = ("allSupported", "includeGlobalResourceTypes", "resourceTypes")
_NO_CHANNEL = "NoSuchDeliveryChannelException"


class Recorder(ResourceType):
    type_name = "aws:cfg/recorder:Recorder"
    delete_before_replace = True  # an account has one recorder a region
    inputs = (
        Input("name", default="default", replace=True),
        Input("roleArn", required=True),
        Input(
            "recordingGroup",
            computed=True,
            equal=covers,
            fields=(Input("allSupported", default=True), Input("includeGlobalResourceTypes"), Input("resourceTypes")),
        ),
    )

    def create(self, op: Operation, new: Properties) -> str:
        self._put(op, new)
        return str(new["name"])

    @staticmethod
    def _put(op: Operation, new: Properties) -> None:
        recorder = {"name": new["name"], "roleARN": new["roleArn"], "recordingGroup": new.get("recordingGroup")}
        given = {key: value for key, value in recorder.items() if value is not None}
        op.call("config.put_configuration_recorder", ConfigurationRecorder=given)

    def update(self, op: Operation, identity: str, change: Change) -> None:
        self._put(op, change.now)

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find("config.describe_configuration_recorders", _NO_RECORDER, ConfigurationRecorderNames=[identity])
        if answer is None or not answer["ConfigurationRecorders"]:
            return None
        live = answer["ConfigurationRecorders"][0]
        group = {key: value for key, value in (live.get("recordingGroup") or {}).items() if key in _GROUP_KEYS}
        return {"name": identity, "roleArn": live["roleARN"], "recordingGroup": group}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("config.delete_configuration_recorder", _NO_RECORDER, ConfigurationRecorderName=identity)


class DeliveryChannel(ResourceType):
    type_name = "aws:cfg/deliveryChannel:DeliveryChannel"
    delete_before_replace = True
    inputs = (
        Input("name", default="default", replace=True),
        Input("s3BucketName", required=True),
        Input("s3KeyPrefix"),
        Input("s3KmsKeyArn"),
        Input("snsTopicArn"),
        Input("snapshotDeliveryProperties", member=None, fields=(Input("deliveryFrequency"),)),
    )
    _NAMES = (
        ("name", "name"),
        ("s3BucketName", "s3BucketName"),
        ("s3KeyPrefix", "s3KeyPrefix"),
        ("s3KmsKeyArn", "s3KmsKeyArn"),
        ("snsTopicArn", "snsTopicARN"),
    )

    def create(self, op: Operation, new: Properties) -> str:
        self._put(op, new)
        return str(new["name"])

    def _put(self, op: Operation, new: Properties) -> None:
        channel: dict[str, Any] = {member: new[name] for name, member in self._NAMES if new.get(name)}
        if new.get("snapshotDeliveryProperties"):
            channel["configSnapshotDeliveryProperties"] = new["snapshotDeliveryProperties"]
        op.call("config.put_delivery_channel", DeliveryChannel=channel)

    def update(self, op: Operation, identity: str, change: Change) -> None:
        self._put(op, change.now)

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find("config.describe_delivery_channels", _NO_CHANNEL, DeliveryChannelNames=[identity])
        if answer is None or not answer["DeliveryChannels"]:
            return None
        live = answer["DeliveryChannels"][0]
        result = {name: live.get(member) for name, member in self._NAMES}
        return result | {"snapshotDeliveryProperties": live.get("configSnapshotDeliveryProperties")}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("config.delete_delivery_channel", _NO_CHANNEL, DeliveryChannelName=identity)


class RecorderStatus(ResourceType):
    """Whether a recorder runs; deleting it stops the recorder."""

    type_name = "aws:cfg/recorderStatus:RecorderStatus"
    inputs = (Input("name", required=True, replace=True), Input("isEnabled", required=True))

    def create(self, op: Operation, new: Properties) -> str:
        self._set(op, new["name"], new["isEnabled"])
        return str(new["name"])

    @staticmethod
    def _set(op: Operation, name: str, enabled: bool) -> None:
        action = "start" if enabled else "stop"
        op.call(f"config.{action}_configuration_recorder", ConfigurationRecorderName=name)

    def update(self, op: Operation, identity: str, change: Change) -> None:
        self._set(op, identity, change.now["isEnabled"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find(
            "config.describe_configuration_recorder_status", _NO_RECORDER, ConfigurationRecorderNames=[identity]
        )
        if answer is None or not answer["ConfigurationRecordersStatus"]:
            return None
        return {"name": identity, "isEnabled": bool(answer["ConfigurationRecordersStatus"][0]["recording"])}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("config.stop_configuration_recorder", _NO_RECORDER, ConfigurationRecorderName=identity)


TYPES = (Recorder(), DeliveryChannel(), RecorderStatus())
