"""The embedded engine's blocks on disk: one SQLite file, one atomic write per block."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2

from gchain_node.engine.embedded.index import SCHEMA, TransactionIndex
from gchain_node.errors import StateError
from gchain_node.messages import TxResult
from gchain_node.proof.block import Commit, Header, ValidatorSet
from gchain_node.proof.rpc_json import (
    commit_from_json,
    commit_to_json,
    header_from_json,
    header_to_json,
    validators_from_json,
    validators_to_json,
)

__all__ = ["BlockStore", "StoredBlock"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS block (height INTEGER PRIMARY KEY, header TEXT NOT NULL, seen TEXT NOT NULL,
    last TEXT NOT NULL, txs BLOB NOT NULL, results BLOB NOT NULL, app_hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS validators (height INTEGER PRIMARY KEY, data TEXT NOT NULL);
"""
# The log stays at SQLite's default of 4 MiB: a sync costs about twice as much while the log's file grows as where it
# overwrites what was there, and blocks alone have no pages in common that a larger log would write back less often.
_PRAGMAS = ("synchronous=EXTRA", "journal_mode=WAL", "cache_size=-16384", "locking_mode=EXCLUSIVE")


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """`seen` is the commit for this block, `last_commit` the one in it, for the block before."""

    header: Header
    seen: Commit
    last_commit: Commit
    txs: tuple[bytes, ...]
    results: tuple[TxResult, ...]
    app_hash: bytes


class BlockStore:
    """Blocks with their commits and results, an index of transactions, and validator sets where they change."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path or ":memory:", timeout=0, isolation_level=None, check_same_thread=False
            )
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.executescript(_SCHEMA + SCHEMA)
            self._index = TransactionIndex(self._connection)
        except sqlite3.Error as error:
            raise StateError(f"{path}: the block store cannot be opened: {error}") from error

    @property
    def height(self) -> int:
        rows = self._all("SELECT max(height) FROM block")
        return int(rows[0][0] or 0)

    @property
    def first_height(self) -> int:
        """Of the earliest block that is there; 0 without any."""
        rows = self._all("SELECT min(height) FROM block")
        return int(rows[0][0] or 0)

    def save(self, block: StoredBlock, next_validators: ValidatorSet | None) -> None:
        """Write a block, durable when this returns. `next_validators`: the set from height + 2, if it changes there."""
        height = block.header.height
        results = [result[:5] for result in block.results]  # all but the events, which no one asks for again
        row = (
            height,
            json.dumps(header_to_json(block.header)),
            json.dumps(commit_to_json(block.seen)),
            json.dumps(commit_to_json(block.last_commit)),
            cbor2.dumps(list(block.txs)),
            cbor2.dumps(results),
            block.app_hash,
        )
        with self._lock:
            indexing = self._index.is_due
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.execute("INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?)", row)
                if indexing:
                    self._index.write(height - 1)
                if next_validators is not None:
                    self._put_validators(height + 2, next_validators)
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise StateError(f"{self._path}: block {height} was not written: {error}") from error
            if indexing:
                self._index.written()
            self._index.add(height, block.txs)

    def start(self, initial_height: int, validators: ValidatorSet) -> None:
        with self._lock:
            self._put_validators(initial_height, validators)

    def _put_validators(self, height: int, validators: ValidatorSet) -> None:
        data = json.dumps(validators_to_json(validators))
        self._connection.execute("INSERT OR REPLACE INTO validators VALUES (?, ?)", (height, data))

    def block(self, height: int) -> StoredBlock | None:
        rows = self._all("SELECT header, seen, last, txs, results, app_hash FROM block WHERE height = ?", height)
        if not rows:
            return None
        header, seen, last, txs, results, app_hash = rows[0]
        return StoredBlock(
            header_from_json(json.loads(header)),
            commit_from_json(json.loads(seen)),
            commit_from_json(json.loads(last)),
            tuple(cbor2.loads(txs)),
            tuple(TxResult(*row) for row in cbor2.loads(results)),
            app_hash,
        )

    def locate(self, name: bytes) -> tuple[int, int] | None:
        """Height and index of a transaction."""
        with self._lock:
            try:
                return self._index.locate(name)
            except sqlite3.Error as error:
                raise StateError(f"{self._path}: {error}") from error

    def validators(self, height: int) -> ValidatorSet:
        """The set of a height. Raises `StateError` below the first."""
        rows = self._all("SELECT data FROM validators WHERE height <= ? ORDER BY height DESC LIMIT 1", height)
        if not rows:
            raise StateError(f"{self._path}: no validators are known for height {height}")
        return validators_from_json(json.loads(rows[0][0]))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _all(self, query: str, *arguments: Any) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(query, arguments).fetchall()
            except sqlite3.Error as error:
                raise StateError(f"{self._path}: {error}") from error
