"""A consortium of four with real keys, the example zone, and member reports made of case data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from gchain_node import genesis
from gchain_node.development import DevelopmentConsortium, DevelopmentMember
from policies.engine import evaluate
from policies.officers import Officers
from policies.outcomes import DECIDING_STAGES, Finding, Outcome, Stage, deciding_stages
from policies.reports.member import StageResult, build
from policies.rules import RULES
from policies.ruleset import enforced
from policies.zone import ZonePolicy
from tests.unit.policies import rule_cases
from tests.unit.policies.local_cloud import Cloud, running

NAMES = ("customs", "health", "registry", "treasury")
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
CHAIN = "gchain-test"


@pytest.fixture(scope="session")
def zone() -> ZonePolicy:
    return rule_cases.zone()


@pytest.fixture(scope="session")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentConsortium:
    return DevelopmentConsortium.open(tmp_path_factory.mktemp("consortium"), NAMES)


@pytest.fixture(scope="session")
def members(consortium: DevelopmentConsortium) -> dict[str, DevelopmentMember]:
    return {member.name: member for member in consortium.members}


@pytest.fixture(scope="session")
def agreed(consortium: DevelopmentConsortium, zone: ZonePolicy) -> dict[str, Any]:
    """The genesis document with this version's rule set."""
    settings = genesis.Settings(
        consortium="development",
        chain_id=CHAIN,
        convenor="treasury",
        environment="example",
        zone_digest=zone.digest,
        genesis_time="2026-11-23T05:00:00Z",
    )
    return genesis.build([member.contribution for member in consortium.members], settings, enforced())


@pytest.fixture(scope="session")
def officers(agreed: dict[str, Any]) -> Officers:
    return Officers.of_genesis(agreed)


@pytest.fixture(scope="session")
def make_report(zone: ZonePolicy) -> Callable[..., dict[str, Any]]:
    """A member report in which every rule passes at every deciding stage, but for the case findings given."""

    def make(member: str, *bad: Finding, waivers: Any = (), without: tuple[Stage, ...] = ()) -> dict[str, Any]:
        results = [
            StageResult(stage, True, [*_passes(stage, bad), *(f for f in bad if f.stage is stage)], {"kind": "test"})
            for stage in (*DECIDING_STAGES, Stage.PLAN)
            if stage not in without
        ]
        return build(zone, "example", member, results, chain_id=CHAIN, waivers=waivers, now=NOW)

    return make


def _passes(stage: Stage, bad: tuple[Finding, ...]) -> list[Finding]:
    judged = {(finding.rule, finding.stage) for finding in bad}
    return [
        Finding(rule.id, "everything", stage, Outcome.PASS, "", "sha256:" + "1" * 64)
        for rule in RULES.values()
        if stage in deciding_stages(rule.entry.stages) and (rule.id, stage) not in judged
    ]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@pytest.fixture(scope="session")
def leak(zone: ZonePolicy) -> Finding:
    """The finding of a bucket that replicates to us-east-1, at the state stage."""
    case = next(c for c in rule_cases.load() if str(c) == "RES-010-state-leak-region")
    found = evaluate(rule_cases.graph(case), zone, Stage.STATE, rules=[RULES["RES-010"]], now=NOW)
    return next(finding for finding in found if finding.outcome is Outcome.FAIL)
