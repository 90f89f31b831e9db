"""Waivers: exactly one resource, signed, current; anything else has no effect and says why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gchain_node.development import DevelopmentMember
from policies import waivers
from policies.errors import WaiverError
from policies.officers import Officers
from policies.outcomes import Finding, Outcome
from tests.unit.policies.conftest import NOW

Members = dict[str, DevelopmentMember]


def draft(**changes: Any) -> dict[str, Any]:
    document = waivers.draft(
        "treasury",
        changes.pop("rule", "HRD-011"),
        "account/User/ci",
        reason="the sandbox opens accounts with a user",
        compensating_control="the key lives as long as the sandbox",
        days=30,
        now=NOW,
    )
    return {**document, **changes}


def granted(document: dict[str, Any], members: Members, officers: Officers, *names: str) -> waivers.Waiver:
    keys = [members[name].keys["officer"] for name in names or ("treasury",)]
    return waivers.verify(waivers.sign(document, *keys), officers, member="treasury", now=NOW)


def test_a_signed_current_waiver_counts(members: Members, officers: Officers) -> None:
    waiver = granted(draft(), members, officers)
    assert waiver.days_left(NOW) == 30
    assert [str(officer) for officer in waiver.approvers] == ["treasury/officer"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"expires": (NOW - timedelta(days=1)).isoformat(), "created": (NOW - timedelta(days=9)).isoformat()},
            "expired",
        ),
        ({"expires": (NOW + timedelta(days=900)).isoformat()}, "life"),
        (
            {"created": (NOW + timedelta(days=9)).isoformat(), "expires": (NOW + timedelta(days=300)).isoformat()},
            "after today",
        ),
        ({"resource": "account/User/*"}, "over-broad"),
        ({"resource": "stage"}, "over-broad"),
        ({"resource": ""}, "resource is missing"),
        ({"rule": "RES-999"}, "no rule"),
        ({"reason": "because"}, "says too little"),
        ({"member": "health"}, "health's, not treasury's"),
        ({"expires": "tomorrow"}, "ISO 8601"),
        ({"version": 2}, "version"),
    ],
)
def test_a_waiver_that_is_not_whole_has_no_effect(
    changes: dict[str, Any], reason: str, members: Members, officers: Officers
) -> None:
    with pytest.raises(WaiverError, match=reason):
        granted(draft(**changes), members, officers)


def test_a_waiver_needs_an_officer_of_its_own_member(members: Members, officers: Officers) -> None:
    with pytest.raises(WaiverError, match="no officer of treasury"):
        granted(draft(), members, officers, "health")


def test_a_key_that_is_no_officers_does_not_count(members: Members, officers: Officers) -> None:
    envelope = waivers.sign(draft(), members["treasury"].keys["member"])
    with pytest.raises(WaiverError, match="no effect"):
        waivers.verify(envelope, officers, member="treasury", now=NOW)


def test_a_changed_waiver_does_not_verify(members: Members, officers: Officers) -> None:
    envelope = waivers.sign(draft(), members["treasury"].keys["officer"])
    envelope["payload"] = waivers.sign(draft(resource="other"), members["treasury"].keys["officer"])["payload"]
    with pytest.raises(WaiverError, match="no effect"):
        waivers.verify(envelope, officers, member="treasury", now=NOW)


def test_a_critical_rule_needs_two_officers(members: Members, officers: Officers) -> None:
    with pytest.raises(WaiverError, match="two officers"):
        granted(draft(rule="RES-010"), members, officers)
    assert len(granted(draft(rule="RES-010"), members, officers, "treasury", "health").approvers) == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Outcome.FAIL, Outcome.WAIVED),
        (Outcome.INDETERMINATE, Outcome.WAIVED),
        (Outcome.ERROR, Outcome.ERROR),
        (Outcome.PASS, Outcome.PASS),
    ],
)
def test_a_waiver_turns_only_fail_and_indeterminate(
    before: Outcome, after: Outcome, leak: Finding, members: Members, officers: Officers
) -> None:
    waiver = granted(draft(rule=leak.rule, resource=leak.resource), members, officers, "treasury", "health")
    named = Finding(leak.rule, leak.resource, leak.stage, before, "", leak.evidence)
    other = Finding(leak.rule, leak.resource + "-2", leak.stage, before, "", leak.evidence)
    assert [finding.outcome for finding in waivers.apply([named, other], [waiver])] == [after, before]
