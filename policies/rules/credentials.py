"""Credentials: nobody holds keys that last, and no policy allows everything."""

from __future__ import annotations

from collections.abc import Iterator

from policies import privileges
from policies.documents import Statement
from policies.graph import Resource
from policies.rule import Context, Rule
from policies.view import UnknownValue, View

HRD_011 = Rule("HRD-011", remedy="Replace users and access keys by roles; name actions and resources in policies.")
_ALL_POWERFUL = frozenset({"AdministratorAccess", "PowerUserAccess"})
"""AWS's own policies that allow all actions, or all but a few, on all resources."""


@HRD_011.on("aws:iam/user:User")
def there_are_no_users(user: View, at: Context) -> Iterator[str]:
    yield f"IAM user {user.text('name') or ''} exists"


@HRD_011.on("aws:iam/accessKey:AccessKey")
def there_are_no_access_keys(key: View, at: Context) -> Iterator[str]:
    yield f"an access key of {key.text('user') or 'a user'} exists"


@HRD_011.located(*privileges.DOCUMENTS)
def policy_is_not_all_powerful(resource: Resource, at: Context) -> Iterator[str]:
    for document in privileges.documents(resource, at):
        yield from _power_faults(document)


@HRD_011.located(*privileges.ATTACHMENTS)
def nothing_all_powerful_is_attached(resource: Resource, at: Context) -> Iterator[str]:
    for policy in privileges.attached(resource, at):
        if policy.name in _ALL_POWERFUL:
            yield f"{policy.name} is attached"


@HRD_011.related(*privileges.ATTACHMENTS)
def attached_policy_is_known(resource: Resource, at: Context) -> Iterator[str]:
    known = at.graph.identifiers(privileges.CUSTOMER_POLICY)
    for policy in privileges.attached(resource, at):
        if not policy.of_aws and policy.arn not in known:
            raise UnknownValue(f"what {policy.arn} allows is not known: it is in no stack or listing")
    yield from ()


def _power_faults(document: list[Statement]) -> Iterator[str]:
    for statement in document:
        everything = {"*", "*:*"} & set(statement.actions) or statement.not_actions
        if statement.allows and everything and "*" in statement.resources:
            yield "a statement allows all actions on all resources"
