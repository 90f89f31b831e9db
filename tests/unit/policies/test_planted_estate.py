"""An estate of several hundred resources: found is what was planted and nothing else, and another scanner agrees."""

from __future__ import annotations

from typing import Any

import pytest

from policies.engine import evaluate
from policies.graph import PROVIDER, Graph
from policies.outcomes import Outcome, Stage
from policies.rules import RULES
from policies.sources import stack_state
from policies.sources.live import Coverage, sweep
from tests.unit.policies import custodian, estate, rule_cases
from tests.unit.policies.local_cloud import ACCOUNT, Cloud

pytestmark = pytest.mark.slow
STACK = "estate"
Leaks = set[tuple[str, str]]


@pytest.fixture(scope="module")
def planted(cloud: Cloud) -> Leaks:
    estate.build(cloud)
    return set(estate.plant(cloud))


@pytest.fixture(scope="module")
def swept(cloud: Cloud, planted: Leaks) -> tuple[Graph, Coverage]:
    return sweep(cloud.session(), rule_cases.zone(), endpoint=cloud.url)


def failures(graph: Graph, stage: Stage, rules: Any = None) -> Leaks:
    found = evaluate(graph, rule_cases.zone(), stage, rules=rules, now=rule_cases.NOW)
    return {(f.rule, f.resource.removeprefix(f"{ACCOUNT}/")) for f in found if f.outcome is Outcome.FAIL}


def test_the_sweep_finds_what_was_planted_and_nothing_else(swept: tuple[Graph, Coverage], planted: Leaks) -> None:
    graph, coverage = swept
    assert coverage.gaps == []
    assert len(graph.resources) > 300
    assert failures(graph, Stage.LIVE) == planted


def test_nothing_in_the_sweep_is_left_undecided(swept: tuple[Graph, Coverage]) -> None:
    found = evaluate(swept[0], rule_cases.zone(), Stage.LIVE, now=rule_cases.NOW)
    undecided = [f for f in found if f.outcome in (Outcome.INDETERMINATE, Outcome.ERROR)]
    assert undecided == []


def test_the_same_estate_as_a_stack_export_gives_the_same_findings(
    swept: tuple[Graph, Coverage], planted: Leaks
) -> None:
    export, names = _export(swept[0])
    graph = stack_state.graph(export, STACK)
    judged = [RULES[rule] for rule in {rule for rule, _ in planted} if Stage.STATE in RULES[rule].entry.stages]
    found = {(rule, names.get(resource, resource)) for rule, resource in failures(graph, Stage.STATE, judged)}
    assert found == {leak for leak in planted if leak[0] in {rule.id for rule in judged}}


def _export(graph: Graph) -> tuple[dict[str, Any], dict[str, str]]:
    """The graph as a stack would record it, and the live id of each URN."""
    provider = f"urn:pulumi:{STACK}::gchain::{PROVIDER}::zone"
    entries: list[dict[str, Any]] = [
        {"urn": provider, "type": PROVIDER, "id": "p", "inputs": {"region": "eu-central-1"}}
    ]
    names = {}
    for index, resource in enumerate(graph.resources):
        urn = f"urn:pulumi:{STACK}::gchain::{resource.type}::{index}"
        names[urn] = resource.id.removeprefix(f"{ACCOUNT}/")
        properties = dict(resource.properties)
        identity = {"urn": urn, "type": resource.type, "id": resource.physical_id, "provider": f"{provider}::p"}
        entries.append({**identity, "inputs": properties, "outputs": properties})
    return {"version": 3, "deployment": {"resources": entries}}, names


_INSIDE = {"type": "cross-account", "whitelist": [ACCOUNT]}
SECOND_OPINION: dict[str, tuple[str, str, str, list[Any]]] = {
    "open-groups": ("HRD-004", "SecurityGroup", "GroupId", [{"type": "ingress", "Cidr": {"value": "0.0.0.0/0"}}]),
    "gateways": ("RES-085", "InternetGateway", "InternetGatewayId", []),
    "public-subnets": (
        "HRD-003",
        "Subnet",
        "SubnetId",
        [{"MapPublicIpOnLaunch": True}, {"DefaultForAz": False}],
    ),
    "unlogged-networks": ("HRD-010", "Vpc", "VpcId", [{"IsDefault": False}, {"type": "flow-logs", "enabled": False}]),
    "unrotated-keys": (
        "HRD-008",
        "Key",
        "KeyId",
        [{"type": "key-rotation-status", "key": "KeyRotationEnabled", "value": False}],
    ),
    "open-keys": ("RES-042", "Key", "KeyId", [_INSIDE]),
    "trusting-roles": ("RES-101", "Role", "RoleName", [_INSIDE]),
    "users": ("HRD-011", "User", "UserName", []),
}
"""Policy -> our rule, the kind and the id of what it finds, and Custodian's own filters for the same question.

Queues are not among them: Custodian asks for them at the cloud company's own address, whatever endpoint it is given.
"""
_RESOURCES = {
    "SecurityGroup": "aws.security-group",
    "InternetGateway": "aws.internet-gateway",
    "Subnet": "aws.subnet",
    "Vpc": "aws.vpc",
    "Key": "aws.kms-key",
    "Role": "aws.iam-role",
    "User": "aws.iam-user",
}


@pytest.fixture(scope="module")
def other(cloud: Cloud, planted: Leaks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    policies = {
        name: {"resource": _RESOURCES[kind], "filters": filters}
        for name, (_, kind, _, filters) in SECOND_OPINION.items()
    }
    return custodian.run(cloud, policies, estate.REGIONS, tmp_path_factory.mktemp("custodian"))


@pytest.mark.parametrize("policy", SECOND_OPINION)
def test_cloud_custodian_finds_the_same_where_it_can_look(
    policy: str, other: dict[str, list[Any]], swept: tuple[Graph, Coverage]
) -> None:
    rule, kind, key, _ = SECOND_OPINION[policy]
    ours = {resource for found, resource in failures(swept[0], Stage.LIVE, [RULES[rule]]) if f"{kind}/" in resource}
    inside = {each for each in ours if each.startswith((*estate.REGIONS, kind))}
    assert {each.partition(f"{kind}/")[2] for each in inside} == {str(each[key]) for each in other[policy]}
    assert inside
