"""Security Hub: whether it is enabled in an account and region."""

from __future__ import annotations

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Input, ResourceType
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_OFF = ("InvalidAccessException", "ResourceNotFoundException")


class Account(ResourceType):
    type_name = "aws:securityhub/account:Account"
    delete_before_replace = True
    inputs = (
        Input("enableDefaultStandards", default=True, replace=True, write_only=True),
        Input("controlFindingGenerator", replace=True, computed=True),
        Input("autoEnableControls", replace=True, computed=True),
    )
    outputs = ("arn",)

    def create(self, op: Operation, new: Properties) -> str:
        op.call(
            "securityhub.enable_security_hub",
            EnableDefaultStandards=new["enableDefaultStandards"],
            ControlFindingGenerator=new.get("controlFindingGenerator"),
        )
        return str(op.call("sts.get_caller_identity")["Account"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        live = op.find("securityhub.describe_hub", _OFF)
        if live is None:
            return None
        return {
            "arn": live["HubArn"],
            "controlFindingGenerator": live.get("ControlFindingGenerator"),
            "autoEnableControls": live.get("AutoEnableControls"),
        }

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("securityhub.disable_security_hub", _OFF)


TYPES = (Account(),)
