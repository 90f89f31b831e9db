"""The policy pack's decisions: what the engine shows it, and what it answers. No sockets here.

In an update a rule's *fail* or *error*, and an *indeterminate* of a critical rule, is mandatory and stops the resource
before it is made. In a preview nothing that is merely unknown blocks, or the first update could never run: what could
not be judged yet is reported once a rule. Only critical rules block; the others advise.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from policies.canonical import digest
from policies.engine import evaluate, judge_resource
from policies.graph import BucketLookup, Graph, Resource
from policies.outcomes import Finding, Outcome, Severity, Stage
from policies.rule import Context
from policies.rules import RULES
from policies.ruleset import enforced
from policies.zone import ZonePolicy

__all__ = ["Answer", "PackSession", "record_path"]

_BUCKETS = frozenset({"aws:s3/bucket:Bucket", "aws:ec2/natGateway:NatGateway"})
_NEVER_SENT = frozenset({Outcome.PASS, Outcome.NOT_APPLICABLE, Outcome.WAIVED})


@dataclass(frozen=True, slots=True)
class Answer:
    """One policy violation for the engine to show; a mandatory one blocks."""

    rule: str
    urn: str
    message: str
    mandatory: bool


@dataclass
class PackSession:
    """One run of the engine over one stack."""

    zone: ZonePolicy
    stack: str
    member: str
    dry_run: bool
    evidence: Path | None = None
    bucket_lookup: BucketLookup | None = None
    variables: dict[str, str | None] = field(default_factory=dict)
    _seen: dict[str, Resource] = field(default_factory=dict)
    _told: set[tuple[str, str]] = field(default_factory=set)

    def analyze(self, resource: Resource) -> list[Answer]:
        """Judge one resource by its inputs, before it is made."""
        self._seen[resource.id] = resource
        known = [each for each in self._seen.values() if each.type in _BUCKETS]
        graph = Graph([*known, resource], bucket_lookup=self.bucket_lookup)
        at = Context(self.zone, graph, Stage.PLAN, datetime.now(UTC), self.member)
        claimed = (rule for rule in RULES.values() if Stage.PLAN in rule.entry.stages)
        found = (judge_resource(rule, resource, at) for rule in claimed)
        return list(self._answers(finding for finding in found if finding is not None))

    def analyze_stack(self, resources: Iterable[Resource]) -> list[Answer]:
        """Judge the whole stack once every resource is done; in an update, keep the record that go-live reads."""
        merged = [self._merged(each) for each in resources]
        graph = Graph(merged, self._facts(), bucket_lookup=self.bucket_lookup)
        findings = evaluate(graph, self.zone, Stage.PLAN, member=self.member)
        if self.evidence is not None and not self.dry_run:
            _write_record(record_path(self.evidence, self.stack), self._record(findings))
        answers = list(self._answers(findings))
        return [*answers, *self._undecided(findings)] if self.dry_run else answers

    def _facts(self) -> dict[str, Any]:
        bundles = [{"sha256": each} for each in sorted(self.zone.role_bundles)]
        return {"env": self.variables, "register": {"role_bundles": bundles}}

    def _merged(self, final: Resource) -> Resource:
        """Outputs, completed by the inputs that the outputs leave out."""
        asked = self._seen.get(final.id)
        if asked is None:
            return final
        properties = {**asked.properties, **final.properties}
        return Resource(
            final.id,
            final.type,
            final.name,
            properties,
            final.provider or asked.provider,
            asked.provider_is_default if final.provider_is_default is None else final.provider_is_default,
            final.protect,
            asked.retain_on_delete,
            final.physical_id,
            final.secrets | asked.secrets,
        )

    def _answers(self, findings: Iterable[Finding]) -> Iterator[Answer]:
        for finding in findings:
            undecided = finding.outcome is Outcome.INDETERMINATE
            told = (finding.rule, finding.resource)
            if finding.outcome in _NEVER_SENT or (undecided and self.dry_run) or told in self._told:
                continue
            self._told.add(told)
            yield _answer(finding)

    def _undecided(self, findings: list[Finding]) -> Iterator[Answer]:
        counted = Counter(f.rule for f in findings if f.outcome is Outcome.INDETERMINATE)
        for rule, count in counted.items():
            text = f"{rule}: {count} not judged yet, values are known in the update only"
            yield Answer(rule, "", text, mandatory=False)

    def _record(self, findings: list[Finding]) -> dict[str, Any]:
        rows = [finding.as_json() for finding in findings]
        return {
            "version": 1,
            "stack": self.stack,
            "member": self.member,
            "zone_digest": self.zone.digest,
            "rules_digest": enforced()["digest"],
            "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "findings_digest": digest(rows),
            "findings": rows,
        }


def record_path(evidence: Path, stack: str) -> Path:
    """Where the record of a stack's last update lies."""
    return evidence / f"plan-{stack}.json"


def _answer(finding: Finding) -> Answer:
    rule = RULES[finding.rule]
    found = {
        Outcome.FAIL: "found",
        Outcome.ERROR: "could not be judged",
        Outcome.INDETERMINATE: "is not known",
    }[finding.outcome]
    text = f"{rule.entry.title}. {finding.resource} {found}: {finding.message}. What to do: {rule.remedy}"
    # A finding about the stage as a whole belongs to the stack, which the engine takes an empty URN for.
    urn = finding.resource if finding.resource.startswith("urn:") else ""
    return Answer(finding.rule, urn, text, mandatory=rule.severity is Severity.CRITICAL)


def _write_record(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(record, indent=1, sort_keys=True))
    draft.replace(path)
