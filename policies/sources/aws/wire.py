"""Whether the body of an answer is whole and of the service's own types, before the SDK reads it.

The SDK is kind to what it reads: a JSON body that is broken or empty is an answer without members, `{}` or `""` in the
place of a list is an empty list, text in the place of an XML list too, and every XML truth value but `true` is false.
Each would look like "nothing there" or "off"; here each is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from policies.errors import SourceError

__all__ = ["members", "payload", "refuse_broken_body", "result"]

_JSON_TYPES: dict[str, tuple[type[Any], ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "boolean": (bool,),
    "string": (str,),
    "character": (str,),
    "blob": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str),
}
_PLAIN_BODIES = frozenset({"GetBucketLocation", "GetBucketPolicy"})
"""Operations of S3 whose body is one text and no structure."""


def refuse_broken_body(operation_model: Any, response_dict: Any, **_: Any) -> None:
    """A hook of the SDK (`before-parse`) for every operation of every service.

    Raises:
        SourceError: the body is empty, broken, or has a member of another type than the service's model.
    """
    model, body = operation_model, response_dict["body"]
    if response_dict["status_code"] >= 300 or model.output_shape is None or model.name in _PLAIN_BODIES:
        return
    try:
        if model.service_model.resolved_protocol in ("json", "rest-json"):
            _check_json(payload(model), json.loads(body), model.name)
        else:
            root = ElementTree.fromstring(body)  # noqa: S314 (the SDK parses the same bytes next)
            _check_xml(payload(model), result(model, root), model.name)
    except (ValueError, ElementTree.ParseError):
        raise SourceError(f"{model.name}: the answer is not whole") from None


def payload(model: Any) -> Any:
    """The shape of the body: the whole output, or the one member that a service sends as the body."""
    name = model.output_shape.serialization.get("payload")
    return model.output_shape.members[name] if name else model.output_shape


def result(model: Any, root: Any) -> Any:
    """Below what the query protocol wraps around a result."""
    wrapper = model.output_shape.serialization.get("resultWrapper")
    found = next((child for child in root if _tag(child) == wrapper), None) if wrapper else root
    if found is None:
        raise SourceError(f"{model.name}: {wrapper} is missing from the answer")
    return found


def members(shape: Any) -> Iterator[tuple[str, str, Any]]:
    """Name, name on the wire, and shape of each member that the body carries."""
    for name, member in shape.members.items():
        if "location" not in member.serialization and not member.serialization.get("xmlAttribute"):
            yield name, _wire_name(name, member), member


def _wire_name(name: str, member: Any) -> str:
    if member.type_name == "list" and member.serialization.get("flattened"):
        return str(member.member.serialization.get("name") or member.serialization.get("name", name))
    return str(member.serialization.get("name", name))


def _check_json(shape: Any, value: Any, at: str) -> None:
    if value is None or getattr(shape, "is_document_type", False):
        return
    wanted = _JSON_TYPES[shape.type_name]
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        _refuse(at, shape, f"a {type(value).__name__}")
    if shape.type_name == "structure":
        for name, on_wire, member in members(shape):
            _check_json(member, value.get(on_wire), f"{at}.{name}")
    elif shape.type_name == "list":
        for item in value:
            if item is None:
                _refuse(at, shape.member, "null")
            _check_json(shape.member, item, at)
    elif shape.type_name == "map":
        for key, item in value.items():
            _check_json(shape.value, item, f"{at}.{key}")


def _check_xml(shape: Any, node: Any, at: str) -> None:
    if shape.type_name in ("structure", "list", "map"):
        if (node.text or "").strip():
            _refuse(at, shape, "text")
    elif len(node):
        _refuse(at, shape, "an element")
    elif shape.type_name == "boolean" and node.text not in ("true", "false"):
        _refuse(at, shape, "another word")
    if shape.type_name == "structure":
        for name, on_wire, member in members(shape):
            _check_member(member, [child for child in node if _tag(child) == on_wire], f"{at}.{name}")
    elif shape.type_name == "list":
        for item in node:
            _check_xml(shape.member, item, at)


def _check_member(shape: Any, nodes: list[Any], at: str) -> None:
    flattened = shape.type_name in ("list", "map") and shape.serialization.get("flattened")
    if len(nodes) > 1 and not flattened:
        _refuse(at, shape, "more than one")
    for node in nodes:
        if not flattened:
            _check_xml(shape, node, at)
        elif shape.type_name == "list":
            _check_xml(shape.member, node, at)


def _tag(node: Any) -> str:
    return str(node.tag).rpartition("}")[2]


def _refuse(at: str, shape: Any, found: str) -> None:
    operation, _, way = at.partition(".")
    raise SourceError(f"{operation}: {way or 'the answer'} should be a {shape.type_name}, found {found}")
