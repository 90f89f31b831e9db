"""Every rule finds its planted leak, passes its clean twin, and is not fooled by what is missing or garbled."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from policies.graph import UNKNOWN, Graph, Resource
from policies.outcomes import Outcome, Stage
from policies.rules import RULES
from tests.unit.policies import rule_cases as cases

CASES = cases.load()
LEAKS = [case for case in CASES if case.kind == "leak"]
CLEAN = [case for case in CASES if case.kind == "clean"]
GARBLED = "@garbled@"
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


@pytest.mark.parametrize("case", [c for c in LEAKS if c.stage is not Stage.PLAN], ids=str)
def test_deleting_any_attribute_never_turns_a_leak_into_a_pass(case: Any) -> None:
    for changed, what in _deletions(case):
        assert cases.outcome(case, changed) in NOT_A_PASS, what


@pytest.mark.parametrize("case", LEAKS, ids=str)
def test_garbling_any_attribute_never_turns_a_leak_into_a_pass(case: Any) -> None:
    for changed, what in _replacements(case, GARBLED):
        assert cases.outcome(case, changed) in NOT_A_PASS, what


@pytest.mark.parametrize("case", [c for c in LEAKS if c.stage is Stage.PLAN], ids=str)
def test_a_value_that_is_not_known_yet_never_turns_a_leak_into_a_pass(case: Any) -> None:
    for changed, what in _replacements(case, UNKNOWN):
        assert cases.outcome(case, changed) in NOT_A_PASS, what


def _deletions(case: Any) -> Any:
    if case.stage is Stage.STATE:
        whole = cases.export(case)
        for index, entry in enumerate(whole["deployment"]["resources"][1:], 1):
            for side in ("inputs", "outputs"):
                for path in cases.mutations(entry[side]):
                    changed = copy.deepcopy(whole)
                    where = changed["deployment"]["resources"][index][side]
                    del cases.at(where, path[:-1])[path[-1]]
                    yield cases.state_graph(case, changed), f"{side} {path}"
        return
    yield from _changed(case, lambda parent, key: parent.pop(key))


def _replacements(case: Any, value: Any) -> Any:
    yield from _changed(case, lambda parent, key: parent.__setitem__(key, value))


def _changed(case: Any, change: Any) -> Any:
    """The case's graph with one attribute of one resource, or one fact, changed; once for each."""
    whole = cases.graph(case)
    for index, resource in enumerate(whole.resources):
        for path in cases.mutations(dict(resource.properties)):
            properties = copy.deepcopy(dict(resource.properties))
            change(cases.at(properties, path[:-1]), path[-1])
            resources = [*whole.resources]
            resources[index] = _with(resource, properties)
            yield Graph(resources, whole.facts), f"{resource.name} {path}"
    for path in cases.mutations(whole.facts):
        facts = copy.deepcopy(whole.facts)
        change(cases.at(facts, path[:-1]), path[-1])
        yield Graph(whole.resources, facts), str(path)


def _with(resource: Resource, properties: dict[str, Any]) -> Resource:
    return Resource(
        resource.id,
        resource.type,
        resource.name,
        properties,
        resource.provider,
        resource.provider_is_default,
        resource.protect,
        physical_id=resource.physical_id,
    )
