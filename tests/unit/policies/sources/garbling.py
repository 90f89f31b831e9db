"""Every way to break one place of a raw answer: leave it out, say null, another type, another word."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from xml.etree import ElementTree

from policies.sources.aws.wire import members, payload, result

__all__ = ["Garbled", "garbled"]

WORD = "@garbled@"


class Garbled(NamedTuple):
    """`way` is the path of names in the answer, `how` what was done there."""

    way: str
    how: str
    body: bytes


Wanted = Callable[[str, str], bool]
"""Whether a place is worth breaking: its way, and the text of the listed item that it is in."""


def garbled(model: Any, body: bytes, wanted: Wanted) -> Iterator[Garbled]:
    """Every answer with one place broken. An item of a list is never left out: a shorter list is an answer."""
    if payload(model).type_name == "string":
        yield from (Garbled("the body", "empty", b""), Garbled("the body", "another word", WORD.encode()))
    elif model.service_model.resolved_protocol in ("json", "rest-json"):
        yield from _json(payload(model), json.loads(body), wanted)
    else:
        yield from _xml(model, body, wanted)


def _json(shape: Any, document: Any, wanted: Wanted) -> Iterator[Garbled]:
    for way, steps, within in _places(shape, document, "", ()):
        if not wanted(way, _item(document, steps)):
            continue
        for how, junk in _junk(within, in_list=isinstance(steps[-1], int)):
            changed = copy.deepcopy(document)
            at = changed
            for step in steps[:-1]:
                at = at[step]
            if how == "left out":
                del at[steps[-1]]
            else:
                at[steps[-1]] = junk
            yield Garbled(way, how, json.dumps(changed).encode())


def _item(document: Any, steps: tuple[Any, ...]) -> str:
    """The first item of a list on the way, or all of the answer."""
    at = document
    for step in steps:
        at = at[step]
        if isinstance(step, int):
            break
    else:
        at = document
    return json.dumps(at)


def _places(shape: Any, value: Any, way: str, steps: tuple[Any, ...]) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    """Name, steps and value of each place that the service's model knows."""
    if steps:
        yield way, steps, value
    if value is None:
        return
    if shape.type_name == "structure":
        for name, on_wire, member in members(shape):
            if on_wire in value:
                yield from _places(member, value[on_wire], f"{way}.{name}".lstrip("."), (*steps, on_wire))
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from _places(shape.value, item, f"{way}.{key}", (*steps, key))
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _places(shape.member, item, way, (*steps, index))


def _junk(value: Any, *, in_list: bool) -> Iterator[tuple[str, Any]]:
    if not in_list:
        yield "left out", None
    yield "null", None
    if isinstance(value, str):
        yield "another word", WORD
        yield "another type", 7
    elif isinstance(value, list):
        yield from (("another type", {}), ("a text", ""), ("a list of null", [None]))
    elif isinstance(value, dict):
        yield from (("another type", []), ("a text", WORD), ("empty", {}))
    else:
        yield "another type", WORD


def _xml(model: Any, body: bytes, wanted: Wanted) -> Iterator[Garbled]:
    root = ElementTree.fromstring(body)  # noqa: S314 (of the local cloud)
    for way, steps, shape in _nodes(payload(model), result(model, root), "", ()):
        if not wanted(way, _element(result(model, root), steps)):
            continue
        for how in _xml_junk(shape, steps):
            changed = copy.deepcopy(root)
            parent = result(model, changed)
            for step, _ in steps[:-1]:
                parent = parent[step]
            _break(parent, steps[-1][0], how)
            yield Garbled(way, how, ElementTree.tostring(changed))


def _element(root: Any, steps: Any) -> str:
    at = root
    for step, is_item in steps:
        at = at[step]
        if is_item:
            return ElementTree.tostring(at, "unicode")
    return ElementTree.tostring(root, "unicode")


def _nodes(shape: Any, node: Any, way: str, steps: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name, steps (index, whether an item of a list) and shape of each element that the service's model knows."""
    if steps:
        yield way, steps, shape
    if shape.type_name == "structure":
        for name, on_wire, member in members(shape):
            for index, child in enumerate(node):
                if child.tag.rpartition("}")[2] == on_wire:
                    flat = member.type_name == "list" and member.serialization.get("flattened")
                    inner = member.member if flat else member
                    yield from _nodes(inner, child, f"{way}.{name}".lstrip("."), (*steps, (index, bool(flat))))
    elif shape.type_name == "list":
        for index, child in enumerate(node):
            yield from _nodes(shape.member, child, way, (*steps, (index, True)))


def _xml_junk(shape: Any, steps: Any) -> Iterator[str]:
    if not steps[-1][1]:
        yield "left out"
    if shape.type_name != "list":  # an empty element is how an empty list is written
        yield "empty"
    yield "another word"
    if shape.type_name not in ("structure", "list", "map"):
        yield "another type"


def _break(parent: Any, index: int, how: str) -> None:
    if how == "left out":
        del parent[index]
        return
    node = parent[index]
    node[:] = []
    node.text = WORD if how == "another word" else None
    if how == "another type":
        ElementTree.SubElement(node, "junk").text = "x"
