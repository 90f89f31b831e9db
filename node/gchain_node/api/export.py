"""The ledger's export, and its genesis: what an auditor takes away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from gchain_node.api.answers import Refusal
from gchain_node.api.view import LedgerView
from gchain_node.codes import Code
from gchain_node.errors import ConfigurationError, KeyAccessError
from gchain_node.export import export_items

__all__ = ["export_routes"]


def export_routes(view: LedgerView) -> list[BaseRoute]:
    """Routes of the export; public reads, one export at a time. None where the node does not know its genesis."""
    if view.genesis is None:
        return []
    reads = _Exports(view)
    return [Route("/v1/genesis", reads.genesis), Route("/v1/export", reads.export)]


class _Exports:
    def __init__(self, view: LedgerView) -> None:
        self._view = view
        self._running = threading.Lock()

    async def genesis(self, request: Request) -> Response:
        return Response(await to_thread.run_sync(self._genesis), media_type="application/json")

    async def export(self, request: Request) -> Response:
        latest = self._view.app.info().last_block_height
        genesis = await to_thread.run_sync(self._genesis)
        first = _height(request, "from", int(json.loads(genesis)["initial_height"]))
        last = _height(request, "to", latest - 1)
        if not 0 < first <= last < latest:
            raise Refusal(409, f"blocks {first} to {last} cannot be exported: the latest block is {latest}")
        await to_thread.run_sync(self._must_be_kept, first)
        if not self._running.acquire(blocking=False):
            raise Refusal(503, "another export is running; one at a time", headers={"Retry-After": "10"})
        try:
            checkpoint = await to_thread.run_sync(self._checkpoint)
            items = export_items(self._view.engine.source, genesis, first, last, checkpoint)
        except BaseException:
            self._running.release()
            raise
        return StreamingResponse(self._until_done(items), media_type="application/cbor-seq")

    def _until_done(self, items: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from items
        finally:
            self._running.release()

    def _must_be_kept(self, first: int) -> None:
        """Refuse before anything is sent: a stream that breaks off could not say why."""
        kept = self._view.engine.source.first_height()
        if first < kept:
            raise Refusal(
                410,
                f"this node keeps blocks from {kept} on, and not block {first}: export from a member that keeps all "
                f"blocks, which an audit needs, or only the later ones with --from {kept}",
                code=Code.BLOCK_NOT_KEPT,
            )

    def _genesis(self) -> bytes:
        assert self._view.genesis is not None  # noqa: S101 -- or there would be no route
        return self._view.genesis()

    def _checkpoint(self) -> str | None:
        """A checkpoint for the auditor to compare with: the cosigned one if there is one."""
        if self._view.log is None:
            return None
        try:
            return str(self._view.log.cosigned() or self._view.log.checkpoint())
        except (ConfigurationError, KeyAccessError):
            return None


def _height(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise Refusal(400, f"{name}: expected a height, got {text[:40]!r}")
    return int(text)
