"""IAM roles, policies, attachments and instance profiles. IAM is global: these types have no region."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, ResourceType, same_document
from gchain.sandbox.provider.services.ec2 import tag_list, tags_of
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_GONE = "NoSuchEntity"


def _text(document: Any) -> str:
    """botocore decodes policy documents into objects; the state keeps text."""
    return document if isinstance(document, str) else json.dumps(document)


class Role(ResourceType):
    type_name = "aws:iam/role:Role"
    regional = False
    taggable = True
    inputs = (
        Input("name", replace=True, autoname=True),
        Input("assumeRolePolicy", required=True, equal=same_document),
        Input("description"),
        Input("path", default="/", replace=True),
        Input("maxSessionDuration", default=3600),
        Input("permissionsBoundary"),
        Input("forceDetachPolicies", default=False, write_only=True),
    )
    outputs = ("arn", "createDate", "uniqueId")

    def create(self, op: Operation, new: Properties) -> str:
        op.call(
            "iam.create_role",
            RoleName=new["name"],
            AssumeRolePolicyDocument=new["assumeRolePolicy"],
            Description=new.get("description"),
            Path=new["path"],
            MaxSessionDuration=new["maxSessionDuration"],
            PermissionsBoundary=new.get("permissionsBoundary"),
            Tags=tag_list(new["tagsAll"]),
        )
        return str(new["name"])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        now = change.now
        if change.touches("assumeRolePolicy"):
            document = now["assumeRolePolicy"]
            op.call("iam.update_assume_role_policy", RoleName=identity, PolicyDocument=document)
        if change.touches("description", "maxSessionDuration"):
            text, duration = now.get("description", ""), now["maxSessionDuration"]
            op.call("iam.update_role", RoleName=identity, Description=text, MaxSessionDuration=duration)
        if change.touches("permissionsBoundary"):
            boundary = now.get("permissionsBoundary")
            if boundary:
                op.call("iam.put_role_permissions_boundary", RoleName=identity, PermissionsBoundary=boundary)
            else:
                op.call("iam.delete_role_permissions_boundary", RoleName=identity)

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find("iam.get_role", _GONE, RoleName=identity)
        if answer is None:
            return None
        role = answer["Role"]
        return {
            "name": identity,
            "arn": role["Arn"],
            "uniqueId": role["RoleId"],
            "createDate": role["CreateDate"].isoformat(),
            "assumeRolePolicy": _text(role["AssumeRolePolicyDocument"]),
            "description": role.get("Description") or None,
            "path": role["Path"],
            "maxSessionDuration": role.get("MaxSessionDuration", 3600),
            "permissionsBoundary": (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
            "tags": tags_of(role),
        }

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        if removed:
            op.call("iam.untag_role", RoleName=identity, TagKeys=removed)
        if tags:
            op.call("iam.tag_role", RoleName=identity, Tags=tag_list(tags))

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        if state.get("forceDetachPolicies"):
            self._detach(op, identity)
        op.find("iam.delete_role", _GONE, RoleName=identity)

    @staticmethod
    def _detach(op: Operation, identity: str) -> None:
        attached = op.find("iam.list_attached_role_policies", _GONE, RoleName=identity) or {}
        for policy in attached.get("AttachedPolicies", []):
            op.call("iam.detach_role_policy", RoleName=identity, PolicyArn=policy["PolicyArn"])
        inline = op.find("iam.list_role_policies", _GONE, RoleName=identity) or {}
        for name in inline.get("PolicyNames", []):
            op.call("iam.delete_role_policy", RoleName=identity, PolicyName=name)


class RolePolicy(ResourceType):
    """An inline policy; its id is `role:name`."""

    type_name = "aws:iam/rolePolicy:RolePolicy"
    regional = False
    inputs = (
        Input("role", required=True, replace=True),
        Input("name", replace=True, autoname=True),
        Input("policy", required=True, equal=same_document),
    )

    def create(self, op: Operation, new: Properties) -> str:
        op.call("iam.put_role_policy", RoleName=new["role"], PolicyName=new["name"], PolicyDocument=new["policy"])
        return f"{new['role']}:{new['name']}"

    def update(self, op: Operation, identity: str, change: Change) -> None:
        self.create(op, change.now)

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        role, _, name = identity.partition(":")
        answer = op.find("iam.get_role_policy", _GONE, RoleName=role, PolicyName=name)
        return {"role": role, "name": name, "policy": _text(answer["PolicyDocument"])} if answer else None

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        role, _, name = identity.partition(":")
        op.find("iam.delete_role_policy", _GONE, RoleName=role, PolicyName=name)


class Policy(ResourceType):
    """A customer-managed policy; a change makes a new default version, of which there are five at most."""

    type_name = "aws:iam/policy:Policy"
    regional = False
    taggable = True
    inputs = (
        Input("name", replace=True, autoname=True),
        Input("policy", required=True, equal=same_document),
        Input("description", replace=True),
        Input("path", default="/", replace=True),
    )
    outputs = ("arn", "policyId", "attachmentCount")

    def create(self, op: Operation, new: Properties) -> str:
        answer = op.call(
            "iam.create_policy",
            PolicyName=new["name"],
            PolicyDocument=new["policy"],
            Description=new.get("description"),
            Path=new["path"],
            Tags=tag_list(new["tagsAll"]),
        )
        return str(answer["Policy"]["Arn"])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        versions = op.call("iam.list_policy_versions", PolicyArn=identity)["Versions"]
        if len(versions) >= 5:
            oldest = min(
                (item for item in versions if not item["IsDefaultVersion"]), key=lambda item: item["CreateDate"]
            )
            op.call("iam.delete_policy_version", PolicyArn=identity, VersionId=oldest["VersionId"])
        op.call("iam.create_policy_version", PolicyArn=identity, PolicyDocument=change.now["policy"], SetAsDefault=True)

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find("iam.get_policy", _GONE, PolicyArn=identity)
        if answer is None:
            return None
        policy = answer["Policy"]
        version = op.call("iam.get_policy_version", PolicyArn=identity, VersionId=policy["DefaultVersionId"])
        return {
            "arn": identity,
            "name": policy["PolicyName"],
            "policyId": policy["PolicyId"],
            "path": policy["Path"],
            "description": policy.get("Description") or None,
            "attachmentCount": policy.get("AttachmentCount", 0),
            "policy": _text(version["PolicyVersion"]["Document"]),
            "tags": tags_of(policy),
        }

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        if removed:
            op.call("iam.untag_policy", PolicyArn=identity, TagKeys=removed)
        if tags:
            op.call("iam.tag_policy", PolicyArn=identity, Tags=tag_list(tags))

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        listed = op.find("iam.list_policy_versions", _GONE, PolicyArn=identity) or {}
        for version in listed.get("Versions", []):
            if not version["IsDefaultVersion"]:
                op.call("iam.delete_policy_version", PolicyArn=identity, VersionId=version["VersionId"])
        op.find("iam.delete_policy", _GONE, PolicyArn=identity)


class RolePolicyAttachment(ResourceType):
    type_name = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    regional = False
    inputs = (Input("role", required=True, replace=True), Input("policyArn", required=True, replace=True))

    def create(self, op: Operation, new: Properties) -> str:
        op.call("iam.attach_role_policy", RoleName=new["role"], PolicyArn=new["policyArn"])
        return f"{new['role']}/{new['policyArn']}"

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        role, _, arn = identity.partition("/")
        answer = op.find("iam.list_attached_role_policies", _GONE, RoleName=role) or {}
        attached = [item["PolicyArn"] for item in answer.get("AttachedPolicies", [])]
        return {"role": role, "policyArn": arn} if arn in attached else None

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        role, _, arn = identity.partition("/")
        op.find("iam.detach_role_policy", _GONE, RoleName=role, PolicyArn=arn)


class InstanceProfile(ResourceType):
    type_name = "aws:iam/instanceProfile:InstanceProfile"
    regional = False
    taggable = True
    inputs = (
        Input("name", replace=True, autoname=True),
        Input("role"),
        Input("path", default="/", replace=True),
    )
    outputs = ("arn", "createDate", "uniqueId")

    def create(self, op: Operation, new: Properties) -> str:
        tags = tag_list(new["tagsAll"])
        op.call("iam.create_instance_profile", InstanceProfileName=new["name"], Path=new["path"], Tags=tags)
        return str(new["name"])

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        if new.get("role"):
            op.call("iam.add_role_to_instance_profile", InstanceProfileName=identity, RoleName=new["role"])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        before = change.before.get("role")
        if before:
            op.call("iam.remove_role_from_instance_profile", InstanceProfileName=identity, RoleName=before)
        self.settle(op, identity, change.now)

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find("iam.get_instance_profile", _GONE, InstanceProfileName=identity)
        if answer is None:
            return None
        profile = answer["InstanceProfile"]
        roles = profile.get("Roles") or []
        return {
            "name": identity,
            "arn": profile["Arn"],
            "uniqueId": profile["InstanceProfileId"],
            "createDate": profile["CreateDate"].isoformat(),
            "path": profile["Path"],
            "role": roles[0]["RoleName"] if roles else None,
            "tags": tags_of(profile),
        }

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        if removed:
            op.call("iam.untag_instance_profile", InstanceProfileName=identity, TagKeys=removed)
        if tags:
            op.call("iam.tag_instance_profile", InstanceProfileName=identity, Tags=tag_list(tags))

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        live = self.read(op, identity, state)
        if live and live["role"]:
            op.call("iam.remove_role_from_instance_profile", InstanceProfileName=identity, RoleName=live["role"])
        op.find("iam.delete_instance_profile", _GONE, InstanceProfileName=identity)


TYPES = (Role(), RolePolicy(), Policy(), RolePolicyAttachment(), InstanceProfile())
