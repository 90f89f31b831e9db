"""The engine: outcomes merge by precedence, and nothing passes by accident."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from policies.engine import evaluate
from policies.graph import UNKNOWN, Graph, Resource
from policies.outcomes import Outcome, Stage, deciding_stages, worst
from policies.rule import Context, Rule
from policies.rules import RULES
from policies.ruleset import enforced, not_enforced
from policies.view import UnknownValue, View
from policies.zone import ZonePolicy

KEY = "aws:kms/key:Key"


def key(**properties: object) -> Resource:
    return Resource("urn:pulumi:s::p::t::k", KEY, "k", {"region": "eu-central-1", **properties})


def outcomes(rule: Rule, zone: ZonePolicy, *resources: Resource, stage: Stage = Stage.STATE) -> list[Outcome]:
    return [finding.outcome for finding in evaluate(Graph(list(resources)), zone, stage, rules=[rule])]


def test_the_worst_outcome_wins() -> None:
    assert worst([Outcome.PASS, Outcome.WAIVED, Outcome.INDETERMINATE]) is Outcome.INDETERMINATE
    assert worst([Outcome.INDETERMINATE, Outcome.ERROR]) is Outcome.ERROR
    assert worst([Outcome.ERROR, Outcome.FAIL]) is Outcome.FAIL
    assert worst([Outcome.NOT_APPLICABLE, Outcome.PASS]) is Outcome.PASS
    assert worst([]) is Outcome.NOT_APPLICABLE


def test_a_plan_decides_only_where_there_is_no_other_stage() -> None:
    assert deciding_stages([Stage.PLAN, Stage.LIVE, Stage.STATE]) == (Stage.STATE, Stage.LIVE)
    assert deciding_stages([Stage.PLAN]) == (Stage.PLAN,)


def test_an_unknown_value_is_indeterminate_and_a_known_one_is_judged(zone: ZonePolicy) -> None:
    assert outcomes(RULES["RES-040"], zone, key(multiRegion=UNKNOWN)) == [Outcome.INDETERMINATE]
    assert outcomes(RULES["RES-040"], zone, key(multiRegion=True)) == [Outcome.FAIL]
    assert outcomes(RULES["RES-040"], zone, key(multiRegion=False)) == [Outcome.PASS]


def test_an_attribute_missing_from_an_api_answer_is_unknown_and_from_a_plan_it_is_unset(zone: ZonePolicy) -> None:
    assert outcomes(RULES["RES-040"], zone, key(), stage=Stage.LIVE) == [Outcome.INDETERMINATE]
    assert outcomes(RULES["RES-040"], zone, key(), stage=Stage.PLAN) == [Outcome.PASS]


def test_an_exception_is_an_error_of_its_own_rule_alone(zone: ZonePolicy) -> None:
    broken = Rule("RES-040", remedy="none")

    @broken.on(KEY)
    def breaks(resource: View, at: Context) -> Iterator[str]:
        raise RuntimeError("a secret in the text")
        yield ""

    found = evaluate(Graph([key(multiRegion=False)]), zone, Stage.STATE, rules=[broken, RULES["HRD-008"]])
    assert [(f.rule, f.outcome) for f in found] == [("RES-040", Outcome.ERROR), ("HRD-008", Outcome.FAIL)]
    assert "secret" not in found[0].message


def test_a_fault_found_before_an_unknown_value_stays_a_fault(zone: ZonePolicy) -> None:
    rule = Rule("RES-040", remedy="none")

    @rule.on(KEY)
    def half_known(resource: View, at: Context) -> Iterator[str]:
        yield "wrong already"
        raise UnknownValue("the rest")

    assert outcomes(rule, zone, key()) == [Outcome.FAIL]


def test_what_could_not_be_listed_is_indeterminate_and_never_a_silent_pass(zone: ZonePolicy) -> None:
    graph = Graph([], unavailable={KEY: "AccessDenied in eu-west-3"})
    (finding,) = evaluate(graph, zone, Stage.LIVE, rules=[RULES["RES-040"]])
    assert finding.outcome is Outcome.INDETERMINATE
    assert "AccessDenied" in finding.message


def test_a_rule_with_nothing_to_judge_is_not_applicable(zone: ZonePolicy) -> None:
    assert outcomes(RULES["RES-040"], zone) == [Outcome.NOT_APPLICABLE]


def test_facts_that_were_not_collected_are_indeterminate(zone: ZonePolicy) -> None:
    for rule in ("RES-047", "LED-001", "LED-004"):
        (finding,) = evaluate(Graph(), zone, Stage.NODE, rules=[RULES[rule]])
        assert finding.outcome is Outcome.INDETERMINATE


def test_no_message_shows_a_secret(zone: ZonePolicy) -> None:
    secret = "correct-horse-battery"
    leaking = Resource("u", "aws:iam/user:User", "ci", {"name": secret}, secrets=frozenset({secret}))
    (finding,) = evaluate(Graph([leaking]), zone, Stage.STATE, rules=[RULES["HRD-011"]])
    assert finding.outcome is Outcome.FAIL
    assert secret not in finding.message
    assert secret not in finding.evidence


def test_the_enforced_set_has_two_rules_of_each_group_and_every_stage() -> None:
    groups = [RULES[rule].entry.group for rule in RULES]
    for group in ("placement", "storage", "keys", "telemetry", "network", "ledger", "hardening", "people"):
        assert groups.count(group) >= 2, group
    assert {stage for rule in enforced()["enforced"] for stage in rule["stages"]} == set(map(str, Stage))


def test_the_rule_set_and_the_rest_make_up_the_catalogue() -> None:
    assert len(enforced()["enforced"]) + len(not_enforced()) == 103


@pytest.mark.parametrize("region", ["us-east-1", None])
def test_a_resource_whose_region_nobody_tells_is_indeterminate(zone: ZonePolicy, region: str | None) -> None:
    bucket = Resource("u", "aws:s3/bucket:Bucket", "b", {"region": region} if region else {})
    assert outcomes(RULES["RES-001"], zone, bucket) == [Outcome.FAIL if region else Outcome.INDETERMINATE]


def test_the_effective_region_is_the_own_then_the_providers_then_the_arns() -> None:
    provider = Resource("p", "pulumi:providers:aws", "zone", {"region": "eu-west-3"})
    arn = {"arn": "arn:aws:sqs:eu-central-1:111122223333:q"}
    assert Resource("a", "aws:sqs/queue:Queue", "q", {"region": "us-east-1", **arn}, provider).region == "us-east-1"
    assert Resource("b", "aws:sqs/queue:Queue", "q", arn, provider).region == "eu-west-3"
    assert Resource("c", "aws:sqs/queue:Queue", "q", arn).region == "eu-central-1"
    assert Resource("d", "aws:sqs/queue:Queue", "q", {}).region is UNKNOWN
    authorisation = "aws:cfg/aggregateAuthorization:AggregateAuthorization"
    assert Resource("e", authorisation, "a", {"region": "us-east-1"}, provider).region == "eu-west-3"
    assert Resource("f", "aws:iam/role:Role", "r", {}).region is None
