"""Rule cases as data: `tests/cases/rules/<rule>/<stage>[+<stage>]-{leak,clean}[-<what>].yaml`.

A case holds `resources` (type, name, properties, and where it matters provider, protect, physical_id), `facts`, and
`zone` keys that differ from the example zone. At the state stage the same resources pass through a stack export.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from policies.engine import evaluate
from policies.graph import PROVIDER, Graph, Resource
from policies.outcomes import Outcome, Stage, worst
from policies.rules import RULES
from policies.sources import stack_state
from policies.zone import ZonePolicy

CASES = Path(__file__).parents[2] / "cases" / "rules"
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
STACK = "example-member-a"


@dataclass
class Case:
    rule: str
    stage: Stage
    kind: str
    name: str
    document: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.rule}-{self.stage}-{self.name}"


def load() -> list[Case]:
    """Every case, once for each stage it speaks of."""
    return [
        Case(path.parent.name, Stage(stage), _kind(path), path.stem.partition("-")[2], _read(path))
        for path in sorted(CASES.glob("*/*.yaml"))
        for stage in path.stem.partition("-")[0].split("+")
    ]


def zone(changes: dict[str, Any] | None = None) -> ZonePolicy:
    return ZonePolicy.from_mapping({**_read(CASES / "zone.yaml"), **(changes or {})})


def outcome(case: Case, graph: Graph) -> Outcome:
    """What the case's rule says of a graph at the case's stage, merged."""
    found = evaluate(graph, zone(case.document.get("zone")), case.stage, rules=[RULES[case.rule]], now=NOW)
    return worst(finding.outcome for finding in found)


def graph(case: Case) -> Graph:
    if case.stage is Stage.STATE:
        return state_graph(case, export(case))
    document = copy.deepcopy(case.document)
    resources = [_resource(entry, case.stage) for entry in document.get("resources", [])]
    return Graph(resources, document.get("facts", {}))


def state_graph(case: Case, document: dict[str, Any]) -> Graph:
    found = stack_state.graph(document, STACK)
    found.facts |= copy.deepcopy(case.document.get("facts", {}))
    return found


def export(case: Case) -> dict[str, Any]:
    """The case's resources as a stack export: each recorded as inputs and as outputs."""
    provider = {
        "urn": _urn(PROVIDER, "zone"),
        "type": PROVIDER,
        "id": "p-1",
        "inputs": {"region": "eu-central-1", "allowedAccountIds": '["111122223333"]'},
    }
    entries = [_entry(entry, provider["urn"]) for entry in case.document.get("resources", [])]
    return {"version": 3, "deployment": {"resources": [provider, *entries]}}


def mutations(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every attribute below `value`."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(value, dict):
            yield (*path, key)
        yield from mutations(item, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _kind(path: Path) -> str:
    return path.stem.split("-")[1]


def _read(path: Path) -> dict[str, Any]:
    return copy.deepcopy(_parsed(path))


@cache
def _parsed(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text()) or {}


def _urn(kind: str, name: str) -> str:
    return f"urn:pulumi:{STACK}::gchain::{kind}::{name}"


def _entry(entry: dict[str, Any], provider: str) -> dict[str, Any]:
    properties = entry["properties"]
    return {
        "urn": _urn(entry["type"], entry["name"]),
        "type": entry["type"],
        "id": entry.get("physical_id", entry["name"]),
        "provider": f"{provider}::p-1",
        "inputs": copy.deepcopy(properties),
        "outputs": copy.deepcopy(properties),
    }


def _resource(entry: dict[str, Any], stage: Stage) -> Resource:
    properties = entry["properties"]
    if entry["type"] == PROVIDER:
        return Resource(_urn(PROVIDER, entry["name"]), PROVIDER, entry["name"], properties)
    if stage is Stage.LIVE and not entry["type"].startswith(("aws:iam/", "aws:organizations/")):
        properties = {"region": "eu-central-1", **properties}
    provider = Resource(_urn(PROVIDER, "zone"), PROVIDER, "zone", {"region": "eu-central-1"})
    return Resource(
        _urn(entry["type"], entry["name"]),
        entry["type"],
        entry["name"],
        properties,
        None if stage is Stage.LIVE else provider,
        entry.get("provider") == "default",
        entry.get("protect"),
        physical_id=entry.get("physical_id"),
    )
