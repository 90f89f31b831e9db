"""The little of protobuf that hashing needs, written by hand so that a verifier needs no generated code.

Fields with their default value are left out, as proto3 and gogoproto do; `message` with `always` writes an empty one.
"""

from __future__ import annotations

__all__ = ["ZERO_TIME_NS", "bytes_field", "delimited", "fixed64", "message", "timestamp", "uvarint", "varint"]

ZERO_TIME_NS = -62_135_596_800 * 10**9  # Go's zero time, 0001-01-01T00:00:00Z
_MASK = (1 << 64) - 1


def uvarint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint(number: int, value: int) -> bytes:
    """An integer field; negative values as 64-bit two's complement."""
    return uvarint(number << 3) + uvarint(value & _MASK) if value else b""


def fixed64(number: int, value: int) -> bytes:
    """An sfixed64 field."""
    return uvarint(number << 3 | 1) + value.to_bytes(8, "little", signed=True) if value else b""


def bytes_field(number: int, value: bytes) -> bytes:
    return uvarint(number << 3 | 2) + uvarint(len(value)) + value if value else b""


def message(number: int, body: bytes, *, always: bool = False) -> bytes:
    """A nested message; `always` for fields that gogoproto marks non-nullable."""
    return uvarint(number << 3 | 2) + uvarint(len(body)) + body if body or always else b""


def timestamp(time_ns: int) -> bytes:
    """google.protobuf.Timestamp of nanoseconds since 1970."""
    seconds, nanos = divmod(time_ns, 10**9)
    return varint(1, seconds) + varint(2, nanos)


def delimited(body: bytes) -> bytes:
    """A message with its length in front, as sign bytes have it."""
    return uvarint(len(body)) + body
