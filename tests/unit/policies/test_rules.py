"""Every rule finds its planted leak, passes its clean twin, and is not fooled by what is missing or garbled."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest

from policies import cases as running
from policies.graph import UNKNOWN
from policies.outcomes import Outcome, Stage
from policies.rules import RULES
from tests.unit.policies import rule_cases as cases

CASES = cases.load()
LEAKS = [case for case in CASES if case.kind == "leak"]
CLEAN = [case for case in CASES if case.kind == "clean"]
NOT_A_PASS = {Outcome.FAIL, Outcome.ERROR, Outcome.INDETERMINATE}


@pytest.mark.parametrize("case", LEAKS, ids=str)
def test_a_planted_leak_fails(case: Any) -> None:
    assert cases.outcome(case, cases.graph(case)) is Outcome.FAIL


@pytest.mark.parametrize("case", CLEAN, ids=str)
def test_its_clean_twin_passes(case: Any) -> None:
    assert cases.outcome(case, cases.graph(case)) is Outcome.PASS


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_leak_and_a_clean_twin_at_each_stage_it_claims(rule: str) -> None:
    claimed = set(RULES[rule].entry.stages)
    assert {case.stage for case in LEAKS if case.rule == rule} == claimed
    assert {case.stage for case in CLEAN if case.rule == rule} == claimed


def _by_rule(leaks: list[Any]) -> Any:
    """Parameters `leaks`, a list for each rule: one test for each leak would take longer than all the changes."""
    rules = [(key, list(found)) for key, found in groupby(leaks, lambda case: case.rule)]
    return pytest.mark.parametrize("leaks", [found for _, found in rules], ids=[key for key, _ in rules])


@_by_rule([case for case in LEAKS if case.stage is not Stage.PLAN])
def test_deleting_any_attribute_never_turns_a_leak_into_a_pass(leaks: list[Any]) -> None:
    for case in leaks:
        for changed, what in running.deletions(case):
            assert cases.outcome(case, changed) in NOT_A_PASS, f"{case}: {what}"


@_by_rule(LEAKS)
def test_garbling_any_attribute_never_turns_a_leak_into_a_pass(leaks: list[Any]) -> None:
    for case in leaks:
        for changed, what in running.replacements(case, running.GARBLED):
            assert cases.outcome(case, changed) in NOT_A_PASS, f"{case}: {what}"


@_by_rule([case for case in LEAKS if case.stage is Stage.PLAN])
def test_a_value_that_is_not_known_yet_never_turns_a_leak_into_a_pass(leaks: list[Any]) -> None:
    for case in leaks:
        for changed, what in running.replacements(case, UNKNOWN):
            assert cases.outcome(case, changed) in NOT_A_PASS, f"{case}: {what}"
