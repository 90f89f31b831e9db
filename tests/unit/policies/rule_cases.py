"""The kit's own rule cases, `tests/cases/rules/`, in the zone of its examples (`policies.cases`: what a case is)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from policies import cases
from policies.cases import NOW, STACK, Case, at, export, graph, mutations, outcome, state_graph
from policies.zone import ZonePolicy

__all__ = [
    "CASES", "NOW", "STACK", "Case", "at", "export", "graph", "load", "mutations", "outcome", "state_graph", "zone",
]  # fmt: skip

CASES = Path(__file__).parents[2] / "cases" / "rules"


@cache
def _example() -> dict[str, Any]:
    return dict(yaml.safe_load((CASES / "zone.yaml").read_text()))


def load() -> list[Case]:
    """Every case, once for each stage it speaks of."""
    return cases.load(CASES, _example())


def zone(changes: dict[str, Any] | None = None) -> ZonePolicy:
    return ZonePolicy.from_mapping({**_example(), **(changes or {})})
