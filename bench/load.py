"""An open-loop load on CometBFT RPCs: transactions offered at a fixed rate, counted when a block holds them.

`broadcast_tx_sync` answering 0 does not mean queued, so only what the blocks hold counts as committed, and what is in
flight is bounded: past the knee an unbounded load measures the collapse and not the ledger. Requests are written by
hand on kept-alive connections, because the load shares the machine's cores with what it measures.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

__all__ = ["LoadResult", "run_load"]

_PATIENCE = 15.0  # seconds for the last blocks


@dataclass
class LoadResult:
    """What one run gave: rates in transactions a second, latencies in seconds from before the POST to the block."""

    offered_rate: float
    seconds: float
    sent: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def committed_rate(self) -> float:
        """Transactions that blocks held, over the time from the first offer to the last block that held one."""
        return len(self.latencies) / self.seconds

    def quantile(self, percent: int) -> float:
        """The latency in seconds under which `percent` of the committed transactions stayed; nan when none were."""
        if len(self.latencies) < 2:
            return float("nan")
        return quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


class _Connection:
    """One kept-alive HTTP connection to a JSON-RPC, one request at a time."""

    def __init__(self, rpc: str) -> None:
        self._host, _, port = rpc.removeprefix("http://").partition(":")
        self._port = int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, method: str, params: str) -> dict[str, Any]:
        """The answer's `result`, empty if there is none. Raises `OSError`, `ValueError`."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=1 << 24)
        reader, writer = self._streams
        body = f'{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}'.encode()
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            answer = await _body(reader, head)
        except (OSError, ValueError, asyncio.IncompleteReadError):
            self.close()
            raise OSError("the engine closed the connection") from None
        found = json.loads(answer).get("result")
        return found if isinstance(found, dict) else {}

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return await reader.readexactly(int(value))
    parts = []  # chunked
    while size := int(await reader.readline(), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return b"".join(parts)


class _Chain:
    """Follows the blocks of one node and tells which transactions they hold."""

    def __init__(self, rpc: str) -> None:
        self._connection = _Connection(rpc)
        self._height = 0

    async def start(self) -> None:
        self._height = await self._latest()

    async def _latest(self) -> int:
        status = await self._connection.call("status", "{}")
        return int(status["sync_info"]["latest_block_height"])

    async def new_transactions(self) -> list[bytes]:
        found: list[bytes] = []
        latest = await self._latest()
        while self._height < latest:
            self._height += 1
            answer = await self._connection.call("block", f'{{"height":"{self._height}"}}')
            found += [base64.b64decode(tx) for tx in answer["block"]["data"]["txs"] or []]
        return found

    def close(self) -> None:
        self._connection.close()


class _Run:
    def __init__(self, rpcs: list[str], transactions: Iterator[bytes], rate: float, seconds: float, bound: int) -> None:
        self._rpcs = rpcs
        self._transactions = transactions
        self._bound = bound
        self._sent_at: dict[bytes, float] = {}
        self._started = 0.0
        self._last_block = 0.0
        self._offering = True
        self.result = LoadResult(rate, seconds)

    def _take(self) -> tuple[float, bytes] | None:
        """When the next transaction is due, and what it is; None when all were offered or the time is over."""
        due = self._started + self.result.sent / self.result.offered_rate
        end = self._started + self.result.seconds
        if due >= end or time.monotonic() >= end:
            return None
        raw = next(self._transactions, None)
        self.result.sent += raw is not None
        return None if raw is None else (due, raw)

    async def _worker(self, number: int) -> None:
        connection = _Connection(self._rpcs[number % len(self._rpcs)])
        while (taken := self._take()) is not None:
            due, raw = taken
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self._send(connection, raw)
        connection.close()

    async def _send(self, connection: _Connection, raw: bytes) -> None:
        digest = hashlib.sha256(raw).digest()
        self._sent_at[digest] = time.monotonic()
        try:
            answer = await connection.call("broadcast_tx_sync", f'{{"tx":"{base64.b64encode(raw).decode()}"}}')
            accepted = answer.get("code") == 0
        except OSError:
            accepted = False
        if not accepted:
            self.result.refused += 1
            self._sent_at.pop(digest, None)

    async def _watch(self, chain: _Chain) -> None:
        deadline = float("inf")
        while True:
            for raw in await chain.new_transactions():
                sent = self._sent_at.pop(hashlib.sha256(raw).digest(), None)
                if sent is not None:
                    self._last_block = time.monotonic()
                    self.result.latencies.append(self._last_block - sent)
            if not self._offering:
                deadline = min(deadline, time.monotonic() + _PATIENCE)
                if not self._sent_at or time.monotonic() > deadline:
                    return
            await asyncio.sleep(0.05)

    async def go(self) -> LoadResult:
        chain = _Chain(self._rpcs[0])
        await chain.start()
        self._started = time.monotonic()
        watcher = asyncio.create_task(self._watch(chain))
        await asyncio.gather(*(self._worker(number) for number in range(self._bound)))
        self._offering = False
        await watcher
        chain.close()
        self.result.seconds = max(self.result.seconds, self._last_block - self._started)
        return self.result


def run_load(
    rpcs: list[str], transactions: Iterator[bytes], *, rate: float, seconds: float, in_flight: int = 128
) -> LoadResult:
    """Offer `rate` transactions a second for `seconds` to the nodes in turn and wait up to 15 s for the last blocks.

    Args:
        rpcs: base addresses of CometBFT RPCs on this machine's loopback.
        transactions: an iterator of distinct raw transactions, long enough for the run.
        in_flight: how many requests may be unanswered at once.
    """
    return asyncio.run(_Run(rpcs, transactions, rate, seconds, in_flight).go())
