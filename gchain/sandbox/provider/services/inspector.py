"""Amazon Inspector: which kinds of resources it scans in an account and region."""

from __future__ import annotations

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Input, ResourceType, as_set
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_KINDS = {
    "ec2": "EC2",
    "ecr": "ECR",
    "lambda": "LAMBDA",
    "lambdaCode": "LAMBDA_CODE",
    "codeRepository": "CODE_REPOSITORY",
}


class Enabler(ResourceType):
    type_name = "aws:inspector2/enabler:Enabler"
    delete_before_replace = True
    inputs = (
        Input("accountIds", required=True, replace=True, equal=as_set),
        Input("resourceTypes", required=True, replace=True, equal=as_set),
    )

    def create(self, op: Operation, new: Properties) -> str:
        accounts, kinds = new["accountIds"], new["resourceTypes"]
        op.call("inspector2.enable", accountIds=accounts, resourceTypes=kinds)
        return f"{'-'.join(sorted(accounts))}-{'-'.join(sorted(kinds))}"

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        found = op.call("inspector2.batch_get_account_status", accountIds=known["accountIds"])["accounts"]
        kinds = {
            _KINDS[name]
            for account in found
            for name, state in account["resourceState"].items()
            if name in _KINDS and state.get("status") == "ENABLED"
        }
        return {"accountIds": known["accountIds"], "resourceTypes": sorted(kinds)} if kinds else None

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.call("inspector2.disable", accountIds=state["accountIds"], resourceTypes=state["resourceTypes"])


TYPES = (Enabler(),)
