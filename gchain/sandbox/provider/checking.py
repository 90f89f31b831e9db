"""Check: unknown properties are refused by name, required ones asked for, defaults filled in."""

from __future__ import annotations

import difflib
import random
from collections.abc import Iterable, Mapping
from typing import Any

from gchain.sandbox.provider.schema import Input, ResourceType
from gchain.sandbox.provider.wire import UNKNOWN, Properties

__all__ = ["check"]


def check(
    kind: ResourceType, name: str, given: Properties, before: Properties, region: str | None, seed: bytes
) -> tuple[Properties, dict[str, str]]:
    """The inputs with defaults, and refusals by property path.

    `name` is the logical name, `before` the inputs of the last update (an automatic name is kept), `region` the
    region of the provider (v7: every regional resource has a `region`, the provider's unless it says otherwise).
    """
    declared = _declared(kind)
    failures = dict(_refusals(kind.type_name, "", declared, given))
    inputs = _with_defaults(declared, given)
    for item in kind.inputs:
        if item.autoname and item.name not in inputs:
            inputs[item.name] = before.get(item.name) or _automatic(name, seed)
    if kind.regional and region and "region" not in inputs:
        inputs["region"] = region
    return inputs, {**failures, **kind.verify(inputs)}


def _declared(kind: ResourceType) -> tuple[Input, ...]:
    extra = (Input("tags"),) if kind.taggable else ()
    return (*kind.inputs, *extra, *((Input("region", replace=True),) if kind.regional else ()))


def _refusals(owner: str, path: str, declared: Iterable[Input], given: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    known = {item.name: item for item in declared}
    for name, value in given.items():
        if name not in known:
            yield path + name, _unknown_property(owner, path + name, name, known)
        else:
            yield from _nested_refusals(owner, path + name, known[name], value)
    for item in known.values():
        if item.required and given.get(item.name) is None:
            yield path + item.name, f"{owner} needs {path + item.name}"


def _nested_refusals(owner: str, path: str, item: Input, value: Any) -> Iterable[tuple[str, str]]:
    if not item.fields or value is UNKNOWN:
        return
    for index, entry in enumerate(value) if isinstance(value, list) else [("", value)]:
        if isinstance(entry, Mapping):
            yield from _refusals(owner, f"{path}[{index}]." if index != "" else f"{path}.", item.fields, entry)


def _unknown_property(owner: str, path: str, name: str, known: Mapping[str, Input]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{owner} has no property {path!r} that the sandbox's provider knows{hint}"


def _with_defaults(declared: Iterable[Input], given: Mapping[str, Any]) -> Properties:
    result = dict(given)
    for item in declared:
        if item.name not in result and item.default is not None:
            result[item.name] = item.default
        if item.fields and item.name in result:
            result[item.name] = _nested_defaults(item, result[item.name])
    return result


def _nested_defaults(item: Input, value: Any) -> Any:
    if isinstance(value, list):
        return [_nested_defaults(item, entry) for entry in value]
    return _with_defaults(item.fields, value) if isinstance(value, Mapping) else value


def _automatic(name: str, seed: bytes) -> str:
    """The logical name and seven hexadecimal digits, as the real provider names things."""
    return f"{name}-{random.Random(seed or None).randrange(16**7):07x}"  # noqa: S311 - a name, not a secret
