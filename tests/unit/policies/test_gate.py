"""The gate on a host: what cannot be told is not passed, and what the host records is what its facts give."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from gchain.environment import load
from policies.engine import evaluate
from policies.errors import PolicyError
from policies.gate import Config, Found, judge
from policies.graph import Graph
from policies.outcomes import Outcome, Stage
from policies.rules import RULES
from policies.waivers import Waiver
from policies.zone import ZonePolicy
from tests.unit.policies import rule_cases as cases

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
GENESIS: dict[str, Any] = {"app_state": {"contributions": []}}


def config(tmp_path: Path, **changes: Any) -> Config:
    raw = {
        "member": "treasury",
        "host": "validator-1",
        "zone": ZonePolicy.of(load("sandbox")).as_mapping(),
        "hosts": [],
        "status": "http://127.0.0.1:8080",
        "api": "https://10.61.0.10:8443",
        "api_ca": "/var/lib/gchain/tls/ca.pem",
        "key": "pkcs11:token=member;object=member",
        "blocks": 100,
    }
    path = tmp_path / "gate.json"
    path.write_text(json.dumps(raw | changes))
    return Config.read(path)


def row(outcome: str, severity: str = "critical", rule: str = "RES-093") -> dict[str, str]:
    return {"rule": rule, "severity": severity, "outcome": outcome, "message": ""}


def facts(*cases_: str) -> dict[str, Any]:
    """The host facts of these rule cases put together."""
    host: dict[str, Any] = {}
    for name in cases_:
        host |= yaml.safe_load((cases.CASES / name).read_text())["facts"]["node"]["hosts"]["validator-1"]
    return {"host": host}


def test_the_zone_that_a_host_is_given_is_the_zone_of_the_environment() -> None:
    zone = ZonePolicy.of(load("sandbox"))
    assert ZonePolicy.from_mapping(json.loads(json.dumps(zone.as_mapping()))) == zone


def test_a_host_of_which_nothing_is_known_does_not_pass(tmp_path: Path) -> None:
    found = judge(config(tmp_path), {"host": {}}, GENESIS, None, [], now=NOW)
    assert found.verdict == "indeterminate"
    assert not any(r["outcome"] == "pass" for r in found.rows)


def test_every_rule_of_the_node_stage_has_a_row(tmp_path: Path) -> None:
    found = judge(config(tmp_path), {"host": {}}, GENESIS, None, [], now=NOW)
    claimed = {name for name, rule in RULES.items() if Stage.NODE in rule.entry.stages}
    assert {r["rule"] for r in found.rows} == claimed


def test_a_fault_of_a_critical_rule_is_named_and_a_sound_host_has_none(tmp_path: Path) -> None:
    bad = judge(config(tmp_path), facts("LED-007/node-leak.yaml"), GENESIS, None, [], now=NOW)
    good = judge(config(tmp_path), facts("LED-007/node-clean.yaml"), GENESIS, None, [], now=NOW)
    outcomes = [next(r["outcome"] for r in found.rows if r["rule"] == "LED-007") for found in (bad, good)]
    assert outcomes == ["fail", "pass"]
    assert ("LED-007" in bad.failing) == (RULES["LED-007"].severity == "critical")
    assert bad.evidence != good.evidence


def test_a_waiver_holds_for_its_rule_and_host_alone(tmp_path: Path) -> None:
    where = "host/treasury-validator-1"

    def waived(resource: str) -> str:
        given = Waiver("treasury", "LED-007", resource, "x" * 30, "y", NOW, (), "sha256:0", {})
        found = judge(config(tmp_path), facts("LED-007/node-leak.yaml"), GENESIS, None, [given], now=NOW)
        return next(r["outcome"] for r in found.rows if r["rule"] == "LED-007")

    assert waived(where) == "waived"
    assert waived("host/treasury-validator-2") == "fail"


@pytest.mark.parametrize(
    ("rows", "verdict", "failing"),
    [
        ([row("pass")], "pass", []),
        ([row("not-applicable"), row("waived")], "pass", []),
        ([row("pass"), row("indeterminate")], "indeterminate", []),
        ([row("error")], "fail", ["RES-093"]),
        ([row("indeterminate"), row("fail", rule="LED-001")], "fail", ["LED-001"]),
        ([row("fail", severity="high")], "pass", []),
        ([], "indeterminate", []),
    ],
)
def test_the_verdict_is_over_the_critical_rules(rows: list[dict[str, str]], verdict: str, failing: list[str]) -> None:
    assert (Found(rows).verdict, Found(rows).failing) == (verdict, failing)


def test_the_host_and_the_operator_judge_the_same_facts_alike(tmp_path: Path) -> None:
    here, told = config(tmp_path), facts("RES-093/node-clean.yaml", "LED-007/node-clean.yaml")
    tree = {"node": {"hosts": {"treasury-validator-1": told["host"]}}}
    rule = [RULES["RES-093"]]
    there = evaluate(Graph([], tree), here.zone, Stage.NODE, rules=rule, now=NOW, member="treasury")
    found = judge(here, told, GENESIS, None, [], now=NOW)
    assert [str(f.outcome) for f in there] == [r["outcome"] for r in found.rows if r["rule"] == "RES-093"]
    assert there[0].outcome in set(Outcome)


@pytest.mark.parametrize("text", ["", "{}", '{"zone": {}}', "[]"])
def test_a_configuration_of_another_shape_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gate.json"
    path.write_text(text)
    with pytest.raises(PolicyError, match=r"gate\.json"):
        Config.read(path)
