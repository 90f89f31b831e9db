"""AWS Organizations: the organization, its units, accounts and policies. They are global: no region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gchain.errors import CloudError
from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, ResourceType, as_set, same_document
from gchain.sandbox.provider.services.ec2 import tag_list, tags_of
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_NO_ORGANIZATION = "AWSOrganizationsNotInUseException"


class _Tagged(ResourceType):
    regional = False
    taggable = True

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        if removed:
            op.call("organizations.untag_resource", ResourceId=identity, TagKeys=removed)
        if tags:
            op.call("organizations.tag_resource", ResourceId=identity, Tags=tag_list(tags))

    @staticmethod
    def tags(op: Operation, identity: str) -> dict[str, str]:
        return tags_of(op.call("organizations.list_tags_for_resource", ResourceId=identity))


class Organization(ResourceType):
    type_name = "aws:organizations/organization:Organization"
    regional = False
    inputs = (
        Input("featureSet", default="ALL", replace=True),
        Input("enabledPolicyTypes", equal=as_set),
        Input("awsServiceAccessPrincipals", equal=as_set),
        Input("returnOrganizationOnly", default=False, write_only=True),
    )
    outputs = ("arn", "masterAccountArn", "masterAccountEmail", "masterAccountId", "roots", "accounts")

    def create(self, op: Operation, new: Properties) -> str:
        return str(op.call("organizations.create_organization", FeatureSet=new["featureSet"])["Organization"]["Id"])

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        self._converge(op, {}, new)

    def update(self, op: Operation, identity: str, change: Change) -> None:
        self._converge(op, change.before, change.now)

    @staticmethod
    def _converge(op: Operation, before: Properties, now: Properties) -> None:
        root = _roots(op)[0]["Id"]
        for name, parameter, verb in (
            ("enabledPolicyTypes", "PolicyType", "policy_type"),
            ("awsServiceAccessPrincipals", "ServicePrincipal", "aws_service_access"),
        ):
            had, wanted = set(before.get(name) or []), set(now.get(name) or [])
            where = {"RootId": root} if verb == "policy_type" else {}
            for item in sorted(wanted - had):
                op.call(f"organizations.enable_{verb}", **where, **{parameter: item})
            for item in sorted(had - wanted):
                op.call(f"organizations.disable_{verb}", **where, **{parameter: item})

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find("organizations.describe_organization", _NO_ORGANIZATION)
        if answer is None or answer["Organization"]["Id"] != identity:
            return None
        live, roots = answer["Organization"], _roots(op)
        principals = op.call("organizations.list_aws_service_access_for_organization")["EnabledServicePrincipals"]
        return {
            "arn": live["Arn"],
            "featureSet": live["FeatureSet"],
            "masterAccountArn": live["MasterAccountArn"],
            "masterAccountEmail": live["MasterAccountEmail"],
            "masterAccountId": live["MasterAccountId"],
            "enabledPolicyTypes": [item["Type"] for item in roots[0]["PolicyTypes"] if item["Status"] == "ENABLED"],
            "awsServiceAccessPrincipals": [item["ServicePrincipal"] for item in principals],
            "roots": [{"id": root["Id"], "arn": root["Arn"], "name": root["Name"]} for root in roots],
            "accounts": _accounts(op),
        }

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("organizations.delete_organization", _NO_ORGANIZATION)


def _roots(op: Operation) -> list[dict[str, Any]]:
    return list(op.call("organizations.list_roots")["Roots"])


def _accounts(op: Operation) -> list[dict[str, Any]]:
    listed = op.call("organizations.list_accounts")["Accounts"]
    return [
        {"id": item["Id"], "arn": item["Arn"], "email": item["Email"], "name": item["Name"], "status": item["Status"]}
        for item in listed
    ]


class OrganizationalUnit(_Tagged):
    type_name = "aws:organizations/organizationalUnit:OrganizationalUnit"
    inputs = (Input("name", autoname=True), Input("parentId", required=True, replace=True))
    outputs = ("arn", "accounts")

    def create(self, op: Operation, new: Properties) -> str:
        answer = op.call(
            "organizations.create_organizational_unit",
            Name=new["name"],
            ParentId=new["parentId"],
            Tags=tag_list(new["tagsAll"]),
        )
        return str(answer["OrganizationalUnit"]["Id"])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        op.call("organizations.update_organizational_unit", OrganizationalUnitId=identity, Name=change.now["name"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        gone = ("OrganizationalUnitNotFoundException", _NO_ORGANIZATION)
        answer = op.find("organizations.describe_organizational_unit", gone, OrganizationalUnitId=identity)
        if answer is None:
            return None
        unit = answer["OrganizationalUnit"]
        parents = op.call("organizations.list_parents", ChildId=identity)["Parents"]
        return {
            "name": unit["Name"],
            "arn": unit["Arn"],
            "parentId": parents[0]["Id"],
            "tags": self.tags(op, identity),
        }

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        gone = ("OrganizationalUnitNotFoundException", _NO_ORGANIZATION)
        op.find("organizations.delete_organizational_unit", gone, OrganizationalUnitId=identity)


class Account(_Tagged):
    """A member account; deleting it closes it only when `closeOnDeletion` says so, else it leaves the organization."""

    type_name = "aws:organizations/account:Account"
    inputs = (
        Input("name", replace=True, autoname=True),
        Input("email", required=True, replace=True),
        Input("parentId", computed=True),
        Input("roleName", replace=True, write_only=True),
        Input("iamUserAccessToBilling", replace=True, write_only=True),
        Input("closeOnDeletion", default=False, write_only=True),
    )
    outputs = ("arn", "status", "joinedMethod", "joinedTimestamp")

    def create(self, op: Operation, new: Properties) -> str:
        answer = op.call(
            "organizations.create_account",
            AccountName=new["name"],
            Email=new["email"],
            RoleName=new.get("roleName"),
            IamUserAccessToBilling=new.get("iamUserAccessToBilling"),
            Tags=tag_list(new["tagsAll"]),
        )["CreateAccountStatus"]
        if answer["State"] != "SUCCEEDED":
            raise CloudError(
                f"account {new['name']}: {answer['State']}: {answer.get('FailureReason', 'no reason given')}"
            )
        return str(answer["AccountId"])

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        if new.get("parentId"):
            self._move(op, identity, new["parentId"])

    @staticmethod
    def _move(op: Operation, identity: str, target: str) -> None:
        source = op.call("organizations.list_parents", ChildId=identity)["Parents"][0]["Id"]
        if source != target:
            op.call("organizations.move_account", AccountId=identity, SourceParentId=source, DestinationParentId=target)

    def update(self, op: Operation, identity: str, change: Change) -> None:
        if change.touches("parentId"):
            self._move(op, identity, change.now["parentId"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        gone = ("AccountNotFoundException", _NO_ORGANIZATION)
        answer = op.find("organizations.describe_account", gone, AccountId=identity)
        if answer is None or answer["Account"]["Status"] in ("SUSPENDED", "PENDING_CLOSURE"):
            return None
        account = answer["Account"]
        parents = op.call("organizations.list_parents", ChildId=identity)["Parents"]
        return {
            "name": account["Name"],
            "email": account["Email"],
            "arn": account["Arn"],
            "status": account["Status"],
            "joinedMethod": account["JoinedMethod"],
            "joinedTimestamp": account["JoinedTimestamp"].isoformat(),
            "parentId": parents[0]["Id"],
            "tags": self.tags(op, identity),
        }

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        action = "close_account" if state.get("closeOnDeletion") else "remove_account_from_organization"
        op.find(f"organizations.{action}", ("AccountNotFoundException", _NO_ORGANIZATION), AccountId=identity)


class Policy(_Tagged):
    type_name = "aws:organizations/policy:Policy"
    inputs = (
        Input("name", autoname=True),
        Input("content", required=True, equal=same_document),
        Input("description"),
        Input("type", default="SERVICE_CONTROL_POLICY", replace=True),
        Input("skipDestroy", default=False, write_only=True),
    )
    outputs = ("arn",)
    _GONE = ("PolicyNotFoundException", _NO_ORGANIZATION)

    def create(self, op: Operation, new: Properties) -> str:
        answer = op.call(
            "organizations.create_policy",
            Name=new["name"],
            Content=new["content"],
            Description=new.get("description", ""),
            Type=new["type"],
            Tags=tag_list(new["tagsAll"]),
        )
        return str(answer["Policy"]["PolicySummary"]["Id"])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        now = change.now
        op.call(
            "organizations.update_policy",
            PolicyId=identity,
            Name=now["name"],
            Content=now["content"],
            Description=now.get("description", ""),
        )

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find("organizations.describe_policy", self._GONE, PolicyId=identity)
        if answer is None:
            return None
        summary = answer["Policy"]["PolicySummary"]
        return {
            "name": summary["Name"],
            "arn": summary["Arn"],
            "description": summary.get("Description") or None,
            "type": summary["Type"],
            "content": answer["Policy"]["Content"],
            "tags": self.tags(op, identity),
        }

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        if not state.get("skipDestroy"):
            op.find("organizations.delete_policy", self._GONE, PolicyId=identity)


class PolicyAttachment(ResourceType):
    """A policy on a root, unit or account; its id is `target:policy`."""

    type_name = "aws:organizations/policyAttachment:PolicyAttachment"
    regional = False
    inputs = (
        Input("policyId", required=True, replace=True),
        Input("targetId", required=True, replace=True),
        Input("skipDestroy", default=False, write_only=True),
    )

    def create(self, op: Operation, new: Properties) -> str:
        op.call("organizations.attach_policy", PolicyId=new["policyId"], TargetId=new["targetId"])
        return f"{new['targetId']}:{new['policyId']}"

    def update(self, op: Operation, identity: str, change: Change) -> None:
        """Only `skipDestroy` can change, and a delete reads it from the state."""

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        target, _, policy = identity.partition(":")
        gone = ("PolicyNotFoundException", _NO_ORGANIZATION)
        answer = op.find("organizations.list_targets_for_policy", gone, PolicyId=policy) or {}
        if target not in [item["TargetId"] for item in answer.get("Targets", [])]:
            return None
        return {"policyId": policy, "targetId": target}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        if state.get("skipDestroy"):
            return
        target, _, policy = identity.partition(":")
        gone = ("PolicyNotFoundException", "PolicyNotAttachedException", "TargetNotFoundException", _NO_ORGANIZATION)
        op.find("organizations.detach_policy", gone, PolicyId=policy, TargetId=target)


TYPES = (Organization(), OrganizationalUnit(), Account(), Policy(), PolicyAttachment())
