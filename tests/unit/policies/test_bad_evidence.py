"""`gchain check` on evidence that is broken, of something else or of another time: it says why, and clears nothing."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from gchain import cli
from gchain import environment as environments
from gchain.errors import ConfigurationError
from gchain.workspace import Workspace
from gchain_node.dsse import sign_dsse
from policies import cases, waivers
from policies.check import Judged, Subject, judge
from policies.errors import ReportError, SourceError
from policies.graph import UNKNOWN
from policies.officers import Officers
from policies.outcomes import Outcome, Stage
from policies.pack import PackSession
from policies.sources import preflight, stack_state
from policies.zone import ZonePolicy
from tests.unit.policies.conftest import NOW

MEMBER = "health"
Document = dict[str, Any]
Change = Callable[[Document], object]


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """A member with a sound stack export and a record of its last update, and no cloud to ask."""
    environment = environments.load("sandbox")
    workspace = Workspace(tmp_path, "sandbox", "unit")
    credentials = workspace.member(MEMBER).aws_credentials
    credentials.parent.mkdir(parents=True)
    credentials.write_text("[default]\n")
    made = Subject(environment, workspace, MEMBER, NOW)
    stack = made.own.stack
    provider = {"urn": f"urn:pulumi:{stack}::gchain::pulumi:providers:aws::zone", "type": "pulumi:providers:aws"}
    region = {"region": made.own.member.region}
    key = {
        "urn": f"urn:pulumi:{stack}::gchain::aws:kms/key:Key::data",
        "type": "aws:kms/key:Key",
        "id": "k",
        "provider": f"{provider['urn']}::p",
        "inputs": {"multiRegion": False},
        "outputs": {"multiRegion": False},
    }
    resources = [{**provider, "id": "p", "inputs": region, "outputs": region}, key]
    monkeypatch.setitem(made.__dict__, "exports", {stack: {"version": 3, "deployment": {"resources": resources}}})
    PackSession(ZonePolicy.of(environment), stack, MEMBER, dry_run=False, evidence=made.evidence).analyze_stack([])
    _dated(made, NOW)
    return made


def _dated(subject: Subject, at: Any) -> None:
    (path,) = subject.evidence.glob("plan-*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"recorded_at": at.isoformat()}))


def rows(subject: Subject, stage: Stage, rule: str) -> set[str]:
    """The outcomes that the member's report gives the rule at the stage."""
    table = Judged(subject, list(judge(subject))).report()["table"]
    return {row["outcome"] for row in table if (row["stage"], row["rule"]) == (stage, rule)}


def reason(subject: Subject, stage: Stage) -> str:
    (result,) = (result for result in judge(subject) if result.stage is stage)
    return "" if result.ran else result.reason


def test_sound_evidence_is_judged(subject: Subject) -> None:
    assert rows(subject, Stage.STATE, "RES-001") == {Outcome.PASS}
    assert reason(subject, Stage.PLAN) == ""


def _of_another_stack(export: Document) -> None:
    for resource in export["deployment"]["resources"]:
        resource["urn"] = resource["urn"].replace("-health:", "-customs:")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_of_another_stack, "not of stack"),
        (lambda e: e["deployment"]["resources"][1].pop("urn"), "truncated"),
        (lambda e: e["deployment"]["resources"][1].update(outputs="half"), "garbled"),
        (lambda e: e["deployment"]["resources"][1].update(provider=7), "garbled"),
        (lambda e: e["deployment"].pop("resources"), "truncated"),
        (lambda e: e.clear(), "version 3"),
    ],
)
def test_an_export_of_another_stack_or_half_of_one_clears_nothing(subject: Subject, change: Change, said: str) -> None:
    change(subject.exports[subject.own.stack])
    assert said in reason(subject, Stage.STATE)
    assert rows(subject, Stage.STATE, "RES-001") == {Outcome.INDETERMINATE}


JUNK: list[Any] = [None, 7, "@", [], [None], {}, {"a": 1}]


def test_an_export_with_junk_in_any_one_place_is_judged_or_refused_and_never_breaks_the_check(subject: Subject) -> None:
    stack = subject.own.stack
    whole = subject.exports[stack]
    for path in cases.mutations(whole, entries=True):
        for junk in JUNK:
            changed = copy.deepcopy(whole)
            cases.at(changed, path[:-1])[path[-1]] = junk
            try:
                found = stack_state.graph(changed, stack)
            except SourceError:
                continue
            assert len(list(found.of_type("aws:kms/key:Key"))) == 1, (path, junk)


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", '{"chain_id": 7, "app_state": {}}'])
def test_a_genesis_document_that_is_none_is_named(subject: Subject, text: str) -> None:
    subject.workspace.genesis.parent.mkdir(parents=True)
    subject.workspace.genesis.write_text(text)
    assert "genesis" in reason(subject, Stage.ATTEST)
    with pytest.raises(ReportError, match="genesis"):
        Judged(subject, []).report()


@pytest.mark.parametrize("text", ["[", "- a\n", "7\n", "secretsprovider: [awskms]\n", "secretsprovider: 7\n"])
def test_stack_settings_that_are_none_leave_the_secrets_key_unknown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "Pulumi.stack.yaml"
    path.write_text(text)
    graph = preflight.graph(
        backend_url=None, settings_file=path, environment={}, session=boto3.Session(region_name="eu-central-1")
    )
    assert graph.facts["stack"]["settings"]["secretsprovider"] is UNKNOWN


def test_a_provider_without_a_region_leaves_places_unknown(subject: Subject) -> None:
    provider = subject.exports[subject.own.stack]["deployment"]["resources"][0]
    for side in ("inputs", "outputs"):
        provider[side] = {}
    assert rows(subject, Stage.STATE, "RES-001") == {Outcome.INDETERMINATE}


@pytest.mark.parametrize(
    ("age", "said"), [(timedelta(days=32), "older than 31 days"), (timedelta(minutes=-6), "after now")]
)
def test_a_plan_record_of_another_time_clears_nothing(subject: Subject, age: timedelta, said: str) -> None:
    _dated(subject, NOW - age)
    assert said in reason(subject, Stage.PLAN)


@pytest.mark.parametrize(
    ("age", "said"), [(timedelta(hours=25), "older than 24 hours"), (timedelta(minutes=-6), "after now")]
)
def test_host_facts_of_another_time_clear_nothing(subject: Subject, age: timedelta, said: str) -> None:
    hosts: Document = {f"{MEMBER}-validator-1": {}}
    facts = {"version": 1, "member": MEMBER, "collected_at": (NOW - age).isoformat(), "hosts": hosts}
    (subject.evidence / "node-facts.json").write_text(json.dumps(facts))
    assert said in reason(subject, Stage.NODE)
    assert rows(subject, Stage.NODE, "LED-002") == {Outcome.INDETERMINATE}


def test_a_waiver_by_a_key_that_is_no_officers_or_for_no_rule_has_no_effect_and_is_named(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, members: dict[str, Any], officers: Officers
) -> None:
    monkeypatch.setitem(subject.__dict__, "officers", officers)
    words = {"reason": "no identity centre in this place", "compensating_control": "the key is rotated daily"}
    draft = waivers.draft(MEMBER, "HRD-011", "account/User/ci", **words, days=30, now=NOW)
    keys = members[MEMBER].keys
    handed_in = {
        "stranger": waivers.sign(draft, keys["member"]),
        "unknown-rule": waivers.sign({**draft, "rule": "RES-999"}, keys["officer"]),
        "no-object": sign_dsse(waivers.PAYLOAD_TYPE, b"[]", keys["officer"]),
        "sound": waivers.sign(draft, keys["officer"]),
    }
    directory = subject.evidence / "waivers"
    directory.mkdir()
    for name, envelope in handed_in.items():
        (directory / f"{name}.dsse.json").write_text(json.dumps(envelope))
    counted, problems = subject.waivers()
    assert [waiver.rule for waiver in counted] == ["HRD-011"]
    assert len(problems) == 3
    assert any("not an object" in problem for problem in problems)
    assert any("no registered officer's signature holds" in problem for problem in problems)
    assert any("no rule RES-999" in problem for problem in problems)


@pytest.mark.parametrize("text", ["", "[", "name: somewhere\n", "- a\n- b\n"])
def test_a_broken_zone_file_is_named_and_nothing_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    source = environments.load("sandbox").directory
    copied = tmp_path / "environments" / "broken"
    copied.mkdir(parents=True)
    for path in source.iterdir():
        if path.is_file():
            (copied / path.name.replace("sandbox", "broken")).write_bytes(path.read_bytes())
    (copied / "zone.yaml").write_text(text)
    monkeypatch.setenv("GCHAIN_ENVIRONMENTS", str(copied.parent))
    monkeypatch.setattr(sys, "argv", ["gchain", "check", "--environment", "broken", "--member", MEMBER])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    assert ended.value.code == ConfigurationError.exit_code
    assert "zone.yaml" in printed.err
    assert printed.out == ""
