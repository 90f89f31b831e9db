"""The node's database: one SQLite file, one atomic write per height.

Tables: `value` (state, key to deterministic CBOR), `page` (nodes of the authenticated tree), `meta` (height, app hash,
chain id, format).

Contract:
    * `commit` MUST write values, pages and meta of one height in one transaction, durable when it returns
      (WAL, `synchronous=FULL`: SQLite syncs the log before it reports success).
    * A process killed at any point leaves the last committed height, whole.
    * Readers see the last committed height; `commit` MUST NOT run beside a reader of the same `Store` without the
      store's lock, which every method takes.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gchain_node.errors import CorruptStateError, StateError

__all__ = ["FORMAT", "Batch", "Store"]

FORMAT = b"1"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS value (key BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS page (path BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
"""
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "cache_size=-32768", "temp_store=MEMORY")
_CACHED = 16_384  # values, and pages of the tree, in memory


@dataclass(frozen=True, slots=True)
class Batch:
    """What one height changes; `None` deletes."""

    height: int
    app_hash: bytes
    values: Mapping[bytes, bytes | None]
    pages: Mapping[bytes, bytes | None]
    meta: Mapping[str, bytes] = field(default_factory=dict)


class Store:
    """Open database. `path` None keeps everything in memory, for tests and for `verify` tools."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._pages: dict[bytes, bytes | None] = {}
        self._values: dict[bytes, bytes | None] = {}
        try:
            self._connection = _connect(path)
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
            self._lock_file()
            self._connection.executescript(_SCHEMA)
            self._read_meta()
        except sqlite3.Error as error:
            raise _explain(path, error) from error

    def _lock_file(self) -> None:
        # A second process on the same file would commit heights that this one never computed.
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("COMMIT")

    def _read_meta(self) -> None:
        found = self.meta("format")
        if found is None:
            self._connection.execute("INSERT INTO meta VALUES ('format', ?)", (FORMAT,))
        elif found != FORMAT:
            raise StateError(
                f"{self.path}: the database has format {found!r}, this node reads {FORMAT!r}",
                remedy="run the node version that wrote it, or remove the directory and let the node catch up",
            )
        self.height = int.from_bytes(self.meta("height") or b"", "big")
        self.app_hash = self.meta("app_hash") or b""

    def meta(self, name: str) -> bytes | None:
        return self._one("SELECT data FROM meta WHERE name = ?", name)

    def get(self, key: bytes) -> bytes | None:
        """The committed value of `key`, or None. The most recent ones stay in memory."""
        with self._lock:
            if key in self._values:
                return self._values[key]
            data = self._one("SELECT data FROM value WHERE key = ?", key)
            _remember(self._values, {key: data})
            return data

    def page(self, path: bytes) -> bytes | None:
        """A node of the tree. The most recent ones stay in memory."""
        with self._lock:
            if path in self._pages:
                return self._pages[path]
            data = self._one("SELECT data FROM page WHERE path = ?", path)
            _remember(self._pages, {path: data})
            return data

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Committed keys that start with `prefix`, and their values, in the order of the keys."""
        return self._all(
            "SELECT key, data FROM value WHERE key >= ? AND key < ? ORDER BY key", prefix, prefix + b"\xff"
        )

    def rows_after(self, key: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """At most `limit` committed keys above `key`, and their values, in the order of the keys."""
        return self._all("SELECT key, data FROM value WHERE key > ? ORDER BY key LIMIT ?", key, limit)

    def pages(self) -> Iterable[tuple[bytes, bytes]]:
        return self._all("SELECT path, data FROM page ORDER BY path")

    def commit(self, batch: Batch) -> None:
        """Write one height, whole or not at all. Raises `StateError` (for example: the disk is full)."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._write("value", "key", batch.values)
                self._write("page", "path", batch.pages)
                meta = {"height": batch.height.to_bytes(8, "big"), "app_hash": batch.app_hash, **batch.meta}
                self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise _explain(self.path, error) from error
            self.height, self.app_hash = batch.height, batch.app_hash
            _remember(self._values, batch.values)
            _remember(self._pages, batch.pages)

    def replace_all(self, batch: Batch) -> None:
        """Put `batch` in place of everything, atomically: how a snapshot takes effect."""
        with self._lock:
            values: dict[bytes, bytes | None] = dict.fromkeys(key for key, _ in self.scan(b""))
            pages: dict[bytes, bytes | None] = dict.fromkeys(path for path, _ in self.pages())
            values.update(batch.values)
            pages.update(batch.pages)
            self.commit(Batch(batch.height, batch.app_hash, values, pages, batch.meta))

    def check_file(self) -> None:
        """SQLite's own integrity check. Raises `CorruptStateError` with what it found."""
        try:
            rows = self._all("PRAGMA integrity_check(10)")
        except StateError as error:
            raise CorruptStateError(str(error)) from error
        findings = [str(row[0]) for row in rows]
        if findings != ["ok"]:
            raise CorruptStateError(f"{self.path}: the database file is damaged: {'; '.join(findings)}")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _write(self, table: str, column: str, changes: Mapping[bytes, bytes | None]) -> None:
        gone = [(key,) for key, data in changes.items() if data is None]
        kept = [(key, data) for key, data in changes.items() if data is not None]
        self._connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", gone)  # noqa: S608 -- two fixed names
        self._connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", kept)  # noqa: S608 -- the same

    def _one(self, query: str, *arguments: str | bytes | int) -> bytes | None:
        rows = self._all(query, *arguments)
        return rows[0][0] if rows else None

    def _all(self, query: str, *arguments: str | bytes | int) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(query, arguments).fetchall()
            except sqlite3.Error as error:
                raise _explain(self.path, error) from error


def _remember(cache: dict[bytes, bytes | None], fresh: Mapping[bytes, bytes | None]) -> None:
    """Keep `fresh` too, within bounds. What is kept is never stale: every change of a key passes here."""
    if len(cache) + len(fresh) > _CACHED:
        cache.clear()
    if len(fresh) <= _CACHED:
        cache.update(fresh)


def _connect(path: Path | None) -> sqlite3.Connection:
    """Without waiting for another process to let go: that one runs for as long as a node does."""
    return sqlite3.connect(path or ":memory:", timeout=0, isolation_level=None, check_same_thread=False)


def _explain(path: Path | None, error: sqlite3.Error) -> StateError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return CorruptStateError(
            f"{path}: the database is damaged ({error})",
            remedy="restore a backup of the node's data, or remove the directory and let the node catch up",
        )
    if name.startswith("SQLITE_FULL"):
        return StateError(f"{path}: the disk is full; the height was not written", remedy="free space and start again")
    if name.startswith("SQLITE_BUSY"):
        return StateError(f"{path}: another process has the database open", remedy="stop the other node first")
    return StateError(f"{path}: {name or 'SQLite'}: {error}")
