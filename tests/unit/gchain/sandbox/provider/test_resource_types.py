"""Every resource type, through its whole life at a real local cloud. A case is a document under tests/cases/provider/;
`make test-quick` takes the first one of each file.

type          token of the resource type
needs         other resources, made first: name -> {type, inputs}; `${name.property}` refers to one of them
              (also to its `id`, and to the `root` of an organization)
inputs        of the resource;  outputs: what its state must hold then (`~text`: a regular expression)
update        inputs laid over the first (null takes one away): must change in place;  updated: outputs then
replace       inputs laid over the first, one at a time: each must force a replacement
stays         the cloud keeps the object after a delete (it belongs to something else)
adopt         false when it cannot be imported by its id alone
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from gchain.sandbox.provider.registry import known_tokens

from .engine import Engine, Properties, Resource

CASES = Path(__file__).resolve().parents[4] / "cases" / "provider"


def _cases() -> dict[str, dict[str, Any]]:
    documents = [
        (path.stem, case) for path in sorted(CASES.glob("*.yaml")) for case in yaml.safe_load_all(path.read_text())
    ]
    return {f"{stem}: {case['title']}": case for stem, case in documents}


@dataclass
class Life:
    """One resource alive in the cloud, with what it needs."""

    engine: Engine
    case: dict[str, Any]
    needs: dict[str, Resource]
    resource: Resource

    def inputs(self, *overlays: dict[str, Any] | None) -> Properties:
        merged = dict(self.case["inputs"])
        for overlay in overlays:
            merged |= overlay or {}
        return {name: value for name, value in self.resolve(merged).items() if value is not None}

    def resolve(self, value: Any) -> Any:
        return _resolve(value, self.needs)


def _resolve(value: Any, needs: dict[str, Resource]) -> Any:
    if isinstance(value, dict):
        return {key: _resolve(item, needs) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, needs) for item in value]
    if not isinstance(value, str):
        return value
    whole = re.fullmatch(r"\$\{(\w+)\.(\w+)\}", value)
    if whole:
        return _property(needs, *whole.groups())
    return re.sub(r"\$\{(\w+)\.(\w+)\}", lambda found: str(_property(needs, *found.groups())), value)


def _property(needs: dict[str, Resource], name: str, key: str) -> Any:
    if key == "id":
        return needs[name].id
    return needs[name].outputs["roots"][0]["id"] if key == "root" else needs[name].outputs[key]


def _parameters() -> list[Any]:
    seen: set[str] = set()
    made = []
    for title, case in _cases().items():
        stem = title.partition(":")[0]
        made.append(pytest.param((title, case), marks=[pytest.mark.slow] if stem in seen else [], id=title))
        seen.add(stem)
    return made


@pytest.fixture(params=_parameters())
def life(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Life]:
    title, case = request.param
    needs: dict[str, Resource] = {}
    name = re.sub(r"\W+", "-", title)[-40:].strip("-").lower()
    for key, need in case.get("needs", {}).items():
        needs[key] = engine.create(need["type"], f"{name}-{key}", _resolve(need.get("inputs", {}), needs))
    inputs = _resolve(case["inputs"], needs)
    alive = Life(engine, case, needs, engine.create(case["type"], name, inputs))
    yield alive
    for resource in (alive.resource, *reversed(needs.values())):
        engine.delete(resource)


def assert_holds(outputs: Properties, expected: Properties) -> None:
    for name, value in expected.items():
        if isinstance(value, str) and value.startswith("~"):
            assert re.search(value[1:], str(outputs.get(name))), f"{name}: {outputs.get(name)!r} does not match {value}"
        else:
            assert outputs.get(name) == value, f"{name}: {outputs.get(name)!r} is not {value!r}"


def test_lives_its_whole_life_as_the_real_provider_would_let_it(life: Life) -> None:
    engine, case, resource = life.engine, life.case, life.resource
    assert_holds(resource.outputs, life.resolve(case.get("outputs", {})))
    assert_settled(engine, resource, life.inputs())
    if case.get("adopt", True):
        assert_adopted(life)
    if "update" in case:
        changed = life.inputs(case["update"])
        assert engine.plan(resource, changed).changes, "the update was not noticed"
        assert engine.plan(resource, changed).replaces == []
        engine.update(resource, changed)
        assert_holds(resource.outputs, life.resolve(case.get("updated", {})))
        assert_settled(engine, resource, changed)
    for name, value in case.get("replace", {}).items():
        assert name in engine.plan(resource, life.inputs(case.get("update"), {name: value})).replaces
    engine.delete(resource)
    assert engine.refresh(resource) is bool(case.get("stays", False))


def assert_settled(engine: Engine, resource: Resource, inputs: Properties) -> None:
    """Neither a second update nor a refresh sees a change that nobody made."""
    assert engine.plan(resource, inputs).changes == []
    before = (dict(resource.inputs), dict(resource.outputs))
    assert engine.refresh(resource)
    assert resource.inputs == before[0]
    assert resource.outputs == before[1]
    assert engine.plan(resource, inputs).changes == []


def assert_adopted(life: Life) -> None:
    found = life.engine.adopt(life.case["type"], "adopted", life.resource.id)
    assert found is not None
    assert found.id == life.resource.id
    assert found.outputs.get("arn") == life.resource.outputs.get("arn")


def test_every_known_type_has_a_case() -> None:
    with_case = {case["type"] for case in _cases().values()}
    assert set(known_tokens()) - with_case == set()
