"""An open-loop load on a CometBFT RPC: transactions offered at a fixed rate, counted when a block holds them.

`broadcast_tx_sync` answering 0 does not mean queued, so only what the blocks hold counts as committed, and what is in
flight is bounded: past the knee an unbounded load measures the collapse and not the ledger.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import quantiles

import httpx

__all__ = ["LoadResult", "run_load"]


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
        return len(self.latencies) / self.seconds

    def quantile(self, percent: int) -> float:
        """The latency in seconds under which `percent` of the committed transactions stayed; nan when none were."""
        if len(self.latencies) < 2:
            return float("nan")
        return quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


class _Chain:
    """Follows the blocks of one node and tells which transactions they hold."""

    def __init__(self, client: httpx.AsyncClient, rpc: str) -> None:
        self._client = client
        self._rpc = rpc
        self._height = 0

    async def start(self) -> None:
        self._height = await self._latest()

    async def _latest(self) -> int:
        reply = await self._client.get(f"{self._rpc}/status")
        return int(reply.json()["result"]["sync_info"]["latest_block_height"])

    async def new_transactions(self) -> list[bytes]:
        found: list[bytes] = []
        latest = await self._latest()
        while self._height < latest:
            self._height += 1
            reply = await self._client.get(f"{self._rpc}/block", params={"height": self._height})
            found += [base64.b64decode(tx) for tx in reply.json()["result"]["block"]["data"]["txs"] or []]
        return found


class _Run:
    def __init__(self, rpcs: list[str], transactions: Iterator[bytes], rate: float, seconds: float, bound: int) -> None:
        self._rpcs = itertools.cycle(rpcs)
        self._first = rpcs[0]
        self._transactions = transactions
        self._bound = asyncio.Semaphore(bound)
        self._sent_at: dict[bytes, float] = {}
        self._done = asyncio.Event()
        self.result = LoadResult(rate, seconds)

    async def _send(self, client: httpx.AsyncClient, raw: bytes) -> None:
        digest = hashlib.sha256(raw).digest()
        self._sent_at[digest] = time.monotonic()
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "broadcast_tx_sync",
            "params": {"tx": base64.b64encode(raw).decode()},
        }
        try:
            reply = (await client.post(next(self._rpcs), json=body)).json()
            accepted = reply.get("result", {}).get("code") == 0
        except (httpx.HTTPError, ValueError):
            accepted = False
        finally:
            self._bound.release()
        if not accepted:
            self.result.refused += 1
            self._sent_at.pop(digest, None)

    async def _offer(self, client: httpx.AsyncClient) -> None:
        started = time.monotonic()
        tasks = set()
        for number, raw in enumerate(self._transactions):
            due = started + number / self.result.offered_rate
            if due > started + self.result.seconds:
                break
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self._bound.acquire()
            if time.monotonic() > started + self.result.seconds:
                break
            self.result.sent += 1
            task = asyncio.create_task(self._send(client, raw))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        self.result.seconds = time.monotonic() - started

    async def _watch(self, chain: _Chain) -> None:
        deadline: float | None = None
        while True:
            for raw in await chain.new_transactions():
                sent = self._sent_at.pop(hashlib.sha256(raw).digest(), None)
                if sent is not None:
                    self.result.latencies.append(time.monotonic() - sent)
            if self._done.is_set():
                deadline = deadline or time.monotonic() + 15
                if not self._sent_at or time.monotonic() > deadline:
                    return
            await asyncio.sleep(0.05)

    async def go(self) -> LoadResult:
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
        async with httpx.AsyncClient(limits=limits, timeout=30) as client:
            chain = _Chain(client, self._first)
            await chain.start()
            watcher = asyncio.create_task(self._watch(chain))
            await self._offer(client)
            self._done.set()
            await watcher
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
