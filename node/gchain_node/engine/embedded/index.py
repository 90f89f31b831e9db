"""Where a transaction is among the embedded engine's blocks: height and place, by its hash.

The table follows the blocks in steps of `STEP`: hashes are spread evenly, so that entering those of each block would
change a page for nearly every transaction, ten times the bytes of the block itself. What is not in the table yet is in
memory, and is read from the blocks again at the next start. The database's `user_version` is the height up to which
the table is complete; it changes in the same SQLite transaction as the table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

import cbor2

from gchain_node.tx import tx_hash

__all__ = ["SCHEMA", "STEP", "TransactionIndex"]

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS tx (hash BLOB PRIMARY KEY, height INTEGER NOT NULL, idx INTEGER NOT NULL) WITHOUT ROWID;
"""
STEP: Final = 4096  # transactions
_READ_AT_ONCE: Final = 16  # blocks


class TransactionIndex:
    """Over the connection of a `BlockStore`, which holds its lock around every call."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._later: dict[bytes, tuple[int, int]] = {}
        (height,) = connection.execute("PRAGMA user_version").fetchone()
        query = f"SELECT height, txs FROM block WHERE height > ? ORDER BY height LIMIT {_READ_AT_ONCE}"  # noqa: S608 -- a number of ours
        while rows := connection.execute(query, (height,)).fetchall():
            for height, txs in rows:
                self.add(height, cbor2.loads(txs))
            if self.is_due:
                connection.execute("BEGIN IMMEDIATE")
                self.write(height)
                connection.execute("COMMIT")
                self.written()

    def locate(self, name: bytes) -> tuple[int, int] | None:
        """Height and place of a transaction; of its first place, should blocks have it more than once."""
        rows = self._connection.execute("SELECT height, idx FROM tx WHERE hash = ?", (name,)).fetchall()
        return (rows[0][0], rows[0][1]) if rows else self._later.get(name)

    def add(self, height: int, txs: Iterable[bytes]) -> None:
        """Learn of a block that is durable."""
        for number, raw in enumerate(txs):
            self._later.setdefault(tx_hash(raw), (height, number))

    @property
    def is_due(self) -> bool:
        """Whether the next block's transaction should enter what is in memory into the table."""
        return len(self._later) >= STEP

    def write(self, height: int) -> None:
        """Enter it, in the SQLite transaction at hand. `height`: of the last block that was added."""
        rows = [(name, *place) for name, place in sorted(self._later.items())]
        self._connection.executemany("INSERT OR IGNORE INTO tx VALUES (?, ?, ?)", rows)
        self._connection.execute(f"PRAGMA user_version={height:d}")

    def written(self) -> None:
        """What `write` entered is durable."""
        self._later.clear()
