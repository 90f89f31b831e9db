"""What the last heights changed and the tables of the database do not hold yet.

A key's place in a table is as good as random, so a block that changes 500 keys rewrites more than a thousand pages of
the file, and the next block rewrites many of them again. Heights are therefore written to a journal, one row each, and
go into the tables together when there is enough of them. Until then their values, and the pages of the tree that follow
from them, are found here, in memory; after a start the journal is read and the tree's pages are computed again.

    row = height -> CBOR array of key, value, key, value ... ; null for a value that was deleted
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from itertools import chain

import cbor2

from gchain_node.rows import seal
from gchain_node.tree import Page

__all__ = ["SCHEMA", "Journal", "content", "merged", "name", "write"]

SCHEMA = "CREATE TABLE IF NOT EXISTS journal (height INTEGER PRIMARY KEY, data BLOB NOT NULL);"
Rows = list[tuple[bytes, bytes]]


class Journal:
    """The changes that are in the journal alone; `None` deletes. Not safe across threads."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes | None] = {}
        self.pages: dict[bytes, Page | None] = {}

    def __len__(self) -> int:
        """Rows of the tables that wait to be written."""
        return len(self.values) + len(self.pages)

    def add(self, values: Mapping[bytes, bytes | None], pages: Mapping[bytes, Page | None]) -> None:
        self.values.update(values)
        self.pages.update(pages)

    def clear(self) -> None:
        """They are in the tables now."""
        self.values, self.pages = {}, {}

    def over(self, rows: Iterable[tuple[bytes, bytes]], prefix: bytes) -> Rows:
        """Rows of the table of values as the journal makes them: those that start with `prefix`, by their keys."""
        return merged(rows, {key: value for key, value in self.values.items() if key.startswith(prefix)})

    def after(self, key: bytes, limit: int, rows: Rows) -> Rows:
        """The first `limit` values above `key`, given at least `limit` rows of the table and one more for each value
        that the journal deletes, or all there are.
        """
        return merged(rows, {found: value for found, value in self.values.items() if found > key})[:limit]

    @property
    def deleted(self) -> int:
        return sum(value is None for value in self.values.values())


def write(connection: sqlite3.Connection, height: int, values: Mapping[bytes, bytes | None]) -> None:
    """Add what `height` changes, within the caller's transaction."""
    data = cbor2.dumps(list(chain.from_iterable(values.items())))
    connection.execute("INSERT INTO journal VALUES (?, ?)", (height, seal("journal", name(height), data)))


def content(data: bytes) -> dict[bytes, bytes | None]:
    """The changes that a row holds, its checksum taken off."""
    flat = cbor2.loads(data)
    return dict(zip(flat[::2], flat[1::2], strict=True))


def name(height: int) -> bytes:
    """A row as its checksum and messages name it."""
    return f"height {height}".encode()


def merged(rows: Iterable[tuple[bytes, bytes]], changes: Mapping[bytes, bytes | None]) -> Rows:
    """Rows with `changes` made to them, by their keys."""
    found: dict[bytes, bytes | None] = dict(rows)
    found.update(changes)
    return [(key, value) for key, value in sorted(found.items()) if value is not None]
