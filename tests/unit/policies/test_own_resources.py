"""What a program writes as a resource of its own, or under a second name, is judged as if it were written in place."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from policies.catalogue import catalogue
from policies.engine import evaluate
from policies.graph import UNKNOWN, Graph, Resource
from policies.outcomes import Outcome, Stage, worst
from policies.privileges import ATTACHMENTS, DOCUMENTS
from policies.rules import RULES
from policies.sources import live
from policies.sources.spellings import plain_properties, plain_type
from tests.unit.policies import rule_cases as cases

ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
OWN = "arn:aws:iam::111122223333:policy/own"


def outcome(rule: str, *resources: Resource, stage: Stage = Stage.PLAN, **unavailable: str) -> Outcome:
    graph = Graph(list(resources), unavailable=unavailable)
    found = evaluate(graph, cases.zone(), stage, rules=[RULES[rule]], now=cases.NOW)
    return worst(finding.outcome for finding in found)


def resource(kind: str, properties: dict[str, Any]) -> Resource:
    return Resource(kind, kind, "it", properties)


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"role": "deploy", "policyArn": READ_ONLY}, Outcome.PASS),
        ({"role": "deploy", "policyArn": UNKNOWN}, Outcome.INDETERMINATE),
        ({"role": UNKNOWN, "policyArn": READ_ONLY}, Outcome.INDETERMINATE),
        ({"role": "deploy", "policyArn": OWN}, Outcome.INDETERMINATE),
        ({"role": UNKNOWN, "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, Outcome.FAIL),
        ({"role": "deploy", "policyArn": "arn:aws-us-gov:iam::aws:policy/AdministratorAccess"}, Outcome.FAIL),
    ],
)
def test_an_attachment_is_as_good_as_what_is_known_of_it(properties: dict[str, Any], expected: Outcome) -> None:
    assert outcome("HRD-011", resource(ATTACHMENT, properties)) is expected


def test_a_role_is_not_cleared_of_a_policy_that_is_in_no_stack() -> None:
    role = resource("aws:iam/role:Role", {"inlinePolicies": [], "managedPolicyArns": [OWN]})
    assert outcome("HRD-011", role) is Outcome.INDETERMINATE


@pytest.mark.parametrize("rule", ["HRD-011", "RES-103"])
def test_a_rule_about_privileges_reads_each_form_of_them(rule: str) -> None:
    assert {*ATTACHMENTS, *DOCUMENTS} <= {read["type"] for read in RULES[rule].entry.reads if "type" in read}


def test_what_the_cloud_does_not_keep_apart_is_stated_with_a_type_that_is_listed() -> None:
    listed = {kind for types in (*live._REGIONAL, *live._GLOBAL) for kind in types}
    assert set(live._STATED_WITH.values()) <= listed
    assert not live._STATED_WITH.keys() & listed


def test_a_gap_in_a_listing_is_one_for_all_that_is_stated_with_it() -> None:
    graph, coverage = Graph([], unavailable={"aws:iam/role:Role": "AccessDenied in eu-central-1"}), live.Coverage()
    live._declare_uncovered(graph, coverage)
    assert "aws:iam/role:Role" in graph.unavailable[ATTACHMENT]
    assert ATTACHMENT in {gap["type"] for gap in coverage.gaps}


def _second_names() -> list[tuple[str, str]]:
    """Types of the catalogue that the provider's SDK has under a second name too, with that name."""
    spec = importlib.util.find_spec("pulumi_aws")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    found = []
    for kind in {read["type"] for entry in catalogue().values() for read in entry.reads if "type" in read}:
        module, _, rest = kind.removeprefix("aws:").partition("/")
        name, _, _ = rest.partition(":")
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        if module == "s3" and (root / module / f"{snake}_v2.py").exists():
            found.append((kind, f"aws:s3/{name}V2:{name[0].upper()}{name[1:]}V2"))
        if module == "lb" and (root / "alb" / f"{snake}.py").exists():
            found.append((kind, kind.replace("aws:lb/", "aws:alb/")))
    return sorted(found)


def test_every_second_name_of_a_judged_type_is_known() -> None:
    names = _second_names()
    assert len(names) == 8
    assert [plain_type(other) for _, other in names] == [kind for kind, _ in names]


def test_properties_of_a_second_name_are_read_at_any_depth_and_others_stay() -> None:
    stated = {"bucket": "b", "replicationConfigurations": [{"rules": [{"destinations": [{"bucket": "far"}]}]}]}
    plain = {"bucket": "b", "replicationConfiguration": [{"rules": [{"destination": [{"bucket": "far"}]}]}]}
    assert plain_properties("aws:s3/bucketV2:BucketV2", stated) == plain
    assert plain_properties("aws:s3/bucket:Bucket", stated) == stated
