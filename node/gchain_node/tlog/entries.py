"""The log's entries: one for each transaction of each block, in the order of (height, index), refused ones too.

An entry is the deterministic CBOR of `{code, data, height, index, tx}`: the result code, SHA-256 of the result's data,
the block, the place in it, and SHA-256 of the transaction's bytes. Digests, because an entry bundle of C2SP tlog-tiles
holds at most 65,535 bytes an entry and a transaction may have more; whoever has the bytes can check them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cbor2

from gchain_node import cbor
from gchain_node.errors import NodeError, VerificationError
from gchain_node.messages import TxResult

__all__ = ["MAX_ENTRY_BYTES", "Entry", "bundle", "entries_of", "unbundle"]

MAX_ENTRY_BYTES = 65_535
_TX, _DATA = b"\xa5\x62tx\x58\x20", b"\x64data\x58\x20"  # a map of five, and two keys before 32 bytes each
_FIELDS = {"code", "data", "height", "index", "tx"}


@dataclass(frozen=True, slots=True)
class Entry:
    """`tx` and `data` are SHA-256 of the transaction's bytes and of its result data."""

    height: int
    index: int
    tx: bytes
    code: int
    data: bytes

    @classmethod
    def of(cls, height: int, index: int, raw: bytes, code: int, data: bytes) -> Entry:
        return cls(height, index, hashlib.sha256(raw).digest(), code, hashlib.sha256(data).digest())

    def encode(self) -> bytes:
        return _encoded(self.tx, _number(self.code), self.data, _number(self.index), _number(self.height))

    @classmethod
    def decode(cls, raw: bytes) -> Entry:
        """Raises `VerificationError`."""
        try:
            fields = cbor.decode(raw)
        except NodeError as error:
            raise VerificationError(f"not a log entry: {error}") from error
        if not isinstance(fields, dict) or set(fields) != _FIELDS:
            raise VerificationError(f"a log entry has exactly {', '.join(sorted(_FIELDS))}")
        entry = cls(**fields)
        if any(type(number) is not int or number < 0 for number in (entry.height, entry.index, entry.code)):
            raise VerificationError("a log entry's height, index and code must be whole numbers")
        if any(not isinstance(digest, bytes) or len(digest) != 32 for digest in (entry.tx, entry.data)):
            raise VerificationError("a log entry's tx and data must be SHA-256 digests")
        return entry


def entries_of(height: int, hashes: Sequence[bytes], results: Sequence[TxResult]) -> list[bytes]:
    """The entries of one block, encoded; `hashes` are SHA-256 of its transactions."""
    block = _number(height)
    return [
        _encoded(name, _number(result.code), hashlib.sha256(result.data).digest(), _number(index), block)
        for index, (name, result) in enumerate(zip(hashes, results, strict=True))
    ]


def _encoded(tx: bytes, code: bytes, data: bytes, index: bytes, height: bytes) -> bytes:
    """The encoding of the map, put together by hand: it is made for every transaction."""
    return b"".join((_TX, tx, b"\x64code", code, _DATA, data, b"\x65index", index, b"\x66height", height))


@lru_cache(maxsize=4096)
def _number(value: int) -> bytes:
    return cbor2.dumps(int(value))


def bundle(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry with its length as two bytes in front (C2SP tlog-tiles, "Log Entries")."""
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise ValueError(f"an entry has {len(entry)} bytes; a bundle holds at most {MAX_ENTRY_BYTES}")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def unbundle(raw: bytes) -> list[bytes]:
    """The entries of a bundle. Raises `VerificationError`."""
    entries, at = [], 0
    while at < len(raw):
        end = at + 2 + int.from_bytes(raw[at : at + 2], "big")
        if at + 2 > len(raw) or end > len(raw):
            raise VerificationError("the entry bundle ends within an entry")
        entries.append(raw[at + 2 : end])
        at = end
    return entries
