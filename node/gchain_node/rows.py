"""Rows of the node's databases: each carries a checksum over its table, its key and its content.

A disk that gives back other bytes than it took is found when the row is read, and the row is named; SQLite notices only
damage to its own structure. The checksum is against accidents: what a liar would have to forge is the app hash.

    stored = BLAKE2b-64(table's name as person; key's length as 4 bytes || key || content) || content       (RFC 7693)
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from typing import Final

from gchain_node.errors import CorruptStateError

__all__ = ["REMEDY", "seal", "shown", "unseal"]

REMEDY: Final = "restore a backup of the node's data, or remove the directory and let the node catch up"
"""What an operator does about a damaged database."""

_SUM_BYTES = 8


def seal(table: str, key: bytes, content: bytes) -> bytes:
    """What a table stores for `content`."""
    return _sum(table, key, content) + content


def unseal(table: str, key: bytes, stored: bytes) -> bytes:
    """The content that was sealed. Raises `CorruptStateError` that names table and row."""
    content = stored[_SUM_BYTES:]
    found, expected = stored[:_SUM_BYTES], _sum(table, key, content)
    if found != expected:
        raise CorruptStateError(
            f"table {table}, row {shown(key)}: its checksum is {found.hex()}, its content's is {expected.hex()}: "
            "the disk gave back other bytes than it took",
            remedy=REMEDY,
        )
    return content


def shown(key: bytes) -> str:
    """A key as a person reads it: a path of the state as text, anything else in hexadecimal."""
    text = key.decode("ascii", errors="replace")
    return text if text and text.isprintable() and "\ufffd" not in text else key.hex() or "root"


def _sum(table: str, key: bytes, content: bytes) -> bytes:
    hasher = _hasher(table).copy()
    hasher.update(b"".join((len(key).to_bytes(4, "big"), key, content)))
    return hasher.digest()


@cache
def _hasher(table: str) -> blake2b:
    """One that has taken nothing in yet; a copy of it costs half of what a new one does."""
    return blake2b(digest_size=_SUM_BYTES, person=table.encode())
