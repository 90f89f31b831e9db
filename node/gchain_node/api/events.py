"""GET /v1/events: server-sent events (HTML Living Standard, section 9.2), one `block` for each block.

The id of an event is its height. A client that comes back with `Last-Event-ID` gets the blocks in between, as far back
as `_REPLAYED` blocks and as this node keeps them; what is left out is said in an event `gap`. With the filters `module`
and `member` an event names only the transactions that pass, and blocks without one are left out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Send

from gchain_node.api.answers import Refusal
from gchain_node.api.rendering import describe_tx
from gchain_node.api.view import LedgerView
from gchain_node.engine.interface import CommittedBlock
from gchain_node.proof.rpc_json import text_time

__all__ = ["Events"]

_MAX_STREAMS: Final = 64
_KEEP_ALIVE: Final = 15.0  # seconds
_REPLAYED: Final = 200  # blocks
_UNREAD: Final = 30.0  # seconds that a client may leave what it was sent unread


class Events:
    """The endpoint is `stream`. A stream holds no queue: it reads the feed when its client has taken the last event."""

    def __init__(self, view: LedgerView) -> None:
        self._view = view
        self._streams = 0

    async def stream(self, request: Request) -> Response:
        if self._streams >= _MAX_STREAMS:
            raise Refusal(
                503, f"{_MAX_STREAMS} event streams are open, which is the most", headers={"Retry-After": "5"}
            )
        since = _last_event(request)
        wanted = {name: value for name in ("module", "member") if (value := request.query_params.get(name))}
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return _Stream(self._events(since, wanted), media_type="text/event-stream", headers=headers)

    async def _events(self, since: int | None, wanted: dict[str, str]) -> AsyncIterator[str]:
        self._streams += 1
        try:
            async with self._view.feed.subscribe() as news:
                latest = self._view.app.info().last_block_height
                sent = latest if since is None else min(since, latest)
                yield f"retry: 3000\nid: {sent}\n\n"
                while True:
                    async for event, height in self._after(sent, wanted):
                        yield event
                        sent = height
                    try:
                        await asyncio.wait_for(news.wait(), _KEEP_ALIVE)
                    except TimeoutError:
                        yield ": still here\n\n"
                    news.clear()
        finally:
            self._streams -= 1

    async def _after(self, sent: int, wanted: dict[str, str]) -> AsyncIterator[tuple[str, int]]:
        """The events of the blocks after height `sent`, each with its height."""
        latest = self._view.app.info().last_block_height
        first = max(sent + 1, latest - _REPLAYED + 1)
        if first > sent + 1:
            yield _gap(sent + 1, first - 1), first - 1
        for height in range(first, latest + 1):
            block = self._view.feed.block(height) or await to_thread.run_sync(self._view.block, height)
            if block is None:
                if height < latest:
                    yield _gap(height, height), height
                    continue
                return  # it is about to be published: the feed wakes this stream again
            event = _block_event(block, wanted)
            yield event or f"id: {height}\n\n", height


def _last_event(request: Request) -> int | None:
    text = request.headers.get("last-event-id")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refusal(400, f"Last-Event-ID: expected the height of a block, got {text[:40]!r}")
    return int(text)


def _gap(first: int, last: int) -> str:
    return f"event: gap\nid: {last}\ndata: {json.dumps({'first': first, 'last': last})}\n\n"


def _block_event(block: CommittedBlock, wanted: dict[str, str]) -> str:
    """The event, or nothing when no transaction of the block passes the filters."""
    rows = [row for tx in block.txs if (row := _row(tx.hash, tx.result.code, tx.raw, wanted)) is not None]
    if wanted and not rows:
        return ""
    data = {"height": block.height, "time": text_time(block.time_ns), "transactions": rows}
    return f"event: block\nid: {block.height}\ndata: {json.dumps(data)}\n\n"


def _row(hash_: bytes, code: int, raw: bytes, wanted: dict[str, str]) -> dict[str, Any] | None:
    if wanted:
        asked = describe_tx(raw)
        member = str(asked["signer"] or "").partition("/")[0]
        if wanted.get("module", asked["module"]) != asked["module"] or wanted.get("member", member) != member:
            return None
    return {"hash": hash_.hex(), "code": code}


class _Stream(StreamingResponse):
    """Ends when its client does not read for `_UNREAD` seconds, so that it does not keep others from a stream."""

    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            await asyncio.wait_for(send(message), _UNREAD)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            return
