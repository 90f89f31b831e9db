"""Broken input never turns a leak into a pass: exports garbled and cut, answers with holes, clocks that lie."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gchain_node.development import DevelopmentMember
from node.tests.examples import examples
from policies import cases as running
from policies import validity, waivers
from policies.engine import evaluate
from policies.errors import SourceError, WaiverError
from policies.graph import PROVIDER, UNKNOWN, Graph, Resource
from policies.officers import Officers
from policies.outcomes import Outcome, Stage, worst
from policies.rules import RULES
from policies.sources import attestations, stack_state
from policies.validity import CLOCK_SKEW, MAXIMUM_AGE, MAXIMUM_LIFE
from tests.unit.policies import rule_cases as cases
from tests.unit.policies.conftest import NOW

Members = dict[str, DevelopmentMember]

LEAKS = [case for case in cases.load() if case.kind == "leak"]
STATE_LEAKS = [case for case in LEAKS if case.stage is Stage.STATE]
LIVE_LEAKS = [case for case in LEAKS if case.stage is Stage.LIVE and case.document.get("resources")]
TWICE = [case for case in LEAKS if case.stage is not Stage.STATE and case.rule != "RES-073"]
"""RES-073 looks for personal data in names and tags: two pieces of it that are both overwritten are gone."""
NOT_A_PASS = {Outcome.FAIL, Outcome.ERROR, Outcome.INDETERMINATE}
JUNK: list[Any] = ["@", 10**30, [[]], {"": ""}, ["@"], "\x00", "é" * 300, UNKNOWN]


def _types(rule: str) -> list[str]:
    return [read["type"] for read in RULES[rule].entry.reads if read.get("type", "").startswith("aws:")]


READING = [rule for rule in RULES if Stage.LIVE in RULES[rule].entry.stages and _types(rule)]
QUICK = settings(deadline=None, max_examples=examples(150), suppress_health_check=list(HealthCheck), derandomize=True)


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


@QUICK
@given(st.sampled_from(TWICE), st.data())
def test_a_second_garbled_attribute_never_clears_what_the_first_left_unknown(
    case: cases.Case, data: st.DataObject
) -> None:
    hidden = running.deletions(case) if case.stage is not Stage.PLAN else running.replacements(case, UNKNOWN)
    once = [graph for graph, _ in (*hidden, *running.replacements(case, running.GARBLED))]
    unclear = data.draw(st.sampled_from(once))
    assume(cases.outcome(case, unclear) in NOT_A_PASS)
    # Another word than the first: two sides of a comparison that both say the same agree.
    twice = [graph for graph, _ in running.replaced(unclear, "@garbled again@")]
    if twice:
        assert cases.outcome(case, data.draw(st.sampled_from(twice))) in NOT_A_PASS


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


OFFSETS = st.timedeltas(timedelta(days=-1500), timedelta(days=1500))


@QUICK
@given(OFFSETS, OFFSETS)
def test_no_dates_make_a_statement_count_that_is_not_current(
    members: Members, officers: Officers, issued: timedelta, life: timedelta
) -> None:
    begins, ends = NOW + issued, NOW + issued + life
    dates = {"issued": begins.isoformat(), "expires": ends.isoformat()}
    document = {"version": 1, "member": "treasury", "kind": "operators", "statement": [], **dates}
    envelope = attestations.sign(document, members["treasury"].keys["officer"])
    current = begins <= NOW + CLOCK_SKEW and ends > NOW and timedelta(0) <= life <= MAXIMUM_LIFE
    with nullcontext() if current else pytest.raises(SourceError):
        attestations.verify(envelope, officers, member="treasury", now=NOW)


@QUICK
@given(OFFSETS, OFFSETS)
def test_no_dates_make_a_waiver_count_that_is_not_current(
    members: Members, officers: Officers, created: timedelta, life: timedelta
) -> None:
    words = {"reason": "no identity centre in this place", "compensating_control": "the key is rotated daily"}
    draft = waivers.draft("treasury", "HRD-011", "account/User/ci", **words, days=30, now=NOW)
    begins, ends = NOW + created, NOW + created + life
    document = {**draft, "created": begins.isoformat(), "expires": ends.isoformat()}
    envelope = waivers.sign(document, members["treasury"].keys["officer"])
    current = begins <= NOW + CLOCK_SKEW and ends > NOW and timedelta(0) <= life <= MAXIMUM_LIFE
    with nullcontext() if current else pytest.raises(WaiverError):
        waivers.verify(envelope, officers, member="treasury", now=NOW)


@QUICK
@given(OFFSETS)
def test_evidence_counts_for_a_month_and_never_before_its_time(age: timedelta) -> None:
    counts = -CLOCK_SKEW <= age <= MAXIMUM_AGE
    assert (validity.fault(NOW - age, NOW) == "") is counts


@pytest.mark.parametrize("text", ["", "now", "2026-11-23", "2026-11-23T06:00:00", "2026-13-01T00:00:00+00:00", None, 7])
def test_a_time_without_its_offset_is_none(text: object) -> None:
    with pytest.raises(ValueError, match=r"offset|isoformat|month"):
        validity.instant(text)
