"""The member report: what one agency found in its own estate, by stage, signed by its officer.

JSON (schema: `member-report.schema.json`) in a DSSE envelope of type `application/vnd.gchain.member-report+json`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gchain_node.dsse import sign_dsse
from gchain_node.keys import Key
from policies.canonical import canonical_json, digest
from policies.outcomes import Finding, Outcome, Stage, worst
from policies.ruleset import enforced
from policies.waivers import Waiver, apply
from policies.zone import ZonePolicy

__all__ = ["PAYLOAD_TYPE", "StageResult", "build", "sign", "table"]

PAYLOAD_TYPE = "application/vnd.gchain.member-report+json"


@dataclass(frozen=True)
class StageResult:
    """One stage's findings and what was covered; `reason` says why a stage did not run."""

    stage: Stage
    ran: bool
    findings: Sequence[Finding] = ()
    coverage: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""

    def waived(self, waivers: Iterable[Waiver]) -> StageResult:
        return StageResult(self.stage, self.ran, apply(self.findings, waivers), self.coverage, self.reason)

    def as_json(self) -> dict[str, Any]:
        rows = sorted((finding.as_json() for finding in self.findings), key=_by_rule)
        return {
            "ran": self.ran,
            "reason": self.reason,
            "coverage": dict(self.coverage),
            "counts": dict(Counter(str(finding.outcome) for finding in self.findings)),
            "findings": rows,
        }


def _by_rule(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["rule"], row["resource"]


def table(
    member: str, stages: Mapping[str, Mapping[str, Any]], rules: Sequence[Mapping[str, Any]] | None = None
) -> list[dict[str, str]]:
    """The outcome rows of one member, as the ledger reads them: each enforced rule by each deciding stage.

    `stages` is the report's, `rules` the enforced rows of genesis (this version's without). The outcome is the worst
    over the resources; a stage that did not run, or that says nothing of the rule, is indeterminate. `evidence` is the
    digest of that rule's findings at that stage.
    """
    by_rule: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for stage, result in stages.items():
        for row in result["findings"] if result["ran"] else ():
            by_rule[row["rule"], stage].append(row)
    rows = []
    for rule in enforced()["enforced"] if rules is None else rules:
        for stage in rule["stages"]:
            found = by_rule[rule["id"], stage]
            outcome = worst(Outcome(row["outcome"]) for row in found) if found else Outcome.INDETERMINATE
            rows.append(
                {
                    "member": member,
                    "rule": rule["id"],
                    "stage": stage,
                    "outcome": str(outcome),
                    "evidence": digest(found),
                }
            )
    return sorted(rows, key=lambda row: (row["member"], row["rule"], row["stage"]))


def build(
    zone: ZonePolicy,
    environment: str,
    member: str,
    results: Iterable[StageResult],
    *,
    chain_id: str,
    waivers: Sequence[Waiver] = (),
    problems: Sequence[str] = (),
    now: datetime | None = None,
) -> dict[str, Any]:
    """The unsigned report. `problems` are waivers and statements that were handed in and have no effect."""
    at = (now or datetime.now(UTC)).replace(microsecond=0)
    by_stage = {result.stage: result for result in results}
    stages = {
        str(stage): by_stage.get(stage, StageResult(stage, ran=False, reason="not asked for")).waived(waivers).as_json()
        for stage in Stage
    }
    return {
        "version": 1,
        "member": member,
        "environment": environment,
        "zone_digest": zone.digest,
        "rules_digest": enforced()["digest"],
        "chain_id": chain_id,
        "generated_at": at.isoformat(),
        "stages": stages,
        "waivers": [waiver.as_json(at) for waiver in waivers],
        "problems": list(problems),
        "table": table(member, stages),
    }


def sign(report: Mapping[str, Any], key: Key) -> dict[str, Any]:
    """The report's DSSE envelope under an officer's key."""
    return sign_dsse(PAYLOAD_TYPE, canonical_json(dict(report)), key)
