"""What a pipeline gets from `gchain check`: 0, 10 where something that blocks fails, 11 where it is not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from policies.check import BLOCKED, UNKNOWN, exit_code
from policies.frameworks import framework
from policies.outcomes import Finding, Outcome, Stage

MakeReport = Callable[..., dict[str, Any]]
_SEEN = "sha256:" + "2" * 64


def found(rule: str, outcome: Outcome, stage: Stage = Stage.STATE) -> Finding:
    return Finding(rule, "bucket/b", stage, outcome, "as found", _SEEN)


def test_the_codes_are_those_of_the_documents() -> None:
    assert (BLOCKED, UNKNOWN) == (10, 11)


def test_where_everything_holds_the_code_is_zero(make_report: MakeReport) -> None:
    assert exit_code(make_report("health")) == 0


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.FAIL, BLOCKED),
        (Outcome.ERROR, BLOCKED),
        (Outcome.INDETERMINATE, UNKNOWN),
        (Outcome.WAIVED, 0),
        (Outcome.NOT_APPLICABLE, 0),
    ],
)
def test_a_critical_rules_outcome_decides(make_report: MakeReport, outcome: Outcome, code: int) -> None:
    assert exit_code(make_report("health", found("RES-010", outcome))) == code


def test_what_fails_outweighs_what_is_not_known(make_report: MakeReport) -> None:
    both = found("RES-010", Outcome.FAIL), found("RES-010", Outcome.INDETERMINATE, Stage.LIVE)
    assert exit_code(make_report("health", *both)) == BLOCKED


def test_a_stage_that_did_not_run_is_not_known(make_report: MakeReport) -> None:
    assert exit_code(make_report("health", without=(Stage.LIVE,))) == UNKNOWN


@pytest.mark.parametrize(("profile", "code"), [(None, 0), ("fedramp-high", BLOCKED)])
def test_a_profile_blocks_by_severities_of_its_own(make_report: MakeReport, profile: str | None, code: int) -> None:
    report = make_report("health", found("RES-012", Outcome.FAIL))  # high, not critical
    assert exit_code(report, framework(profile) if profile else None) == code
