"""Broken input never turns a leak into a pass: exports garbled and cut, answers with holes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.engine import evaluate
from policies.errors import SourceError
from policies.graph import PROVIDER, UNKNOWN, Graph, Resource
from policies.outcomes import Outcome, Stage, worst
from policies.rules import RULES
from policies.sources import stack_state
from tests.unit.policies import rule_cases as cases

LEAKS = [case for case in cases.load() if case.kind == "leak"]
STATE_LEAKS = [case for case in LEAKS if case.stage is Stage.STATE]
LIVE_LEAKS = [case for case in LEAKS if case.stage is Stage.LIVE and case.document.get("resources")]
NOT_A_PASS = {Outcome.FAIL, Outcome.ERROR, Outcome.INDETERMINATE}
JUNK: list[Any] = ["@", 10**30, [[]], {"": ""}, ["@"], "\x00", "é" * 300, UNKNOWN]


def _types(rule: str) -> list[str]:
    return [read["type"] for read in RULES[rule].entry.reads if read.get("type", "").startswith("aws:")]


READING = [rule for rule in RULES if Stage.LIVE in RULES[rule].entry.stages and _types(rule)]
QUICK = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck), derandomize=True)


@QUICK
@given(st.sampled_from(LIVE_LEAKS), st.data())
def test_an_answer_with_junk_in_one_place_never_clears_a_leak(case: cases.Case, data: st.DataObject) -> None:
    graph = cases.graph(case)
    at = data.draw(st.integers(0, len(graph.resources) - 1))
    properties = copy.deepcopy(dict(graph.resources[at].properties))
    path = data.draw(st.sampled_from(list(cases.mutations(properties)) or [()]))
    # `null` says "not set" and an empty list "none": from the cloud those are answers, not junk.
    junk = data.draw(st.sampled_from(JUNK))
    if path:
        cases.at(properties, path[:-1])[path[-1]] = junk
    changed = [*graph.resources]
    changed[at] = _with(changed[at], properties)
    assert cases.outcome(case, Graph(changed, graph.facts)) in NOT_A_PASS


@QUICK
@given(st.sampled_from(STATE_LEAKS), st.data())
def test_an_export_with_junk_on_one_side_never_clears_a_leak(case: cases.Case, data: st.DataObject) -> None:
    export = cases.export(case)
    resources = export["deployment"]["resources"]
    entry = resources[data.draw(st.integers(0, len(resources) - 1))]
    name = data.draw(st.sampled_from(sorted(entry)))
    if name in ("inputs", "outputs"):
        entry[name] = data.draw(st.sampled_from([None, {}]))
    else:
        del entry[name]
    try:
        graph = cases.state_graph(case, export)
    except SourceError:
        return
    assert cases.outcome(case, graph) in NOT_A_PASS


def test_a_provider_without_a_region_makes_the_place_unknown() -> None:
    provider = Resource("p", PROVIDER, "zone", {})
    bucket = Resource("b", "aws:s3/bucket:Bucket", "b", {"bucket": "b"}, provider, False)
    found = evaluate(Graph([provider, bucket]), cases.zone(), Stage.STATE, rules=[RULES["RES-001"]], now=cases.NOW)
    assert {finding.outcome for finding in found} == {Outcome.INDETERMINATE}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": 3},
        {"version": 3, "deployment": None},
        {"version": 2, "deployment": {"resources": []}},
        {"version": 3, "deployment": {"resources": "all"}},
        {"version": 3, "deployment": {"resources": [{"urn": "urn:pulumi:other::gchain::x::y", "type": "x"}]}},
        {"version": 3, "deployment": {"resources": [None]}},
        {"version": 3, "deployment": {"resources": []}},
    ],
)
def test_an_export_that_is_none_is_refused_by_name(document: Any) -> None:
    with pytest.raises(SourceError, match=cases.STACK):
        stack_state.graph(document, cases.STACK)


@pytest.mark.parametrize("rule", READING)
def test_a_type_that_could_not_be_listed_is_never_cleared(rule: str) -> None:
    reads = _types(rule)
    facts = {"live": UNKNOWN}
    for kind in reads:
        graph = Graph([], facts, unavailable={kind: "AccessDenied in eu-central-1"})
        found = evaluate(graph, cases.zone(), Stage.LIVE, rules=[RULES[rule]], now=cases.NOW)
        assert worst(finding.outcome for finding in found) in NOT_A_PASS, kind


def _with(resource: Resource, properties: dict[str, Any]) -> Resource:
    same = (resource.provider, resource.provider_is_default, resource.protect)
    return Resource(resource.id, resource.type, resource.name, properties, *same, physical_id=resource.physical_id)
