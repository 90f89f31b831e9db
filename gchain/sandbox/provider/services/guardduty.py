"""GuardDuty detectors: one an account and region."""

from __future__ import annotations

from collections.abc import Mapping

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, ResourceType
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_GONE = ("BadRequestException",)  # what GuardDuty answers for a detector that it does not have


class Detector(ResourceType):
    type_name = "aws:guardduty/detector:Detector"
    taggable = True
    delete_before_replace = True
    inputs = (
        Input("enable", default=True),
        Input("findingPublishingFrequency", computed=True),
    )
    outputs = ("accountId",)

    def create(self, op: Operation, new: Properties) -> str:
        answer = op.call(
            "guardduty.create_detector",
            Enable=new["enable"],
            FindingPublishingFrequency=new.get("findingPublishingFrequency"),
            Tags=dict(new["tagsAll"]) or None,
        )
        return str(answer["DetectorId"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        if identity not in op.call("guardduty.list_detectors")["DetectorIds"]:
            return None
        live = op.call("guardduty.get_detector", DetectorId=identity)
        return {
            "enable": live["Status"] == "ENABLED",
            "findingPublishingFrequency": live.get("FindingPublishingFrequency"),
            "tags": dict(live.get("Tags") or {}),
            "accountId": known.get("accountId"),
        }

    def update(self, op: Operation, identity: str, change: Change) -> None:
        now = change.now
        op.call(
            "guardduty.update_detector",
            DetectorId=identity,
            Enable=now["enable"],
            FindingPublishingFrequency=now.get("findingPublishingFrequency"),
        )

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        arn = state.get("arn")
        if removed:
            op.call("guardduty.untag_resource", ResourceArn=arn, TagKeys=removed)
        if tags:
            op.call("guardduty.tag_resource", ResourceArn=arn, Tags=dict(tags))

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("guardduty.delete_detector", _GONE, DetectorId=identity)


TYPES = (Detector(),)
