"""The node's own archive: of each block what receipts need, kept when the engine has pruned the block.

One SQLite file beside the state. A row of `block` is the compressed CBOR of header, commit, transactions, results and
app hash; `tx` finds a transaction by its hash; `validators` holds each set from the height at which it begins. What is
put has been checked against its own headers, so that `verify_archive` and every receipt find it whole.
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cbor2

from gchain_node.errors import CorruptStateError, StateError
from gchain_node.messages import TxResult
from gchain_node.proof.block import Commit, Header, ValidatorSet, data_hash, result_bytes, results_hash
from gchain_node.proof.rpc_json import (
    commit_from_json,
    commit_to_json,
    header_from_json,
    header_to_json,
    validators_from_json,
    validators_to_json,
)
from gchain_node.rows import seal, unseal
from gchain_node.tx import tx_hash

__all__ = ["Archive", "ArchivedBlock", "KeptBlocks", "verify_archive", "verify_kept"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS block (height INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS tx (hash BLOB PRIMARY KEY, height INTEGER NOT NULL, idx INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS validators (height INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""
_PRAGMAS = ("synchronous=EXTRA", "journal_mode=WAL", "locking_mode=EXCLUSIVE", "cache_size=-4096")


@dataclass(frozen=True, slots=True)
class ArchivedBlock:
    """`commit` is one for this block; `app_hash` is that of the state after it."""

    header: Header
    commit: Commit
    txs: tuple[bytes, ...]
    results: tuple[TxResult, ...]
    app_hash: bytes

    def check(self, following: Header) -> None:
        """Raises `CorruptStateError` unless block, results and app hash are those that the two headers name."""
        rows = [result_bytes(r.code, r.data, r.gas_wanted, r.gas_used) for r in self.results]
        agreed = (
            ("commit", self.commit.block_id.hash, self.header.hash()),
            ("next header", following.last_block_id.hash, self.header.hash()),
            ("transactions", data_hash(self.txs), self.header.data_hash),
            ("results", results_hash(rows), following.last_results_hash),
            ("app hash", self.app_hash, following.app_hash),
        )
        for what, found, expected in agreed:
            if found != expected:
                raise CorruptStateError(
                    f"table block, row {self.header.height}: its {what} hashes to {found.hex()}, "
                    f"{expected.hex()} expected"
                )


class KeptBlocks(Protocol):
    """Blocks from `first` to `last` (0 and 0 without any), with their validators and an index of transactions."""

    path: Path
    first: int
    last: int

    def block(self, height: int) -> ArchivedBlock | None:
        """None for a height that is not there. Raises `CorruptStateError`."""
        ...

    def validators(self, height: int) -> ValidatorSet | None: ...

    def locate(self, hash_: bytes) -> tuple[int, int] | None:
        """Height and index of a transaction."""
        ...

    def blocks(self) -> Iterator[ArchivedBlock]:
        """All of them in order. Raises `CorruptStateError` for a damaged or missing one."""
        for height in range(self.first, self.last + 1 if self.last else 0):
            block = self.block(height)
            if block is None:
                raise CorruptStateError(f"{self.path}: table block, row {height}: missing")
            yield block


class Archive(KeptBlocks):
    """Blocks from `first` to `last` without a gap. Safe across threads; one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise StateError(f"{path}: the archive cannot be opened: {error}") from error
        self.first, self.last = (int(end or 0) for end in self._all("SELECT min(height), max(height) FROM block")[0])

    def put(self, block: ArchivedBlock, validators: ValidatorSet | None) -> None:
        """Add the next block, durable when this returns; `validators` is its set where it differs from the one before.

        Raises:
            StateError: it is not the next one, or cannot be written.
        """
        height = block.header.height
        if self.last and height != self.last + 1:
            raise StateError(f"{self.path}: block {height} cannot follow block {self.last}")
        index = [(tx_hash(raw), height, number) for number, raw in enumerate(block.txs)]
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._put("block", height, zlib.compress(cbor2.dumps(_document(block)), 6))
                self._connection.executemany("INSERT OR IGNORE INTO tx VALUES (?, ?, ?)", index)
                if validators is not None:
                    self._put("validators", height, cbor2.dumps(validators_to_json(validators)))
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise StateError(f"{self.path}: block {height} was not archived: {error}") from error
            self.first, self.last = self.first or height, height

    def block(self, height: int) -> ArchivedBlock | None:
        """None for a height that is not archived. Raises `CorruptStateError`."""
        data = self._sealed("SELECT height, data FROM block WHERE height = ?", "block", height)
        return None if data is None else _block(cbor2.loads(zlib.decompress(data)))

    def locate(self, hash_: bytes) -> tuple[int, int] | None:
        """Height and index of a transaction."""
        rows = self._all("SELECT height, idx FROM tx WHERE hash = ?", hash_)
        return (rows[0][0], rows[0][1]) if rows else None

    def validators(self, height: int) -> ValidatorSet | None:
        """The set that signs block `height`; None outside the archive."""
        if not self.first <= height <= self.last:
            return None
        query = "SELECT height, data FROM validators WHERE height <= ? ORDER BY height DESC LIMIT 1"
        data = self._sealed(query, "validators", height)
        return None if data is None else validators_from_json(cbor2.loads(data))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _put(self, table: str, height: int, data: bytes) -> None:
        row = (height, seal(table, str(height).encode(), data))
        self._connection.execute(f"INSERT INTO {table} VALUES (?, ?)", row)  # noqa: S608 -- two fixed names

    def _sealed(self, query: str, table: str, height: int) -> bytes | None:
        rows = self._all(query, height)
        try:
            return unseal(table, str(rows[0][0]).encode(), rows[0][1]) if rows else None
        except CorruptStateError as error:
            raise CorruptStateError(f"{self.path}: {error}", remedy=error.remedy) from None

    def _all(self, query: str, *arguments: Any) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(query, arguments).fetchall()
            except sqlite3.Error as error:
                raise StateError(f"{self.path}: {error}") from error


def verify_archive(archive: Archive) -> int:
    """`verify_kept` of an archive, whose rows have checksums too."""
    return verify_kept(archive)


def verify_kept(kept: KeptBlocks) -> int:
    """Check every block against its neighbours' headers, its validators, and the index; how many there are.

    Raises:
        CorruptStateError: names the table, the row, what was found and what was expected.
    """
    count, before = 0, None
    for block in kept.blocks():
        if before is not None:
            before.check(block.header)
        _check_places(kept, block)
        before, count = block, count + 1
    return count


def _check_places(archive: KeptBlocks, block: ArchivedBlock) -> None:
    height = block.header.height
    validators = archive.validators(height)
    if validators is None or validators.hash() != block.header.validators_hash:
        raise CorruptStateError(f"{archive.path}: table validators: the set of block {height} is not its header's")
    for number, raw in enumerate(block.txs):
        _check_place(archive, raw, height, number)


def _check_place(archive: KeptBlocks, raw: bytes, height: int, number: int) -> None:
    """A transaction that more than one block has is found in the first of them."""
    row, found = f"{archive.path}: table tx, row {tx_hash(raw).hex()}", archive.locate(tx_hash(raw))
    if found is None:
        raise CorruptStateError(f"{row}: missing, though block {height} has it")
    if found == (height, number):
        return
    earlier = archive.block(found[0]) if found < (height, number) else None
    if earlier is None or earlier.txs[found[1] : found[1] + 1] != (raw,):
        raise CorruptStateError(f"{row}: it says block {found[0]}, place {found[1]}; it is block {height}, {number}")


def _document(block: ArchivedBlock) -> dict[str, Any]:
    results: Sequence[Any] = [(r.code, r.data, r.log, r.gas_wanted, r.gas_used) for r in block.results]
    return {
        "header": header_to_json(block.header),
        "commit": commit_to_json(block.commit),
        "txs": list(block.txs),
        "results": results,
        "app_hash": block.app_hash,
    }


def _block(document: dict[str, Any]) -> ArchivedBlock:
    return ArchivedBlock(
        header_from_json(document["header"]),
        commit_from_json(document["commit"]),
        tuple(document["txs"]),
        tuple(TxResult(*row) for row in document["results"]),
        document["app_hash"],
    )
