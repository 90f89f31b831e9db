"""Signed transactions a second of the embedded engine: offered by threads, counted when their block is on disk.

Beside it, in the same run, a SQLite file that takes the same bytes in transactions of the same size: what the disk and
the database alone would allow.
"""

from __future__ import annotations

import itertools
import queue
import secrets
import sqlite3
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gchain_node import tx
from gchain_node.api.feed import BlockFeed
from gchain_node.api.view import LedgerView
from gchain_node.app import App
from gchain_node.config import DATABASE
from gchain_node.dev_service import open_ledger
from gchain_node.development import DevelopmentConsortium
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.engine.interface import CommittedBlock
from gchain_node.store import Store
from gchain_node.supervisor import collect_rarely

__all__ = ["EmbeddedResult", "measure"]

_IN_FLIGHT = 900
"""Transactions that wait for their block at a time: below the window of 1,024 numbers a signer."""


@dataclass(frozen=True)
class EmbeddedResult:
    """`rate` in transactions a second, latencies in seconds from the offer to the durable block."""

    transactions: int
    blocks: int
    rate: float
    latencies: list[float]
    sqlite_rate: float


def measure(count: int = 20_000, threads: int = 2) -> EmbeddedResult:
    """Sign `count` records beforehand, offer them from `threads` threads, wait until all are durable."""
    with tempfile.TemporaryDirectory() as scratch:
        return _measure(Path(scratch), count, threads)


class _Run:
    """Offers what is left, and notes when each was offered and when its block was durable."""

    def __init__(self) -> None:
        self.room = threading.Semaphore(_IN_FLIGHT)
        self.offered: dict[bytes, float] = {}
        self.latencies: list[float] = []
        self.blocks = 0
        self.sizes: list[int] = []

    def on_block(self, block: CommittedBlock) -> None:
        now = time.perf_counter()
        for committed in block.txs:
            if committed.result.code:
                raise RuntimeError(f"a record was refused: {committed.result.log}")
            self.latencies.append(now - self.offered[committed.hash])
            self.room.release()
        if block.txs:
            self.blocks += 1
            self.sizes.append(len(block.txs))

    def offer(self, engine: EmbeddedEngine, waiting: queue.SimpleQueue[bytes]) -> None:
        while True:
            try:
                raw = waiting.get_nowait()
            except queue.Empty:
                return
            self.room.acquire()
            self.offered[tx.tx_hash(raw)] = time.perf_counter()
            checked = engine.broadcast(raw)
            if not checked.ok:
                raise RuntimeError(f"a record was refused: {checked.log}")


def _measure(home: Path, count: int, threads: int) -> EmbeddedResult:
    collect_rarely()  # as `gchain-node dev` does
    consortium = DevelopmentConsortium.open(home)
    member, run = consortium.members[0], _Run()
    with closing(Store(home / DATABASE)) as store:
        app = App(store)
        engine = EmbeddedEngine(app, home / "blocks.db", consortium.genesis, [member.keys["validator"]])
        open_ledger(LedgerView(app, engine, BlockFeed(), chain_id="gchain-dev", member=member.name), engine, consortium)
        engine.listen(run.on_block)
        waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        sizes = 0
        for number in range(count):
            raw = _record(member.name, member.keys["member"], number + 1)
            sizes += len(raw)
            waiting.put(raw)
        engine.start()
        started = time.perf_counter()
        offering = [threading.Thread(target=run.offer, args=(engine, waiting)) for _ in range(threads)]
        for thread in offering:
            thread.start()
        for thread in offering:
            thread.join()
        deadline = time.perf_counter() + 30
        while len(run.latencies) < count:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{count - len(run.latencies)} of {count} transactions are in no block after 30 s")
            time.sleep(0.001)
        seconds = time.perf_counter() - started
        engine.close()
    rate = count / seconds
    return EmbeddedResult(count, run.blocks, rate, run.latencies, _sqlite_rate(home, run.sizes, sizes // count))


def _record(signer: str, key: tx.SigningKey, nonce: int) -> bytes:
    args = {"id": f"bench-{secrets.token_hex(8)}", "commitment": secrets.token_bytes(32)}
    return tx.sign(tx.Tx("gchain-dev", "records", "commit", args, signer, nonce, 1_000_000), key)


def _sqlite_rate(home: Path, sizes: list[int], size: int) -> float:
    connection = sqlite3.connect(home / "alone.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE row (number INTEGER PRIMARY KEY, data BLOB)")
    numbers = itertools.count()
    started = time.perf_counter()
    for rows in sizes:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO row VALUES (?, ?)", [(next(numbers), bytes(size)) for _ in range(rows)])
        connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    connection.close()
    return sum(sizes) / seconds
