"""Evaluates rules over a graph: every rule on its own, every resource on its own, nothing passes by accident.

* a check that yields faults: fail; that reads an unknown value: indeterminate; that raises anything else: error, for
  that rule only; that ends without a fault: pass
* a type that the source could not list: indeterminate for each rule that judges it
* a rule that found nothing to judge: not-applicable, once, on the resource `stage`
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from policies.canonical import digest
from policies.graph import Graph, Resource, is_regional
from policies.outcomes import Finding, Outcome, Stage, worst
from policies.rule import CLOUD_STAGES, Context, NotJudged, Rule
from policies.rules import RULES
from policies.view import UnknownValue
from policies.zone import ZonePolicy

__all__ = ["WHOLE_STAGE", "evaluate", "judge_resource"]

WHOLE_STAGE = "stage"
"""The resource of a finding that speaks of the stage as a whole."""

_NOTHING_SEEN = digest(None)
_LONG_SECRET = re.compile(r"(?i)(-----BEGIN [A-Z ]*PRIVATE KEY-----|AKIA[0-9A-Z]{16})\S*")


def evaluate(
    graph: Graph,
    zone: ZonePolicy,
    stage: Stage,
    *,
    rules: Iterable[Rule] | None = None,
    now: datetime | None = None,
    member: str | None = None,
) -> list[Finding]:
    """Every rule that claims `stage`, over every resource it judges, in the order of rules and resources."""
    at = Context(zone, graph, stage, now or datetime.now(UTC), member)
    found: list[Finding] = []
    for rule in RULES.values() if rules is None else rules:
        if stage in rule.entry.stages:
            found += list(_judge(rule, at)) or [_nothing_to_judge(rule, at)]
    return found


def judge_resource(rule: Rule, resource: Resource, at: Context, *, alone: bool = True) -> Finding | None:
    """What `rule` says of one resource; None where it does not judge that type.

    `alone` leaves out the checks that need the resource's children, as while a stack is still being made.
    """
    checks = list(_checks_of(rule, resource, at, alone=alone))
    if not checks:
        return None
    outcomes: list[tuple[Outcome, str]] = [_run(check) for check in checks]
    outcome = worst(outcome for outcome, _ in outcomes)
    texts = list(dict.fromkeys(text for each, text in outcomes if each is outcome and text))
    return Finding(rule.id, resource.id, at.stage, outcome, _redact("; ".join(texts), resource), resource.evidence)


def _judge(rule: Rule, at: Context) -> Iterator[Finding]:
    if at.stage in CLOUD_STAGES:
        yield from _judge_resources(rule, at)
        yield from _unlisted(rule, at)
    if at.stage is Stage.NODE and rule.host_checks:
        yield from _judge_hosts(rule, at)
    for whole in rule.whole_checks.get(at.stage, ()):
        try:
            for subject, faults, evidence in whole(at):
                outcome = Outcome.FAIL if faults else Outcome.PASS
                seen = digest(evidence) if evidence is not None else _digest_of(subject, at)
                yield Finding(rule.id, subject, at.stage, outcome, "; ".join(faults), seen)
        except UnknownValue as unknown:
            yield _about_stage(rule, at, Outcome.INDETERMINATE, str(unknown))
        except Exception as error:
            yield _about_stage(rule, at, Outcome.ERROR, _describe(error))


def _judge_resources(rule: Rule, at: Context) -> Iterator[Finding]:
    some = at.graph.of_type(*sorted(rule.types & at.graph.types))
    for resource in at.graph.resources if rule.judges_every_type else some:
        if (finding := judge_resource(rule, resource, at, alone=False)) is not None:
            yield finding


def _unlisted(rule: Rule, at: Context) -> Iterator[Finding]:
    """What the source could not list, it cannot have cleared."""
    reads = {read["type"] for read in rule.entry.reads if "type" in read} | rule.types
    gaps = [
        f"{name} could not be listed: {reason}"
        for name, reason in at.graph.unavailable.items()
        if name in reads or (rule.judges_every_type and is_regional(name))
    ]
    if gaps:
        yield _about_stage(rule, at, Outcome.INDETERMINATE, "; ".join(gaps))


def _judge_hosts(rule: Rule, at: Context) -> Iterator[Finding]:
    try:
        hosts = list(at.facts.need("node").entries("hosts"))
        if not hosts:
            raise UnknownValue("no host was looked at")
    except UnknownValue as unknown:
        yield _about_stage(rule, at, Outcome.INDETERMINATE, str(unknown))
        return
    for name, host in hosts:
        runs = [_run(lambda check=check, host=host: check(host, at)) for check in rule.host_checks]  # type: ignore[misc]
        outcome = worst(each for each, _ in runs)
        message = "; ".join(text for each, text in runs if each is outcome and text)
        yield Finding(rule.id, f"host/{name}", at.stage, outcome, message, _digest_of(f"host/{name}", at))


def _checks_of(rule: Rule, resource: Resource, at: Context, *, alone: bool) -> Iterator[Callable[[], Iterator[str]]]:
    view = at.view(resource)
    for check in rule.resource_checks.get(resource.type, ()):
        yield lambda check=check: check(view, at)  # type: ignore[misc]
    for types, located in rule.located_checks if alone else [*rule.located_checks, *rule.related_checks]:
        if not types or resource.type in types:
            yield lambda located=located: located(resource, at)  # type: ignore[misc]


def _run(check: Callable[[], Iterator[str]]) -> tuple[Outcome, str]:
    faults: list[str] = []
    try:
        # One by one: faults found before an unknown value must survive it.
        for fault in check():
            faults.append(fault)
    except UnknownValue as unknown:
        if not faults:
            return Outcome.INDETERMINATE, str(unknown)
    except NotJudged:
        return Outcome.NOT_APPLICABLE, ""
    except Exception as error:
        if not faults:
            return Outcome.ERROR, _describe(error)
    return (Outcome.FAIL, "; ".join(faults)) if faults else (Outcome.PASS, "")


def _about_stage(rule: Rule, at: Context, outcome: Outcome, message: str) -> Finding:
    return Finding(rule.id, WHOLE_STAGE, at.stage, outcome, message, _NOTHING_SEEN)


def _nothing_to_judge(rule: Rule, at: Context) -> Finding:
    if at.stage in CLOUD_STAGES and (rule.types or rule.judges_every_type or at.stage in rule.whole_checks):
        return _about_stage(rule, at, Outcome.NOT_APPLICABLE, "nothing of this kind is there")
    return _about_stage(rule, at, Outcome.INDETERMINATE, f"no check of this rule covers the {at.stage} stage")


def _digest_of(subject: str, at: Context) -> str:
    if (resource := at.graph.by_id.get(subject)) is not None:
        return resource.evidence
    if subject.startswith("host/"):
        return digest(at.graph.facts["node"]["hosts"][subject.removeprefix("host/")])
    return _NOTHING_SEEN


def _describe(error: Exception) -> str:
    # The text of a foreign exception may quote a value: its type says enough.
    return f"the check broke: {type(error).__name__}"


def _redact(message: str, resource: Resource) -> str:
    for secret in resource.secrets:
        if len(secret) >= 4:
            message = message.replace(secret, "[secret]")
    return _LONG_SECRET.sub("[secret]", message)
