"""The node's database: one SQLite file, one atomic write per height.

Tables: `value` (state, key to deterministic CBOR), `page` (nodes of the authenticated tree), `meta` (height, app hash,
chain id, format), and those of the transparency log (`tlog/tables.py`).

Contract:
    * `commit` MUST write values, pages and meta of one height in one transaction, durable when it returns
      (WAL, `synchronous=EXTRA`: SQLite syncs the log before it reports success).
    * A row that is damaged is never taken for another value: reading it raises `CorruptStateError` that names it.
    * A process killed at any point leaves the last committed height, whole.
    * Readers see the last committed height; `commit` MUST NOT run beside a reader of the same `Store` without the
      store's lock, which every method takes.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gchain_node.errors import CorruptStateError, StateError
from gchain_node.known_keys import KnownKeys
from gchain_node.recent import UNKNOWN, Recent
from gchain_node.rows import seal, unseal
from gchain_node.tlog import tables
from gchain_node.tlog.frontier import LogAppend

__all__ = ["FORMAT", "Batch", "Store"]

FORMAT = b"3"  # 2: with a transparency log; 3: rows carry checksums
_SCHEMA = """
CREATE TABLE IF NOT EXISTS value (key BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS page (path BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
"""
# EXTRA comes first: it makes durable that the journal of the change to WAL is gone, or it could come back and undo all.
# The log grows to 64 MiB before it is written back: what every block changes is then written back once in many blocks.
_PRAGMAS = (
    "synchronous=EXTRA", "journal_mode=WAL", "wal_autocheckpoint=16384", "cache_size=-32768", "temp_store=MEMORY",
    "cell_size_check=ON",
)  # fmt: skip
_RECENT = 16_384  # values, and pages of the tree, that stay in memory at least


@dataclass(frozen=True, slots=True)
class Batch:
    """What one height changes; `None` deletes."""

    height: int
    app_hash: bytes
    values: Mapping[bytes, bytes | None]
    pages: Mapping[bytes, bytes | None]
    meta: Mapping[str, bytes] = field(default_factory=dict)
    log: LogAppend | None = None


class Store:
    """Open database. `path` None keeps everything in memory, for tests and for `verify` tools."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._pages = Recent(_RECENT)
        self._values = Recent(_RECENT)
        self._known = KnownKeys(self._keys_after)
        self.log = tables.LogTables(self._all)
        try:
            self._connection = _connect(path)
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
            self._lock_file()
            self._connection.executescript(_SCHEMA + tables.SCHEMA)
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
            data = self._values.get(key)
            if data is UNKNOWN:
                if not self._known.may_hold(key):
                    return None
                data = self._sealed("value", key, "SELECT data FROM value WHERE key = ?")
                self._values.put(key, data)
            return data

    def page(self, path: bytes) -> bytes | None:
        """A node of the tree. The most recent ones stay in memory."""
        with self._lock:
            data = self._pages.get(path)
            if data is UNKNOWN:
                data = self._sealed("page", path, "SELECT data FROM page WHERE path = ?")
                self._pages.put(path, data)
            return data

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Committed keys that start with `prefix`, and their values, in the order of the keys."""
        query = "SELECT key, data FROM value WHERE key >= ? AND key < ? ORDER BY key"
        return [(key, self._unseal("value", key, data)) for key, data in self._all(query, prefix, prefix + b"\xff")]

    def rows_after(self, key: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """At most `limit` committed keys above `key`, and their values, in the order of the keys."""
        rows = self._all("SELECT key, data FROM value WHERE key > ? ORDER BY key LIMIT ?", key, limit)
        return [(found, self._unseal("value", found, data)) for found, data in rows]

    def _keys_after(self, key: bytes, limit: int) -> list[bytes]:
        return [row[0] for row in self._all("SELECT key FROM value WHERE key > ? ORDER BY key LIMIT ?", key, limit)]

    def pages(self) -> Iterable[tuple[bytes, bytes]]:
        rows = self._all("SELECT path, data FROM page ORDER BY path")
        return [(path, self._unseal("page", path, data)) for path, data in rows]

    def commit(self, batch: Batch) -> None:
        """Write one height, whole or not at all. Raises `StateError` (for example: the disk is full)."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._write("value", "key", batch.values)
                self._write("page", "path", batch.pages)
                meta = {"height": batch.height.to_bytes(8, "big"), "app_hash": batch.app_hash, **batch.meta}
                self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())
                if batch.log is not None:
                    tables.write(self._connection, batch.height, batch.log)
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise _explain(self.path, error) from error
            self.height, self.app_hash = batch.height, batch.app_hash
            self._known.learn(batch.values)
            self._values.update(batch.values)
            self._pages.update(batch.pages)

    def replace_all(self, batch: Batch) -> None:
        """Put `batch` in place of everything, atomically: how a snapshot takes effect."""
        with self._lock:
            values: dict[bytes, bytes | None] = dict.fromkeys(key for key, _ in self.scan(b""))
            pages: dict[bytes, bytes | None] = dict.fromkeys(path for path, _ in self.pages())
            values.update(batch.values)
            pages.update(batch.pages)
            self.commit(Batch(batch.height, batch.app_hash, values, pages, batch.meta))

    def fill_log(self, pieces: Iterable[tuple[LogAppend, Iterable[tuple[int, int]]]]) -> None:
        """Add what the log lacks from before a snapshot, all of it or nothing. Raises `StateError`."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                for append, blocks in pieces:
                    tables.fill(self._connection, append, blocks)
                self._connection.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise _explain(self.path, error) from error
                raise

    def check_file(self) -> None:
        """SQLite's own integrity check. Raises `CorruptStateError` with what it found."""
        rows = self._all("PRAGMA integrity_check(10)")
        findings = [str(row[0]) for row in rows]
        if findings != ["ok"]:
            raise CorruptStateError(f"{self.path}: the database file is damaged: {'; '.join(findings)}")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _write(self, table: str, column: str, changes: Mapping[bytes, bytes | None]) -> None:
        gone = [(key,) for key, data in changes.items() if data is None]
        kept = [(key, seal(table, key, data)) for key, data in changes.items() if data is not None]
        self._connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", gone)  # noqa: S608 -- two fixed names
        self._connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", kept)  # noqa: S608 -- the same

    def _sealed(self, table: str, key: bytes, query: str) -> bytes | None:
        data = self._one(query, key)
        return None if data is None else self._unseal(table, key, data)

    def _unseal(self, table: str, key: bytes, data: bytes) -> bytes:
        try:
            return unseal(table, key, data)
        except CorruptStateError as error:
            raise CorruptStateError(f"{self.path}: {error}", remedy=error.remedy) from None

    def _one(self, query: str, *arguments: str | bytes | int) -> bytes | None:
        rows = self._all(query, *arguments)
        return rows[0][0] if rows else None

    def _all(self, query: str, *arguments: str | bytes | int) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(query, arguments).fetchall()
            except sqlite3.Error as error:
                raise _explain(self.path, error, self._damage) from error

    def _damage(self) -> str:
        """What SQLite's own check finds first, which names the page and the tree it belongs to."""
        try:
            return str(self._connection.execute("PRAGMA integrity_check(1)").fetchall()[0][0]).replace("\n", " ")
        except sqlite3.Error as error:
            return str(error)


def _connect(path: Path | None) -> sqlite3.Connection:
    """Without waiting for another process to let go: that one runs for as long as a node does."""
    return sqlite3.connect(path or ":memory:", timeout=0, isolation_level=None, check_same_thread=False)


def _explain(path: Path | None, error: sqlite3.Error, damage: Callable[[], str] = str) -> StateError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return CorruptStateError(
            f"{path}: the database is damaged ({damage() or error})",
            remedy="restore a backup of the node's data, or remove the directory and let the node catch up",
        )
    if name.startswith("SQLITE_FULL"):
        return StateError(f"{path}: the disk is full; the height was not written", remedy="free space and start again")
    if name.startswith("SQLITE_BUSY"):
        return StateError(f"{path}: another process has the database open", remedy="stop the other node first")
    return StateError(f"{path}: {name or 'SQLite'}: {error}")
