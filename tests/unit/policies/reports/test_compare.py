"""Two reports side by side: new, fixed, unchanged, and never of two different ledgers."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gchain.workspace import Workspace
from policies.errors import ReportError
from policies.reports import history
from policies.reports.compare import compare, text

Report = dict[str, Any]


def without(report: Report, outcome: str) -> Report:
    changed = copy.deepcopy(report)
    changed["findings"] = [f for f in report["findings"] if f["outcome"] != outcome]
    return changed


def test_a_report_and_itself_differ_in_nothing(report: Report) -> None:
    found = compare(report, report)
    assert (found.new, found.fixed) == ((), ())
    assert {c.after for c in found.unchanged} == {"fail", "indeterminate"}


def test_what_is_open_now_and_was_not_is_new_and_the_other_way_round_is_fixed(report: Report) -> None:
    clean = without(report, "fail")
    (appeared,) = compare(clean, report).new
    (gone,) = compare(report, clean).fixed
    assert (appeared.member, appeared.rule, appeared.before, appeared.after) == ("health", "RES-010", "", "fail")
    assert (gone.rule, gone.before, gone.after) == ("RES-010", "fail", "")


def test_a_failure_that_was_waived_before_is_new_and_one_that_is_waived_now_is_fixed(report: Report) -> None:
    open_ = copy.deepcopy(report)
    for finding in open_["findings"]:
        if finding["outcome"] == "waived":
            finding["outcome"] = "fail"
    assert [(c.rule, c.before) for c in compare(report, open_).new] == [("HRD-011", "waived")]
    assert [(c.rule, c.after) for c in compare(open_, report).fixed] == [("HRD-011", "waived")]


def test_rules_that_came_or_went_are_named(report: Report) -> None:
    fewer = copy.deepcopy(report)
    gone = fewer["rules"]["enforced"].pop(0)["id"]
    assert compare(fewer, report).rules_added == (gone,)
    assert compare(report, fewer).rules_removed == (gone,)
    assert gone in text(compare(report, fewer))


@pytest.mark.parametrize("key", ["chain_id", "environment", "consortium"])
def test_reports_of_different_ledgers_are_not_compared(report: Report, key: str) -> None:
    with pytest.raises(ReportError, match=f"different ledgers: {key}"):
        compare(report, report | {key: "another"})


def test_a_merge_that_changes_the_table_keeps_the_report_before_and_one_that_does_not_keeps_none(
    workspace: Workspace, report: Report
) -> None:
    history.keep(workspace, report)
    assert history.entries(workspace) == []
    history.keep(workspace, report | {"table_digest": "sha256:" + "0" * 64})
    (entry,) = history.entries(workspace)
    assert entry.name == f"20261123T060000-{report['table_digest'][7:19]}"


def test_a_damaged_report_is_not_kept(workspace: Workspace, report: Report) -> None:
    (workspace.public / "consortium-report.json").write_text("{")
    history.keep(workspace, report)
    assert history.entries(workspace) == []
