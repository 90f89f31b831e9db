"""The latest committed blocks, in memory: who waits for a transaction or watches the ledger is told from here.

Blocks come in on the engine's thread, once each, after they are durable. Those who wait live on an event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from gchain_node.engine.interface import CommittedBlock, CommittedTx

__all__ = ["BlockFeed"]

_KEEP_BLOCKS: Final = 50
_KEEP_BYTES: Final = 4 * 1024 * 1024  # of transactions in the blocks kept


class BlockFeed:
    """Keeps the last blocks and the places of the last transactions, and wakes those who wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: deque[CommittedBlock] = deque()
        self._txs: dict[bytes, CommittedTx] = {}
        self._bytes = 0
        self._waiters: dict[bytes, list[tuple[asyncio.AbstractEventLoop, asyncio.Future[CommittedTx]]]] = {}
        self._subscribers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def publish(self, block: CommittedBlock) -> None:
        """Add a block that is durable. Called on the engine's thread; never blocks on those who wait."""
        with self._lock:
            self._keep(block)
            woken = [(loop, future, tx) for tx in block.txs for loop, future in self._waiters.pop(tx.hash, [])]
            subscribers = list(self._subscribers)
        for loop, future, tx in woken:
            _call(loop, _resolve, future, tx)
        for loop, event in subscribers:
            _call(loop, event.set)

    def backfill(self, block: CommittedBlock) -> bool:
        """Add a block older than all that are kept; nobody is told. False for one that has no room, or is not older:
        it is left out.
        """
        with self._lock:
            oldest = self._blocks[0].height if self._blocks else block.height + 1
            has_room = len(self._blocks) < _KEEP_BLOCKS and self._bytes + block.size <= _KEEP_BYTES
            if block.height >= oldest or not has_room:
                return False
            self._blocks.appendleft(block)
            self._bytes += block.size
            self._txs.update((tx.hash, tx) for tx in block.txs)
            return True

    def _keep(self, block: CommittedBlock) -> None:
        self._blocks.append(block)
        self._bytes += block.size
        self._txs.update((tx.hash, tx) for tx in block.txs)
        while len(self._blocks) > 1 and (len(self._blocks) > _KEEP_BLOCKS or self._bytes > _KEEP_BYTES):
            oldest = self._blocks.popleft()
            self._bytes -= oldest.size
            for tx in oldest.txs:
                self._txs.pop(tx.hash, None)

    def blocks(self) -> list[CommittedBlock]:
        """The blocks kept, newest first."""
        with self._lock:
            return list(reversed(self._blocks))

    def block(self, height: int) -> CommittedBlock | None:
        with self._lock:
            return next((block for block in self._blocks if block.height == height), None)

    def transaction(self, hash_: bytes) -> CommittedTx | None:
        with self._lock:
            return self._txs.get(hash_)

    async def wait_for(self, hash_: bytes, timeout: float) -> CommittedTx | None:
        """The transaction once a block has it; None after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[CommittedTx] = loop.create_future()
        entry = (loop, future)
        with self._lock:
            if hash_ in self._txs:
                return self._txs[hash_]
            self._waiters.setdefault(hash_, []).append(entry)
        try:
            return await asyncio.wait_for(future, timeout)
        except TimeoutError:
            return None
        finally:
            self._forget(hash_, entry)

    def _forget(self, hash_: bytes, entry: tuple[asyncio.AbstractEventLoop, asyncio.Future[CommittedTx]]) -> None:
        with self._lock:
            waiting = self._waiters.get(hash_, [])
            if entry in waiting:
                waiting.remove(entry)
            if not waiting:
                self._waiters.pop(hash_, None)

    @contextlib.asynccontextmanager
    async def subscribe(self) -> AsyncIterator[asyncio.Event]:
        """An event that is set after each block; who waits on it clears it."""
        entry = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._subscribers.add(entry)
        try:
            yield entry[1]
        finally:
            with self._lock:
                self._subscribers.discard(entry)


def _resolve(future: asyncio.Future[CommittedTx], tx: CommittedTx) -> None:
    if not future.done():
        future.set_result(tx)


def _call(loop: asyncio.AbstractEventLoop, callback: object, *arguments: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop of one who waited is closed: nobody is left to tell
        loop.call_soon_threadsafe(callback, *arguments)  # type: ignore[arg-type]
