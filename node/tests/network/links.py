"""The network between engines: one TCP relay a direction of each pair, which a test can cut and heal."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterable
from typing import Any

__all__ = ["Links"]

Pair = tuple[int, int]  # who dials whom, by their places in the ledger


class Links:
    """Relays on loopback, served by a thread. `port(a, b)` is where `a` dials `b`."""

    def __init__(self, listening: list[int]) -> None:
        self._targets = listening
        self._ports: dict[Pair, int] = {}
        self._cut: set[frozenset[int]] = set()
        self._open: dict[asyncio.StreamWriter, frozenset[int]] = {}
        self._servers: list[asyncio.Server] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="links", daemon=True)
        self._thread.start()
        if not self._ready.wait(120):
            raise TimeoutError("the relays between the engines did not start in 120 s")

    def port(self, dialer: int, target: int) -> int:
        return self._ports[dialer, target]

    def cut(self, pairs: Iterable[Pair]) -> None:
        """Drop what flows between these two, in both directions, and refuse what is dialled until `heal`."""
        self._run(self._set_cut({frozenset(pair) for pair in pairs}))

    def isolate(self, one: int) -> None:
        self.cut((one, other) for other in range(len(self._targets)) if other != one)

    def heal(self) -> None:
        self._run(self._set_cut(set()))

    def close(self) -> None:
        """Cut everything and end the thread."""
        self.cut(self._ports)
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(120)

    def _run(self, job: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(job, self._loop).result(120)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        places = range(len(self._targets))
        for pair in [(dialer, target) for dialer in places for target in places if dialer != target]:
            self._ports[pair] = await self._listen(*pair)
        self._ready.set()
        await self._end.wait()
        for server in self._servers:
            server.close()
        relays = asyncio.all_tasks() - {asyncio.current_task()}
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)

    async def _set_cut(self, cut: set[frozenset[int]]) -> None:
        self._cut = cut
        for writer in [w for w, pair in self._open.items() if pair in cut]:
            writer.transport.abort()

    async def _listen(self, dialer: int, target: int) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._relay(frozenset((dialer, target)), target, reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _relay(
        self, pair: frozenset[int], target: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if pair in self._cut:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._targets[target])
        except OSError:
            writer.transport.abort()
            return
        ends = {writer: pair, back: pair}
        self._open |= ends
        if pair in self._cut:  # cut while it was being opened
            writer.transport.abort()
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            for end in ends:
                self._open.pop(end, None)
                end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
