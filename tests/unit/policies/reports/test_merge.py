"""The consortium report: the same from the same files, false whenever something critical is wrong or missing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from gchain_node.development import DevelopmentMember
from policies import waivers
from policies.canonical import canonical_json
from policies.errors import ReportError
from policies.officers import Officers
from policies.outcomes import Finding, Outcome, Stage
from policies.reports.member import sign, table
from policies.reports.merge import merge, verify
from tests.unit.policies.conftest import NAMES, NOW

Members = dict[str, DevelopmentMember]
MakeReport = Callable[..., dict[str, Any]]
Envelopes = dict[str, dict[str, Any]]


@pytest.fixture
def envelopes(make_report: MakeReport, members: Members) -> Envelopes:
    return {name: sign(make_report(name), members[name].keys["officer"]) for name in NAMES}


def test_when_everything_holds_the_verdict_is_ready(envelopes: Envelopes, agreed: dict[str, Any]) -> None:
    report = merge(envelopes, agreed)
    assert report["verdict"] == {"ok": True, "reasons": [], "warnings": []}
    assert report["rules"]["catalogue_size"] == 103
    assert len(report["rules"]["not_enforced"]) + len(report["rules"]["enforced"]) == 103


def test_the_merge_is_the_same_whatever_the_order(envelopes: Envelopes, agreed: dict[str, Any]) -> None:
    turned = dict(reversed(envelopes.items()))
    assert canonical_json(merge(envelopes, agreed)) == canonical_json(merge(turned, agreed))


def test_a_critical_leak_of_one_member_keeps_the_ledger_closed(
    envelopes: Envelopes, agreed: dict[str, Any], make_report: MakeReport, members: Members, leak: Finding
) -> None:
    envelopes["health"] = sign(make_report("health", leak), members["health"].keys["officer"])
    report = merge(envelopes, agreed)
    assert not report["verdict"]["ok"]
    (reason,) = report["verdict"]["reasons"]
    assert (reason["member"], reason["rule"], reason["stage"]) == ("health", "RES-010", "state")
    assert [finding["outcome"] for finding in report["findings"]] == ["fail"]


def test_a_member_without_a_report_keeps_the_ledger_closed(envelopes: Envelopes, agreed: dict[str, Any]) -> None:
    del envelopes["customs"]
    report = merge(envelopes, agreed)
    assert not report["verdict"]["ok"]
    assert {reason["member"] for reason in report["verdict"]["reasons"]} == {"customs"}


def test_a_deciding_stage_that_did_not_run_keeps_the_ledger_closed(
    envelopes: Envelopes, agreed: dict[str, Any], make_report: MakeReport, members: Members
) -> None:
    envelopes["customs"] = sign(make_report("customs", without=(Stage.LIVE,)), members["customs"].keys["officer"])
    reasons = merge(envelopes, agreed)["verdict"]["reasons"]
    assert {(reason["name"], reason["stage"]) for reason in reasons} == {("RULE_INDETERMINATE", "live")}


def test_a_report_signed_by_another_members_officer_is_refused(
    envelopes: Envelopes, agreed: dict[str, Any], make_report: MakeReport, members: Members
) -> None:
    envelopes["health"] = sign(make_report("health"), members["treasury"].keys["officer"])
    with pytest.raises(ReportError, match="an officer of health"):
        merge(envelopes, agreed)


@pytest.mark.parametrize("key", ["zone_digest", "rules_digest", "chain_id", "environment"])
def test_a_report_of_another_consortium_is_refused(
    key: str, envelopes: Envelopes, agreed: dict[str, Any], make_report: MakeReport, members: Members
) -> None:
    foreign = {**make_report("health"), key: "another"}
    envelopes["health"] = sign(foreign, members["health"].keys["officer"])
    with pytest.raises(ReportError, match="is of another"):
        merge(envelopes, agreed)


def test_a_table_that_its_findings_do_not_give_is_refused(
    envelopes: Envelopes, agreed: dict[str, Any], make_report: MakeReport, members: Members, leak: Finding
) -> None:
    forged = make_report("health", leak)
    forged["table"] = make_report("health")["table"]
    envelopes["health"] = sign(forged, members["health"].keys["officer"])
    with pytest.raises(ReportError, match="not what its findings give"):
        merge(envelopes, agreed)


def test_a_finding_called_waived_without_a_signed_waiver_is_refused(
    envelopes: Envelopes, agreed: dict[str, Any], make_report: MakeReport, members: Members, leak: Finding
) -> None:
    claimed = Finding(leak.rule, leak.resource, leak.stage, Outcome.WAIVED, "", leak.evidence)
    envelopes["health"] = sign(make_report("health", claimed), members["health"].keys["officer"])
    with pytest.raises(ReportError, match="no signed waiver"):
        merge(envelopes, agreed)


def test_a_waived_finding_opens_the_ledger_and_stays_visible(
    envelopes: Envelopes,
    agreed: dict[str, Any],
    make_report: MakeReport,
    members: Members,
    officers: Officers,
    leak: Finding,
) -> None:
    document = waivers.draft(
        "health",
        leak.rule,
        leak.resource,
        reason="moved by the end of the month",
        compensating_control="the copy is encrypted under a zone key",
        days=9,
        now=NOW,
    )
    keys = [members[name].keys["officer"] for name in ("health", "treasury")]
    waiver = waivers.verify(waivers.sign(document, *keys), officers, member="health", now=NOW)
    envelopes["health"] = sign(make_report("health", leak, waivers=[waiver]), members["health"].keys["officer"])
    report = merge(envelopes, agreed)
    assert report["verdict"]["ok"]
    assert [finding["outcome"] for finding in report["findings"]] == ["waived"]
    assert [each["days_left"] for each in report["waivers"]] == [9]


def test_anyone_can_recompute_the_report_and_a_changed_one_is_refused(
    envelopes: Envelopes, agreed: dict[str, Any]
) -> None:
    report = merge(envelopes, agreed)
    verify(report, envelopes, agreed)
    forged = copy.deepcopy(report)
    forged["verdict"]["warnings"] = [{"message": "all is well"}]
    with pytest.raises(ReportError, match="verdict"):
        verify(forged, envelopes, agreed)


def test_a_rule_without_a_finding_at_a_stage_that_ran_is_indeterminate(make_report: MakeReport) -> None:
    stages = make_report("health")["stages"]
    stages["live"]["findings"] = [row for row in stages["live"]["findings"] if row["rule"] != "RES-040"]
    rows = {(row["rule"], row["stage"]): row["outcome"] for row in table("health", stages)}
    assert rows["RES-040", "live"] == "indeterminate"
    assert rows["RES-041", "live"] == "pass"
