"""Protobuf structs of the provider protocol as plain Python values, and back.

Numbers of a struct are doubles: whole ones become `int`. A value that a preview does not know yet is `UNKNOWN`. Secrets
arrive only in the provider's configuration and are unwrapped; the servicer declares that it accepts neither them nor
resource references in resources, so the engine unwraps those and marks the outputs secret by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import struct_pb2

__all__ = ["UNKNOWN", "Properties", "contains_unknown", "decode", "encode"]

Properties = dict[str, Any]

_UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # UnknownStringValue of the engine's plugin protocol
_SIGNATURE, _SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"  # SigKey, SecretSig


class _Unknown:
    """The one value that is not known before an update ran."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


def decode(struct: struct_pb2.Struct) -> Properties:
    """A struct as a dictionary, without the properties that are null."""
    values = {name: _decode_value(value) for name, value in struct.fields.items()}
    return {name: value for name, value in values.items() if value is not None}


def _decode_value(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return UNKNOWN if value.string_value == _UNKNOWN_TEXT else value.string_value
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "struct_value":
            fields = decode(value.struct_value)
            return fields.get("value") if fields.get(_SIGNATURE) == _SECRET else fields
        case "list_value":
            return [_decode_value(item) for item in value.list_value.values]
    return None


def encode(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """A dictionary as a struct, without the properties that are `None`."""
    struct = struct_pb2.Struct()
    struct.update({name: _encode_value(value) for name, value in properties.items() if value is not None})
    return struct


def _encode_value(value: Any) -> Any:
    if value is UNKNOWN:
        return _UNKNOWN_TEXT
    if isinstance(value, Mapping):
        return {name: _encode_value(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_encode_value(item) for item in value]
    return value


def contains_unknown(value: Any) -> bool:
    """Whether `value` is unknown, or holds something unknown at any depth."""
    if isinstance(value, Mapping):
        return any(contains_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_unknown(item) for item in value)
    return value is UNKNOWN
