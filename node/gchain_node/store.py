"""The node's database: one SQLite file, one atomic write per height.

Tables: `value` (state, key to deterministic CBOR), `page` (nodes of the authenticated tree), `journal` (heights that
are not in those two yet, `journal.py`), `meta` (height, app hash, chain id, format), and those of the transparency log
(`tlog/tables.py`).

Contract:
    * `commit` MUST write values and meta of one height in one transaction, durable when it returns
      (WAL, `synchronous=EXTRA`: SQLite syncs the log before it reports success). Values go to the journal; with enough
      of them there, that transaction moves all into the tables, with the tree's pages.
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

from gchain_node import journal
from gchain_node.errors import CorruptStateError, StateError
from gchain_node.journal import Journal
from gchain_node.known_keys import KnownKeys
from gchain_node.recent import UNKNOWN, Recent
from gchain_node.rows import REMEDY, seal, unseal
from gchain_node.tlog import tables
from gchain_node.tlog.frontier import LogAppend
from gchain_node.tree import Page, Tree, pack, unpack

__all__ = ["FORMAT", "JOURNAL", "Batch", "Store"]

FORMAT = b"4"  # 2: with a transparency log; 3: rows carry checksums; 4: with a journal
_WITHOUT_JOURNAL = b"3"  # the same, but that a node of that format would not see the journal
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
JOURNAL = 16_384  # rows, values and pages together, that wait to be written at most: how long the move takes


@dataclass(frozen=True, slots=True)
class Batch:
    """What one height changes; `None` deletes."""

    height: int
    app_hash: bytes
    values: Mapping[bytes, bytes | None]
    pages: Mapping[bytes, Page | None]
    meta: Mapping[str, bytes] = field(default_factory=dict)
    log: LogAppend | None = None


class Store:
    """Open database. `path` None keeps everything in memory, for tests and for `verify` tools.

    Args:
        waiting: rows of the tables, values and pages of the tree, that may wait in the journal.

    Raises:
        StateError: the file is no database of this format, or another process has it.
        CorruptStateError: what the journal holds does not lead to the app hash.
    """

    def __init__(self, path: Path | None, *, waiting: int = JOURNAL) -> None:
        self.path = path
        self._bound = waiting
        self._journal = Journal()
        self._lock = threading.RLock()
        self._pages = Recent(_RECENT)
        self._values = Recent(_RECENT)
        self._known = KnownKeys(self._keys_after)
        self.log = tables.LogTables(self._all)
        try:
            self._connection = _connect(path)
        except sqlite3.Error as error:
            raise _explain(path, error) from error
        try:
            self._open()
        except BaseException as error:
            self._connection.close()
            if isinstance(error, sqlite3.Error):
                raise _explain(path, error) from error
            raise

    def _open(self) -> None:
        for pragma in _PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}")
        self._lock_file()
        self._connection.executescript(_SCHEMA + journal.SCHEMA + tables.SCHEMA)
        self._read_meta()
        self._read_journal()

    def _lock_file(self) -> None:
        # A second process on the same file would commit heights that this one never computed.
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("COMMIT")

    def _read_meta(self) -> None:
        found = self.meta("format")
        if found is None or found == _WITHOUT_JOURNAL:
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('format', ?)", (FORMAT,))
        elif found != FORMAT:
            raise StateError(
                f"{self.path}: the database has format {found!r}, this node reads {FORMAT!r}",
                remedy="run the node version that wrote it, or remove the directory and let the node catch up",
            )
        self.height = int.from_bytes(self.meta("height") or b"", "big")
        self.app_hash = self.meta("app_hash") or b""

    def _read_journal(self) -> None:
        values: dict[bytes, bytes | None] = {}
        for height, data in self._all("SELECT height, data FROM journal ORDER BY height"):
            values.update(journal.content(self._unseal("journal", journal.name(height), data)))
        if values:
            change = Tree(self.page).update(values)
            if change.root != self.app_hash:
                raise CorruptStateError(
                    f"{self.path}: table journal: with its changes the tree has {change.root.hex()}, "
                    f"the app hash is {self.app_hash.hex()}",
                    remedy=REMEDY,
                )
            self._journal.add(values, change.pages)
            self._remember(values, change.pages)

    def meta(self, name: str) -> bytes | None:
        return self._one("SELECT data FROM meta WHERE name = ?", name)

    def get(self, key: bytes) -> bytes | None:
        """The committed value of `key`, or None. The most recent ones stay in memory."""
        with self._lock:
            data: bytes | None = self._values.get(key)
            if data is UNKNOWN:
                if key in self._journal.values:
                    data = self._journal.values[key]
                elif self._known.may_hold(key):
                    data = self._sealed("value", key, "SELECT data FROM value WHERE key = ?")
                else:
                    return None
                self._values.put(key, data)
            return data

    def page(self, path: bytes) -> Page | None:
        """A page of the tree, shared: it MUST NOT be changed. The most recent ones stay in memory."""
        with self._lock:
            known = self._pages.get(path)
            page: Page | None = None if known is UNKNOWN else known
            if known is UNKNOWN:
                if path in self._journal.pages:
                    page = self._journal.pages[path]
                else:
                    data = self._sealed("page", path, "SELECT data FROM page WHERE path = ?")
                    page = None if data is None else unpack(data, path)
                self._pages.put(path, page)
            return page

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Committed keys that start with `prefix`, and their values, in the order of the keys."""
        query = "SELECT key, data FROM value WHERE key >= ? AND key < ?"
        with self._lock:
            rows = self._all(query, prefix, prefix + b"\xff")
            return self._journal.over(((key, self._unseal("value", key, data)) for key, data in rows), prefix)

    def rows_after(self, key: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """At most `limit` committed keys above `key`, and their values, in the order of the keys."""
        query = "SELECT key, data FROM value WHERE key > ? ORDER BY key LIMIT ?"
        with self._lock:
            rows = self._all(query, key, limit + self._journal.deleted)
            kept = [(found, self._unseal("value", found, data)) for found, data in rows]
            return self._journal.after(key, limit, kept)

    def _keys_after(self, key: bytes, limit: int) -> list[bytes]:
        return [row[0] for row in self._all("SELECT key FROM value WHERE key > ? ORDER BY key LIMIT ?", key, limit)]

    def pages(self) -> list[tuple[bytes, bytes]]:
        """Every page of the tree as it is stored, by its path."""
        with self._lock:
            rows = self._all("SELECT path, data FROM page")
            fresh = {path: None if page is None else pack(page) for path, page in self._journal.pages.items()}
            return journal.merged(((path, self._unseal("page", path, data)) for path, data in rows), fresh)

    def commit(self, batch: Batch) -> None:
        """Write one height, whole or not at all. Raises `StateError` (for example: the disk is full)."""
        with self._lock:
            rows = len(self._journal) + len(batch.values) + len(batch.pages)
            self._commit(batch, into_tables=rows > self._bound)

    def _commit(self, batch: Batch, *, into_tables: bool) -> None:
        """`commit` under the store's lock, into the tables or into the journal."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            if into_tables:
                self._empty_journal(batch)
            elif batch.values:
                journal.write(self._connection, batch.height, batch.values)
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
        if into_tables:
            self._journal.clear()
        else:
            self._journal.add(batch.values, batch.pages)
        self._remember(batch.values, batch.pages)

    def _remember(self, values: Mapping[bytes, bytes | None], pages: Mapping[bytes, Page | None]) -> None:
        self._known.learn(values)
        self._values.update(values)
        self._pages.update(pages)

    def _empty_journal(self, batch: Batch) -> None:
        """Write the journal and `batch` into the tables, within the caller's transaction."""
        self._write("value", "key", {**self._journal.values, **batch.values})
        pages = {**self._journal.pages, **batch.pages}
        self._write("page", "path", {path: None if page is None else pack(page) for path, page in pages.items()})
        self._connection.execute("DELETE FROM journal")

    def replace_all(self, batch: Batch) -> None:
        """Put `batch` in place of everything, atomically: how a snapshot takes effect."""
        with self._lock:
            values: dict[bytes, bytes | None] = dict.fromkeys(key for key, _ in self.scan(b""))
            pages: dict[bytes, Page | None] = dict.fromkeys(path for path, _ in self.pages())
            values.update(batch.values)
            pages.update(batch.pages)
            self._commit(Batch(batch.height, batch.app_hash, values, pages, batch.meta), into_tables=True)

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
        findings = [row[0].decode() for row in rows]
        if findings != ["ok"]:
            raise CorruptStateError(f"{self.path}: the database file is damaged: {'; '.join(findings)}")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _write(self, table: str, column: str, changes: Mapping[bytes, bytes | None]) -> None:
        rows = sorted(changes.items())  # neighbours in the file one after the other
        gone = [(key,) for key, data in rows if data is None]
        kept = [(key, seal(table, key, data)) for key, data in rows if data is not None]
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
            found: bytes = self._connection.execute("PRAGMA integrity_check(1)").fetchall()[0][0]
            return found.decode().replace("\n", " ")
        except sqlite3.Error as error:
            return str(error)


def _connect(path: Path | None) -> sqlite3.Connection:
    """Without waiting for another process to let go: that one runs for as long as a node does."""
    connection = sqlite3.connect(path or ":memory:", timeout=0, isolation_level=None, check_same_thread=False)
    connection.text_factory = bytes  # one bit of a row makes text of bytes: its checksum shall tell, not a codec
    return connection


def _explain(path: Path | None, error: sqlite3.Error, damage: Callable[[], str] = str) -> StateError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return CorruptStateError(
            f"{path}: the database is damaged ({damage() or error})",
            remedy=REMEDY,
        )
    if name.startswith("SQLITE_FULL"):
        return StateError(f"{path}: the disk is full; the height was not written", remedy="free space and start again")
    if name.startswith("SQLITE_BUSY"):
        return StateError(f"{path}: another process has the database open", remedy="stop the other node first")
    return StateError(f"{path}: {name or 'SQLite'}: {error}")
