"""Plan: the record that the policy pack keeps of a stack's last update (`policies.pack`), as findings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from policies import validity
from policies.canonical import digest
from policies.errors import SourceError
from policies.outcomes import Finding, Outcome, Stage
from policies.ruleset import enforced
from policies.zone import ZonePolicy

__all__ = ["PlanRecord", "load"]

_REMEDY = "run `gchain up` again: it judges and records every update"


@dataclass(frozen=True)
class PlanRecord:
    recorded_at: str
    findings: list[Finding]


def load(path: Path, stack: str, zone: ZonePolicy, *, now: datetime) -> PlanRecord:
    """The record of one stack.

    Raises:
        SourceError: it is missing or cut, of another stack, zone file or rule set, changed since it was written, older
            than a month, or from the future.
    """
    try:
        record: dict[str, Any] = json.loads(path.read_text())
        bound = (record["zone_digest"], record["rules_digest"])
        made, rows = validity.instant(record["recorded_at"]), record["findings"]
        findings = [_finding(row) for row in rows]
        reason = _fault(record, stack, rows)
    except FileNotFoundError:
        raise SourceError(
            f"{path.name}: there is no record of an update under the policy pack", remedy=_REMEDY
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{path.name} is not a whole record of an update: {error!r}", remedy=_REMEDY) from error
    if bound != (zone.digest, enforced()["digest"]):
        raise SourceError(f"{path.name}: the last update was judged by another zone file or rule set", remedy=_REMEDY)
    if reason or (reason := validity.fault(made, now)):
        raise SourceError(f"{path.name} {reason}", remedy=_REMEDY)
    return PlanRecord(record["recorded_at"], findings)


def _fault(record: Mapping[str, Any], stack: str, rows: list[Any]) -> str:
    if record["stack"] != stack:
        return f"is the record of stack {record['stack']}, not of {stack}"
    return "" if digest(rows) == record["findings_digest"] else "has other findings than those that were recorded"


def _finding(row: Mapping[str, Any]) -> Finding:
    found = Finding(**{**row, "stage": Stage(row["stage"]), "outcome": Outcome(row["outcome"])})
    if found.stage is not Stage.PLAN:
        raise ValueError(f"a finding is of the {found.stage} stage")
    return found
