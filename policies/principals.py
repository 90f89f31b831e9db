"""Whom a resource policy lets in, judged against the zone: accounts, everyone, federated and service principals."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from policies.documents import Statement
from policies.places import account_faults, parse_arn
from policies.rule import Context
from policies.view import UnknownValue

__all__ = ["account_of", "principal_faults"]


def account_of(principal: str) -> str:
    """The account of a principal by ARN or number.

    Raises:
        UnknownValue: it is neither.
    """
    arn = parse_arn(principal)
    if arn is None and not principal.isdigit():
        raise UnknownValue(f"policy: principal {principal!r} is neither an ARN nor an account")
    return arn.account if arn is not None else principal


def principal_faults(statement: Statement, at: Context, limited: Callable[[Statement, Context], bool]) -> Iterator[str]:
    """Principals outside the zone; services are the caller's to judge.

    Args:
        statement: one that allows.
        at: the zone.
        limited: whether the statement's conditions keep a principal `*` inside the zone.
    """
    if statement.not_principals:
        yield "a statement allows everyone but some (NotPrincipal)"
    for kind, name in statement.principals:
        if name == "*":
            if not limited(statement, at):
                yield "a statement allows principal * without a condition that limits it to the zone"
        elif kind == "AWS":
            yield from account_faults(at, account_of(name), "an allowed principal")
        elif kind != "Service":
            yield f"a statement allows the {kind.lower()} principal {name}"
