"""Attestations count while they are current, of a known kind, and signed by an officer of their own member."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gchain_node.development import DevelopmentMember
from policies.errors import SourceError
from policies.officers import Officers
from policies.sources import attestations
from tests.unit.policies.conftest import NOW

Members = dict[str, DevelopmentMember]


def statement(**changes: Any) -> dict[str, Any]:
    issued, expires = NOW - timedelta(days=1), NOW + timedelta(days=29)
    words = {"issued": issued.isoformat(), "expires": expires.isoformat()}
    return {"version": 1, "member": "treasury", "kind": "operators", "statement": [], **words, **changes}


def verified(document: dict[str, Any], members: Members, officers: Officers, by: str = "treasury") -> dict[str, Any]:
    envelope = attestations.sign(document, members[by].keys["officer"])
    return attestations.verify(envelope, officers, member="treasury", now=NOW)


def days(count: int) -> str:
    return (NOW + timedelta(days=count)).isoformat()


def test_a_current_statement_counts(members: Members, officers: Officers) -> None:
    assert verified(statement(), members, officers)["kind"] == "operators"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"expires": days(-1), "issued": days(-9)}, "has expired"),
        ({"issued": days(1), "expires": days(9)}, "dated after today"),
        ({"issued": days(400), "expires": days(300)}, "dated after today"),
        ({"issued": days(-400)}, "over a year"),
        ({"kind": "opinion"}, "no known kind"),
        ({"member": "health"}, "not one that an officer of treasury signed"),
        ({"issued": "yesterday"}, "does not count"),
        ({"expires": None}, "does not count"),
    ],
)
def test_one_that_is_not_current_or_not_whole_does_not(
    changes: dict[str, Any], said: str, members: Members, officers: Officers
) -> None:
    with pytest.raises(SourceError, match=said):
        verified(statement(**changes), members, officers)


def test_another_members_officer_cannot_attest(members: Members, officers: Officers) -> None:
    with pytest.raises(SourceError, match="not one that an officer of treasury signed"):
        verified(statement(), members, officers, by="health")
