"""Rule cases as data: `<directory>/<rule>/<stage>[+<stage>]-{leak,clean}[-<what>].yaml`, and what each must show.

A case holds `resources` (type, name, properties, and where it matters provider, protect, physical_id), `facts`, the
`member` whose stack it is where that matters, and `zone` keys that differ from the zone that the cases are judged in.
At the state stage the same resources pass through a stack export. A leak must fail, its clean twin must pass, and no
leak may pass when anything of it is deleted, garbled or not known yet: `faults` says what does not hold.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from policies.engine import evaluate
from policies.graph import PROVIDER, UNKNOWN, Graph, Resource
from policies.outcomes import Outcome, Stage, worst
from policies.rules import RULES
from policies.sources import stack_state
from policies.sources.spellings import plain_properties, plain_type
from policies.zone import ZonePolicy

__all__ = [
    "NOW",
    "STACK",
    "Case",
    "at",
    "deletions",
    "export",
    "faults",
    "graph",
    "load",
    "mutations",
    "outcome",
    "replaced",
    "replacements",
    "state_graph",
]

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
STACK = "example-member-a"
GARBLED = "@garbled@"
_NOT_A_PASS = {Outcome.FAIL, Outcome.ERROR, Outcome.INDETERMINATE}


@dataclass
class Case:
    """One case at one stage. `kind` is `leak` or `clean`; `base` is the zone as plain data."""

    rule: str
    stage: Stage
    kind: str
    name: str
    document: dict[str, Any] = field(repr=False)
    base: Mapping[str, Any] = field(repr=False)

    @cached_property
    def zone(self) -> ZonePolicy:
        return ZonePolicy.from_mapping({**copy.deepcopy(dict(self.base)), **self.document.get("zone", {})})

    def __str__(self) -> str:
        return f"{self.rule}-{self.stage}-{self.name}"


def load(directory: Path, base: Mapping[str, Any]) -> list[Case]:
    """Every case under `directory`, once for each stage it speaks of."""
    return [
        Case(path.parent.name, Stage(stage), _kind(path), path.stem.partition("-")[2], _read(path), base)
        for path in sorted(directory.glob("*/*.yaml"))
        for stage in path.stem.partition("-")[0].split("+")
    ]


def outcome(case: Case, graph: Graph) -> Outcome:
    """What the case's rule says of a graph at the case's stage, merged."""
    member = case.document.get("member")
    found = evaluate(graph, case.zone, case.stage, rules=[RULES[case.rule]], now=NOW, member=member)
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
    provider: dict[str, Any] = {
        "urn": _urn(PROVIDER, "zone"),
        "type": PROVIDER,
        "id": "p-1",
        "inputs": {"region": "eu-central-1", "allowedAccountIds": '["111122223333"]'},
    }
    entries = [_entry(entry, provider["urn"]) for entry in case.document.get("resources", [])]
    return {"version": 3, "deployment": {"resources": [provider, *entries]}}


def mutations(value: Any, path: tuple[Any, ...] = (), *, entries: bool = False) -> Iterator[tuple[Any, ...]]:
    """The path of every attribute below `value`; with `entries`, of every entry of a list too."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if entries or isinstance(value, dict):
            yield (*path, key)
        yield from mutations(item, (*path, key), entries=entries)


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def faults(case: Case) -> Iterator[str]:
    """What a case should show and does not, a sentence each."""
    found = outcome(case, graph(case))
    wanted = Outcome.FAIL if case.kind == "leak" else Outcome.PASS
    if found is not wanted:
        yield f"{case}: {found}, {wanted} expected"
    if case.kind == "leak" and found is wanted:
        yield from (f"{case}: {what}" for what in _fooled(case))


def _fooled(case: Case) -> Iterator[str]:
    """How the leak can be made to pass."""
    hidden = replacements(case, UNKNOWN) if case.stage is Stage.PLAN else deletions(case)
    ways = [("garbled", replacements(case, GARBLED)), ("hidden", hidden)]
    for words, changed in ways:
        for each, what in changed:
            if outcome(case, each) not in _NOT_A_PASS:
                yield f"passes when {what} is {words}"


def deletions(case: Case) -> Iterator[tuple[Graph, str]]:
    """The case with one attribute deleted, once for each, and which."""
    if case.stage is Stage.STATE:
        whole = export(case)
        for index, entry in enumerate(whole["deployment"]["resources"][1:], 1):
            for side in ("inputs", "outputs"):
                for path in mutations(entry[side]):
                    changed = copy.deepcopy(whole)
                    where = changed["deployment"]["resources"][index][side]
                    del at(where, path[:-1])[path[-1]]
                    yield state_graph(case, changed), f"{side} {path}"
        return
    yield from _changed(graph(case), lambda parent, key: parent.pop(key))


def replacements(case: Case, value: Any) -> Iterator[tuple[Graph, str]]:
    """The case with one attribute, or entry of a list, replaced by `value`, once for each, and which."""
    yield from replaced(graph(case), value)


def replaced(whole: Graph, value: Any) -> Iterator[tuple[Graph, str]]:
    """The graph with one attribute, entry of a list or fact replaced by `value`, once for each, and which."""
    yield from _changed(whole, lambda parent, key: parent.__setitem__(key, value), entries=True)


def _changed(whole: Graph, change: Callable[[Any, Any], Any], *, entries: bool = False) -> Iterator[tuple[Graph, str]]:
    """The graph with one attribute of one resource, or one fact, changed; once for each."""
    for index, resource in enumerate(whole.resources):
        for path in mutations(dict(resource.properties), entries=entries):
            properties = copy.deepcopy(dict(resource.properties))
            change(at(properties, path[:-1]), path[-1])
            resources = [*whole.resources]
            resources[index] = _with(resource, properties)
            yield Graph(resources, whole.facts), f"{resource.name} {path}"
    for path in mutations(whole.facts, entries=entries):
        facts = copy.deepcopy(whole.facts)
        change(at(facts, path[:-1]), path[-1])
        yield Graph(whole.resources, facts), str(path)


def _with(resource: Resource, properties: dict[str, Any]) -> Resource:
    return Resource(
        resource.id,
        resource.type,
        resource.name,
        properties,
        resource.provider,
        resource.provider_is_default,
        resource.protect,
        physical_id=resource.physical_id,
    )


def _kind(path: Path) -> str:
    return path.stem.split("-")[1]


def _read(path: Path) -> dict[str, Any]:
    return copy.deepcopy(_parsed(path))


@cache
def _parsed(path: Path) -> dict[str, Any]:
    # The C loader is 10 times faster, and there are hundreds of cases.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(), Loader=loader) or {}  # noqa: S506 (a safe loader)


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
        plain_type(entry["type"]),
        entry["name"],
        plain_properties(entry["type"], properties),
        None if stage is Stage.LIVE else provider,
        entry.get("provider") == "default",
        entry.get("protect"),
        physical_id=entry.get("physical_id"),
    )
