"""CloudWatch log groups."""

from __future__ import annotations

from collections.abc import Mapping

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, ResourceType
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_GONE = "ResourceNotFoundException"


class LogGroup(ResourceType):
    type_name = "aws:cloudwatch/logGroup:LogGroup"
    taggable = True
    inputs = (
        Input("name", replace=True, autoname=True),
        Input("retentionInDays", default=0),
        Input("kmsKeyId"),
        Input("logGroupClass", default="STANDARD", replace=True, write_only=True),  # moto keeps none
        Input("skipDestroy", default=False, write_only=True),
    )
    outputs = ("arn",)

    def create(self, op: Operation, new: Properties) -> str:
        tags = new["tagsAll"] or None
        op.call("logs.create_log_group", logGroupName=new["name"], kmsKeyId=new.get("kmsKeyId"), tags=tags)
        return str(new["name"])

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        if new["retentionInDays"]:
            days = new["retentionInDays"]
            op.call("logs.put_retention_policy", logGroupName=identity, retentionInDays=days)

    def update(self, op: Operation, identity: str, change: Change) -> None:
        now = change.now
        if change.touches("retentionInDays"):
            if now["retentionInDays"]:
                self.settle(op, identity, now)
            else:
                op.call("logs.delete_retention_policy", logGroupName=identity)
        if change.touches("kmsKeyId"):
            if now.get("kmsKeyId"):
                op.call("logs.associate_kms_key", logGroupName=identity, kmsKeyId=now["kmsKeyId"])
            else:
                op.call("logs.disassociate_kms_key", logGroupName=identity)

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        for group in op.call("logs.describe_log_groups", logGroupNamePrefix=identity)["logGroups"]:
            if group["logGroupName"] == identity:
                arn = op.arn("logs", f"log-group:{identity}")
                return {
                    "name": identity,
                    "arn": arn,
                    "retentionInDays": group.get("retentionInDays", 0),
                    "kmsKeyId": group.get("kmsKeyId"),
                    "tags": op.call("logs.list_tags_for_resource", resourceArn=arn)["tags"],
                }
        return None

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        if removed:
            op.call("logs.untag_resource", resourceArn=state["arn"], tagKeys=removed)
        if tags:
            op.call("logs.tag_resource", resourceArn=state["arn"], tags=dict(tags))

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        if not state.get("skipDestroy"):
            op.find("logs.delete_log_group", _GONE, logGroupName=identity)


TYPES = (LogGroup(),)
