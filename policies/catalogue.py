"""The catalogue of rules: `catalogue.yaml`, the one source of each rule's sentence, severity, stages and controls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from policies.outcomes import Severity, Stage

__all__ = ["CATALOGUE", "Entry", "catalogue", "conflicts"]

CATALOGUE = Path(__file__).with_name("catalogue.yaml")
_CONFLICTS = Path(__file__).with_name("scanner-conflicts.yaml")


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule as the catalogue words it; `reads` is the list of resource types and facts that it looks at."""

    id: str
    title: str
    group: str
    severity: Severity
    stages: tuple[Stage, ...]
    controls: tuple[str, ...]
    reads: tuple[dict[str, Any], ...]
    leak: str
    clean: str
    rationale: str

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Entry:
        return cls(
            id=raw["id"],
            title=raw["title"],
            group=raw["group"],
            severity=Severity(raw["severity"]),
            stages=tuple(map(Stage, raw["stages"])),
            controls=tuple(raw["controls"]),
            reads=tuple(raw["reads"]),
            leak=raw["leak"].strip(),
            clean=raw["clean"].strip(),
            rationale=raw["rationale"].strip(),
        )


@cache
def catalogue() -> dict[str, Entry]:
    """Every rule by id, in the catalogue's order."""
    return {raw["id"]: Entry.of(raw) for raw in _load(CATALOGUE)["rules"]}


@cache
def conflicts() -> tuple[dict[str, Any], ...]:
    """Checks of well-known scanners that work against residency, for the officer who is asked about one."""
    return tuple(_load(_CONFLICTS)["conflicts"])


def _load(path: Path) -> dict[str, Any]:
    # The C loader is 10 times faster, and the policy pack starts with every `pulumi up`.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: dict[str, Any] = yaml.load(path.read_text(), Loader=loader)  # noqa: S506 (a safe loader)
    return document
