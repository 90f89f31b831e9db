"""The six outcomes of a rule, how they merge, and the finding that carries one.

Merging takes the worst: fail > error > indeterminate > waived > pass > not-applicable. What was not looked at is
indeterminate, never a pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

__all__ = ["DECIDING_STAGES", "Finding", "Outcome", "Severity", "Stage", "deciding_stages", "worst"]


class Stage(StrEnum):
    """When a rule can be judged."""

    PREFLIGHT = "preflight"
    PLAN = "plan"
    STATE = "state"
    LIVE = "live"
    NODE = "node"
    ATTEST = "attest"


class Severity(StrEnum):
    """How much a broken rule matters; only `critical` blocks."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Outcome(StrEnum):
    """What a rule says of one resource at one stage, worst first."""

    FAIL = "fail"
    ERROR = "error"
    INDETERMINATE = "indeterminate"
    WAIVED = "waived"
    PASS = "pass"  # noqa: S105 (an outcome, not a password)
    NOT_APPLICABLE = "not-applicable"


_RANK = {outcome: rank for rank, outcome in enumerate(Outcome)}

DECIDING_STAGES = (Stage.PREFLIGHT, Stage.STATE, Stage.LIVE, Stage.NODE, Stage.ATTEST)
"""The stages that count at go-live. A plan is a promise; it decides only where a rule has no other stage."""


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The merged outcome; of nothing, not-applicable."""
    return min(outcomes, key=_RANK.__getitem__, default=Outcome.NOT_APPLICABLE)


def deciding_stages(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """Which of a rule's stages decide at go-live: all but the plan, or the plan where there is no other."""
    claimed = set(stages)
    return tuple(stage for stage in DECIDING_STAGES if stage in claimed) or (Stage.PLAN,)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says of one resource at one stage.

    `resource` is a URN (plan, state), an ARN or native id (live), `host/<name>`, `ledger`, or `stage` for the stage as
    a whole. `evidence` is `sha256:<hex>` over the canonical JSON of what was looked at.
    """

    rule: str
    resource: str
    stage: Stage
    outcome: Outcome
    message: str
    evidence: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
