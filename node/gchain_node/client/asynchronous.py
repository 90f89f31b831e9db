"""The client for an event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar

import httpx

from gchain_node import tx
from gchain_node.client import steps
from gchain_node.client.answers import Outcome, QueryAnswer
from gchain_node.client.events import STREAM_TIMEOUT, EventReader, LedgerEvent, check_stream, pause_before, wanted
from gchain_node.client.nodes import Nodes, is_away
from gchain_node.proof.trust import Trust

__all__ = ["MAX_IN_FLIGHT", "AsyncClient"]

T = TypeVar("T")
MAX_IN_FLIGHT: Final = 256
"""Transactions of one client that wait for their block at a time: an engine's mempool drops what it has no room for."""


class AsyncClient:
    """APIs of one ledger's nodes on an event loop. Methods and arguments as those of `Client`.

    Args:
        max_in_flight: transactions that are under way at a time; more of them wait here.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        verify: ssl.SSLContext | bool = True,
        trust: Trust | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        self._trust = trust
        self._nodes = Nodes(url)
        self._room = asyncio.Semaphore(max_in_flight)
        limits = httpx.Limits(max_connections=2 * max_in_flight + 16, max_keepalive_connections=max_in_flight)
        self._http = httpx.AsyncClient(verify=verify, transport=transport, trust_env=False, limits=limits)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def transact(
        self,
        module: str,
        action: str,
        args: Mapping[str, Any],
        *,
        key: tx.SigningKey,
        signer: str,
        expires_in: int = steps.EXPIRES_IN,
        timeout: float = 60.0,
    ) -> Outcome:
        async with self._room:
            return await self._carry_out(steps.transact(module, action, args, key, signer, expires_in, timeout))

    async def build(
        self,
        module: str,
        action: str,
        args: Mapping[str, Any],
        *,
        key: tx.SigningKey,
        signer: str,
        expires_in: int = steps.EXPIRES_IN,
    ) -> bytes:
        return await self._carry_out(steps.build(module, action, args, key, signer, expires_in))

    async def submit(self, raw: bytes, *, timeout: float = 60.0) -> Outcome:
        async with self._room:
            return await self._carry_out(steps.submit(raw, timeout))

    async def query(self, path: str, *, prove: bool = False) -> QueryAnswer:
        return await self._carry_out(steps.query(path, prove=prove, trust=self._trust))

    async def receipt(self, hash_: bytes, *, verified: bool = True) -> dict[str, Any]:
        return await self._carry_out(steps.receipt(hash_, self._trust, verified=verified))

    async def saved_proof(self, path: str) -> dict[str, Any]:
        return await self._carry_out(steps.saved_proof(path))

    async def hand_in_report(self, raw: bytes) -> None:
        await self._carry_out(steps.hand_in_report(raw))

    async def raw(self, path: str) -> bytes:
        answer = await self._carry_out(steps.get(path))
        if answer.status_code != 200:
            steps.read_json(answer)
        return answer.content

    async def get(self, path: str, **params: str | int | float) -> dict[str, Any]:
        return steps.read_json(await self._carry_out(steps.get(path, **params)))

    async def events(
        self, *, after: int | None = None, module: str | None = None, member: str | None = None
    ) -> AsyncIterator[LedgerEvent]:
        reader, asked = EventReader(after), wanted(module, member)
        while True:
            why = "the stream ended"
            try:
                async with self._stream(asked, reader) as answer:
                    if answer.status_code != 200 and not is_away(answer):
                        await answer.aread()
                        steps.read_json(answer)
                    if answer.status_code == 200:
                        check_stream(answer)
                        async for line in answer.aiter_lines():
                            if (event := reader.line(line)) is not None:
                                yield event
            except httpx.TransportError as error:
                why = str(error) or type(error).__name__
            self._nodes.leave()
            reader.interrupted()
            await asyncio.sleep(pause_before(reader.failures, why))

    def _stream(self, params: dict[str, str], reader: EventReader) -> AbstractAsyncContextManager[httpx.Response]:
        url = f"{self._nodes.current}/v1/events"
        return self._http.stream("GET", url, params=params, headers=reader.headers(), timeout=STREAM_TIMEOUT)

    async def _carry_out(self, operation: steps.Steps[T]) -> T:
        answer: httpx.Response | httpx.TransportError | None = None
        try:
            while True:
                step = operation.send(answer)
                if isinstance(step, steps.Pause):
                    await asyncio.sleep(step.seconds)
                    answer = None
                else:
                    answer = await self._ask(step)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _ask(self, call: steps.Call) -> httpx.Response | httpx.TransportError:
        answer: httpx.Response | httpx.TransportError = httpx.ConnectError("no node was asked")
        for url in self._nodes.each():
            try:
                answer = await self._http.send(Nodes.request(self._http, url, call))
            except httpx.TransportError as error:
                answer = error
            if not is_away(answer):
                break
        return answer
