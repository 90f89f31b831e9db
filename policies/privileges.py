"""What IAM grants, whichever resource states it: policy documents, and managed policies that are attached.

One role may be given a policy inline, by `managedPolicyArns`, or by a resource of its own that names both; a rule about
privileges has to see each form (Pulumi AWS provider, modules `iam` and `ssoadmin`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from policies.documents import Statement, statements
from policies.graph import Resource
from policies.rule import Context
from policies.view import UnknownValue

__all__ = ["ATTACHMENTS", "CUSTOMER_POLICY", "DOCUMENTS", "Attached", "attached", "documents"]

_ROLE = "aws:iam/role:Role"
CUSTOMER_POLICY = "aws:iam/policy:Policy"
_PROPERTY = {
    CUSTOMER_POLICY: "policy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/userPolicy:UserPolicy": "policy",
    "aws:iam/groupPolicy:GroupPolicy": "policy",
    "aws:ssoadmin/permissionSetInlinePolicy:PermissionSetInlinePolicy": "inlinePolicy",
}
DOCUMENTS = (*_PROPERTY, _ROLE)
"""The types that hold policy documents."""


class _Form(NamedTuple):
    """Where an attachment names its policies, one or a list, and whom it gives them to."""

    policies: str
    holders: tuple[str, ...]


_ONE = {
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _Form("policyArn", ("role",)),
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": _Form("policyArn", ("user",)),
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": _Form("policyArn", ("group",)),
    "aws:iam/policyAttachment:PolicyAttachment": _Form("policyArn", ("roles", "users", "groups")),
    "aws:ssoadmin/managedPolicyAttachment:ManagedPolicyAttachment": _Form("managedPolicyArn", ("permissionSetArn",)),
}
_MANY = {
    _ROLE: _Form("managedPolicyArns", ()),
    "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive": _Form("policyArns", ("roleName",)),
    "aws:iam/userPolicyAttachmentsExclusive:UserPolicyAttachmentsExclusive": _Form("policyArns", ("userName",)),
    "aws:iam/groupPolicyAttachmentsExclusive:GroupPolicyAttachmentsExclusive": _Form("policyArns", ("groupName",)),
    "aws:ssoadmin/managedPolicyAttachmentsExclusive:ManagedPolicyAttachmentsExclusive": _Form(
        "managedPolicyArns", ("permissionSetArn",)
    ),
}
_LISTS_HOLDERS = "aws:iam/policyAttachment:PolicyAttachment"
ATTACHMENTS = (*_ONE, *_MANY)
"""The types that give managed policies to somebody."""

_POLICY_ARN = re.compile(r"^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/(?:[!-~]+/)?([\w+=,.@-]+)$", re.ASCII)


class Attached(NamedTuple):
    """A managed policy that is given to somebody: its ARN, its name, and whether AWS wrote it."""

    arn: str
    name: str
    of_aws: bool


def documents(resource: Resource, at: Context) -> Iterator[list[Statement]]:
    """Each policy document that a resource of `DOCUMENTS` holds.

    Raises:
        UnknownValue: a document is not known, or none.
    """
    view = at.view(resource)
    if resource.type != _ROLE:
        name = _PROPERTY[resource.type]
        yield statements(view.value(name), name)
        return
    for inline in view.children("inlinePolicies"):
        if (document := inline.text("policy")) is not None:
            yield statements(document, "inlinePolicies")


def attached(resource: Resource, at: Context) -> Iterator[Attached]:
    """Each managed policy that a resource of `ATTACHMENTS` gives.

    Raises:
        UnknownValue: a policy, or whom it is given to, is not known; the policies that are come first.
    """
    view = at.view(resource)
    if resource.type in _ONE:
        form = _ONE[resource.type]
        yield _parsed(view.required(form.policies), form.policies)
    else:
        form = _MANY[resource.type]
        for arn in view.texts(form.policies):
            yield _parsed(arn, form.policies)
    for holder in form.holders:
        view.texts(holder) if resource.type == _LISTS_HOLDERS else view.required(holder)


def _parsed(arn: str, what: str) -> Attached:
    if (match := _POLICY_ARN.match(arn)) is None:
        raise UnknownValue(f"{what}: {arn!r} is not the ARN of a policy")
    return Attached(arn, match.group(2), match.group(1) == "aws")
