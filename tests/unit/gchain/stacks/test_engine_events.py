from __future__ import annotations

from typing import Any

from pulumi.automation import EngineEvent

from gchain.stacks.engine_events import Events, Failure

URN = "urn:pulumi:sandbox-treasury::gchain::gchain:infra:Network$aws:ec2/vpc:Vpc::treasury"


def event(**parts: Any) -> EngineEvent:
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, **parts})


def step(op: str) -> dict[str, Any]:
    return {"metadata": {"op": op, "urn": URN, "type": "aws:ec2/vpc:Vpc", "provider": ""}}


def test_a_finished_step_is_one_line() -> None:
    lines: list[str] = []
    Events(lines.append)(event(resOutputsEvent=step("create")))
    assert lines == ["create aws:ec2/vpc:Vpc treasury"]


def test_an_unchanged_resource_is_not_worth_a_line() -> None:
    lines: list[str] = []
    Events(lines.append)(event(resOutputsEvent=step("same")))
    assert lines == []


def test_an_error_names_the_resource_and_a_warning_is_no_failure() -> None:
    events = Events(lambda _: None)
    for severity in ("error", "warning"):
        said = {"urn": URN, "message": "quota exceeded\n", "color": "never", "severity": severity}
        events(event(diagnosticEvent=said))
    assert events.failures == [Failure("aws:ec2/vpc:Vpc treasury", "quota exceeded")]


def test_an_error_of_the_program_names_no_resource() -> None:
    events = Events(lambda _: None)
    events(event(diagnosticEvent={"urn": "", "message": "boom", "color": "never", "severity": "error"}))
    assert events.failures == [Failure("the program", "boom")]


def test_a_mandatory_policy_is_a_failure_with_its_name() -> None:
    events = Events(lambda _: None)
    said = {
        "resourceUrn": URN,
        "message": "replicates to us-east-1",
        "color": "never",
        "policyName": "RES-010",
        "policyPackName": "gchain",
        "policyPackVersion": "1",
        "policyPackVersionTag": "1",
        "enforcementLevel": "mandatory",
    }
    events(event(policyEvent=said))
    assert events.failures == [Failure("aws:ec2/vpc:Vpc treasury", "policy RES-010: replicates to us-east-1")]
