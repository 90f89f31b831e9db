"""The CBOR of the ledger: deterministic encoding (RFC 8949, section 4.2.1) of a small set of types.

Whole numbers within 64-bit signed range, byte and text strings, booleans, null, arrays, and maps with text keys. No
floats, no tags, no indefinite lengths. With these types the order of cbor2's `canonical` (shorter keys first) and that
of the RFC (bytewise) are the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NoReturn

import cbor2

from gchain_node.codes import Code
from gchain_node.errors import TransactionError

__all__ = ["MAX_DEPTH", "decode", "encode"]

MAX_DEPTH: Final = 16
_LIMIT: Final = 2**63
_WHOLE: Final = 0x00  # major types, in their place in the initial byte
_BYTES: Final = 0x40
_TEXT: Final = 0x60
_ARRAY: Final = 0x80
_MAP: Final = 0xA0
_NEGATIVE: Final = 0x20
_SIMPLE: Final = 0xE0
_SHORT: Final = [bytes((first,)) for first in range(256)]
# Every tag that cbor2 would turn into a Python object of its own; any other reaches `tag_hook`.
_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)


def _refuse_tag(*_: Any, **__: Any) -> NoReturn:
    raise TransactionError(Code.NOT_CANONICAL, "CBOR tags are not allowed inside a transaction")


_FAILURES = (cbor2.CBORError, ValueError, TypeError, OverflowError)
_DECODERS: dict[int, Any] = dict.fromkeys(_TAGS, _refuse_tag)


def encode(value: Any) -> bytes:
    """The one encoding of `value`."""
    parts: list[bytes] = []
    _append(parts, value)
    return b"".join(parts)


def _append(parts: list[bytes], value: Any) -> None:
    """Add the encoding of `value`. By hand, because it is made several times for every transaction: cbor2's own
    `canonical` gives the same bytes in several times the time.
    """
    kind = type(value)
    if kind is str:
        data = value.encode()
        parts.append(_head(_TEXT, len(data)))
        parts.append(data)
    elif kind is bytes:
        parts.append(_head(_BYTES, len(value)))
        parts.append(value)
    elif kind is int and 0 <= value < _LIMIT:
        parts.append(_head(_WHOLE, value))
    elif isinstance(value, dict):
        parts.append(_head(_MAP, len(value)))
        for key, encoded in _order(tuple(value)):
            parts.append(encoded)
            _append(parts, value[key])
    elif isinstance(value, list | tuple):
        parts.append(_head(_ARRAY, len(value)))
        for item in value:
            _append(parts, item)
    else:
        parts.append(cbor2.dumps(value))


def _head(kind: int, size: int) -> bytes:
    """Initial byte and argument of a data item, in its shortest form (RFC 8949, section 3)."""
    if size < 24:
        return _SHORT[kind | size]
    if size < 0x100:
        return _SHORT[kind | 24] + _SHORT[size]
    if size < 0x1_0000:
        return _SHORT[kind | 25] + size.to_bytes(2, "big")
    if size < 0x1_0000_0000:
        return _SHORT[kind | 26] + size.to_bytes(4, "big")
    return _SHORT[kind | 27] + size.to_bytes(8, "big")


@lru_cache(maxsize=1024)
def _order(keys: tuple[Any, ...]) -> tuple[tuple[Any, bytes], ...]:
    """The keys of a map, each with its encoding, in the order of the encodings."""
    return tuple(sorted(((key, cbor2.dumps(key)) for key in keys), key=_encoding))


def _encoding(entry: tuple[Any, bytes]) -> bytes:
    return entry[1]


def decode(raw: bytes, *, integer_keys: bool = False) -> Any:
    """The value that `raw` is the one encoding of. Raises `TransactionError`, whatever the bytes.

    `integer_keys` is for COSE headers, whose labels are numbers.
    """
    if not integer_keys:
        try:
            return _whole(raw)
        except (IndexError, ValueError):
            pass  # what is wrong with it is said below
    return _strictly(raw, int if integer_keys else str)


def _strictly(raw: bytes, key_type: type) -> Any:
    """`decode` by the codec, and by looking at what it gave. Raises `TransactionError` that says what is wrong."""
    try:
        value = _loads(raw)
    except _FAILURES as error:
        raise _explain(error) from error
    in_order = _check(value, 0, key_type)
    # cbor2 keeps the order of maps: what it writes as it read it, in the right order, is the one encoding.
    if not in_order or cbor2.dumps(value) != raw:
        raise TransactionError(Code.NOT_CANONICAL, "the CBOR is not in its deterministic form")
    return value


def _whole(raw: bytes) -> Any:
    """The value of bytes that are its one encoding, which nearly all are. Raises `IndexError` or `ValueError` for all
    others, and leaves it to the codec and `_check` to say why.
    """
    value, end = _item(raw, 0, 0)
    if end != len(raw):
        raise ValueError("more than one data item")
    return value


def _item(raw: bytes, at: int, depth: int) -> tuple[Any, int]:
    """The data item that starts at `at`, and where it ends (RFC 8949, section 3; only the forms of section 4.2.1).

    By hand, because the codec does not tell in which form it found things: it reads, writes and compares. Raises as
    `_whole`.
    """
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    first = raw[at]
    at += 1
    kind, size = first & 0xE0, first & 0x1F
    if kind == _SIMPLE:
        return _simple(first), at
    if size >= 24:
        size, at = _argument(raw, at, size)
    if kind in (_WHOLE, _NEGATIVE):
        if size >= _LIMIT:
            raise ValueError("outside the 64-bit signed range")
        return (size if kind == _WHOLE else -1 - size), at
    if kind in (_BYTES, _TEXT):
        end = at + size
        if end > len(raw):
            raise ValueError("a string that ends before its length")
        part = raw[at:end]
        return (part if kind == _BYTES else part.decode()), end
    if kind == _ARRAY:
        items: list[Any] = []
        for _ in range(size):
            item, at = _item(raw, at, depth + 1)
            items.append(item)
        return items, at
    if kind == _MAP:
        return _entries(raw, at, size, depth)
    raise ValueError("a tag")


def _entries(raw: bytes, at: int, size: int, depth: int) -> tuple[Any, int]:
    found: dict[str, Any] = {}
    before = b""
    for _ in range(size):
        start = at
        key, at = _item(raw, at, depth + 1)
        encoded = raw[start:at]
        if type(key) is not str or encoded <= before:
            raise ValueError("a key that is no text, or not in order")
        found[key], at = _item(raw, at, depth + 1)
        before = encoded
    return found, at


def _simple(first: int) -> bool | None:
    if first == 0xF6:
        return None
    if first == 0xF5 or first == 0xF4:
        return first == 0xF5
    raise ValueError("a float, or another simple value")


def _argument(raw: bytes, at: int, announced: int) -> tuple[int, int]:
    """A length or number of one to eight bytes, not in a longer form than it needs, and where it ends."""
    if announced > 27:
        raise ValueError("an indefinite length, or a reserved one")
    width = 1 << announced - 24
    end = at + width
    if end > len(raw):
        raise IndexError("the bytes end")
    size = raw[at] if width == 1 else int.from_bytes(raw[at:end], "big")
    if size < 24 or (width > 1 and not size >> 4 * width):
        raise ValueError("not the shortest form")
    return size, end


def _loads(raw: bytes) -> Any:
    return cbor2.loads(
        raw,
        max_depth=MAX_DEPTH + 1,
        allow_indefinite=False,
        allow_duplicate_keys=False,
        tag_hook=_refuse_tag,
        semantic_decoders=_DECODERS,
    )


def _explain(error: BaseException) -> TransactionError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TransactionError):
            return cause
        cause = cause.__cause__
    if "nesting depth" in str(error):
        return TransactionError(Code.TOO_DEEP, f"the CBOR is nested more than {MAX_DEPTH} deep")
    return TransactionError(Code.MALFORMED, f"not the CBOR of a transaction: {error}")


def _check(value: Any, depth: int, key_type: type) -> bool:
    """Whether all maps are in order. Raises `TransactionError` for what is not allowed at all."""
    if depth > MAX_DEPTH:
        raise TransactionError(Code.TOO_DEEP, f"the CBOR is nested more than {MAX_DEPTH} deep")
    kind = type(value)
    if kind is str or kind is bytes or kind is bool or value is None:
        return True
    if kind is int:
        if not -_LIMIT <= value < _LIMIT:
            raise TransactionError(Code.MALFORMED, "a number is outside the 64-bit signed range")
        return True
    if kind is list:
        found = [_check(item, depth + 1, key_type) for item in value]  # all of them: any may be refused
        return all(found)
    if kind is dict:
        for key in value:
            if type(key) is not key_type:
                raise TransactionError(Code.MALFORMED, f"a map's key is {key!r}; only text keys are allowed")
        inside = [_check(item, depth + 1, key_type) for item in value.values()]
        return all(inside) and _sorted(value)
    raise TransactionError(Code.NOT_CANONICAL, f"a {kind.__name__} is not allowed in a transaction")


def _sorted(found: dict[Any, Any]) -> bool:
    """Whether the keys stand in the order of their encodings: the shorter first, then by bytes."""
    keys = list(found)
    if all(type(key) is str and len(key) < 24 and key.isascii() for key in keys):
        places = [(len(key), key) for key in keys]
        return places == sorted(places)
    encoded = [cbor2.dumps(key) for key in keys]
    return encoded == sorted(encoded)
