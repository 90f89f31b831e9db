"""CloudTrail trails."""

from __future__ import annotations

from collections.abc import Mapping

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, ResourceType
from gchain.sandbox.provider.services.ec2 import tag_list, tags_of
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_GONE = "TrailNotFoundException"


class Trail(ResourceType):
    type_name = "aws:cloudtrail/trail:Trail"
    taggable = True
    inputs = (
        Input("name", replace=True, autoname=True),
        Input("s3BucketName", required=True),
        Input("s3KeyPrefix"),
        Input("kmsKeyId"),
        Input("isMultiRegionTrail", default=False),
        Input("isOrganizationTrail", default=False),
        Input("includeGlobalServiceEvents", default=True),
        Input("enableLogFileValidation", member="EnableLogFileValidation", default=False),
        Input("enableLogging", member=None, default=True),
        Input("cloudWatchLogsGroupArn", member="CloudWatchLogsLogGroupArn"),
        Input("cloudWatchLogsRoleArn"),
        Input("snsTopicName"),
    )
    outputs = ("arn", "homeRegion")

    def _parameters(self, new: Properties) -> Properties:
        return {item.api: new[item.name] for item in self.inputs if item.api and new.get(item.name) is not None}

    def create(self, op: Operation, new: Properties) -> str:
        tags = tag_list(new["tagsAll"])
        return str(op.call("cloudtrail.create_trail", TagsList=tags, **self._parameters(new))["TrailARN"])

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        if new["enableLogging"]:
            op.call("cloudtrail.start_logging", Name=identity)

    def update(self, op: Operation, identity: str, change: Change) -> None:
        if change.names - {"enableLogging"}:
            op.call("cloudtrail.update_trail", **self._parameters(change.now))
        if change.touches("enableLogging"):
            op.call(f"cloudtrail.{'start' if change.now['enableLogging'] else 'stop'}_logging", Name=identity)

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find("cloudtrail.get_trail", _GONE, Name=identity)
        if answer is None:
            return None
        trail = answer["Trail"]
        result = {item.name: trail.get(item.api) for item in self.inputs if item.api}
        listed = op.call("cloudtrail.list_tags", ResourceIdList=[identity])["ResourceTagList"]
        return result | {
            "arn": identity,
            "homeRegion": identity.split(":")[3],
            "enableLogFileValidation": trail.get("LogFileValidationEnabled", False),
            "enableLogging": op.call("cloudtrail.get_trail_status", Name=identity)["IsLogging"],
            "tags": tags_of({"Tags": listed[0]["TagsList"] if listed else []}),
        }

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        if removed:
            gone = [{"Key": key} for key in removed]
            op.call("cloudtrail.remove_tags", ResourceId=identity, TagsList=gone)
        if tags:
            op.call("cloudtrail.add_tags", ResourceId=identity, TagsList=tag_list(tags))

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("cloudtrail.delete_trail", _GONE, Name=identity.rpartition("/")[2])  # moto ignores an ARN here


TYPES = (Trail(),)
