"""The log's tables in the node's database, written with the block that they belong to.

`log_entry` holds every entry by its place, `log_tile` the hashes of tiles above level 0 (lower ones follow from the
entries), `log_block` the size of the log after each block that has transactions. Rows are only ever added.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from gchain_node.tlog.frontier import LogAppend

__all__ = ["SCHEMA", "LogTables", "fill", "write"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS log_entry (place INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS log_tile
    (level INTEGER, place INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log_block (height INTEGER PRIMARY KEY, size INTEGER NOT NULL);
"""
Query = Callable[..., list[Any]]


def write(connection: sqlite3.Connection, height: int, append: LogAppend) -> None:
    """Add what block `height` appends, within the caller's transaction."""
    connection.executemany("INSERT OR REPLACE INTO log_entry VALUES (?, ?)", enumerate(append.entries, append.first))
    connection.executemany("INSERT OR REPLACE INTO log_tile VALUES (?, ?, ?)", append.tiles)
    size = append.first + len(append.entries)
    connection.execute("INSERT OR REPLACE INTO log_block VALUES (?, ?)", (height, size))


def fill(connection: sqlite3.Connection, append: LogAppend, blocks: Iterable[tuple[int, int]]) -> None:
    """Add entries from before the first one kept, and `blocks` as (height, size after it), within the caller's
    transaction.
    """
    connection.executemany("INSERT OR IGNORE INTO log_entry VALUES (?, ?)", enumerate(append.entries, append.first))
    connection.executemany("INSERT OR IGNORE INTO log_tile VALUES (?, ?, ?)", append.tiles)
    connection.executemany(
        "INSERT INTO log_block VALUES (?, ?) ON CONFLICT DO UPDATE SET size = max(size, excluded.size)", blocks
    )


class LogTables:
    """Reads of the log's tables. `query` runs a statement under the store's lock."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def first(self) -> int | None:
        """The place of the first entry kept; None if there is none. Above 0 after a state sync, until it is filled."""
        found: int | None = self._query("SELECT MIN(place) FROM log_entry")[0][0]
        return found

    def size(self) -> int:
        """One more than the place of the last entry kept."""
        found = self._query("SELECT MAX(place) FROM log_entry")[0][0]
        return 0 if found is None else int(found) + 1

    def entries(self, start: int, end: int) -> list[bytes]:
        """The entries from `start` to before `end`, as many as are kept."""
        rows = self._query("SELECT data FROM log_entry WHERE place >= ? AND place < ? ORDER BY place", start, end)
        return [row[0] for row in rows]

    def tile_hashes(self, level: int, start: int, end: int) -> list[bytes]:
        """Hashes number `start` to before `end` of tile level `level` (1 or more), as many as are kept."""
        text = "SELECT hash FROM log_tile WHERE level = ? AND place >= ? AND place < ? ORDER BY place"
        return [row[0] for row in self._query(text, level, start, end)]

    def size_before(self, height: int) -> int:
        """How many entries the log has before the first of block `height`."""
        rows = self._query("SELECT size FROM log_block WHERE height < ? ORDER BY height DESC LIMIT 1", height)
        return int(rows[0][0]) if rows else 0

    def sizes(self) -> list[tuple[int, int]]:
        """Height, and size of the log after it, of every block that has transactions, in order."""
        return [(height, size) for height, size in self._query("SELECT height, size FROM log_block ORDER BY height")]
