"""The transparency log over HTTP: C2SP tlog-tiles reads, and the cosigned checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from gchain_node.api.answers import Refusal
from gchain_node.api.reads import hash_of
from gchain_node.api.rendering import base64url
from gchain_node.api.view import LedgerView
from gchain_node.errors import ConfigurationError, KeyAccessError, VerificationError
from gchain_node.keys.public import load_public_key
from gchain_node.tlog.log import TransparencyLog
from gchain_node.tlog.note import MAX_NOTE_BYTES, Note, VerifierKey
from gchain_node.tlog.signing import log_key
from gchain_node.tlog.tiles import WIDTH, TilePath

__all__ = ["cose_receipt_routes", "cosigning_routes", "log_routes"]

_IMMUTABLE: Final = "public, max-age=31536000, immutable"
T = TypeVar("T")
_NOTE: Final = "text/plain; charset=utf-8"


def log_routes(view: LedgerView) -> list[BaseRoute]:
    """Routes of the log; none where the node serves no log."""
    if view.log is None:
        return []
    log = LogReads(view, view.log)
    return [
        Route("/checkpoint", log.checkpoint),
        Route("/tile/{path:path}", log.tile),
        Route("/v1/log", log.summary),
        Route("/v1/log/consistency", log.consistency),
        Route("/v1/log/cosigned", log.cosigned, methods=["GET"]),
    ]


def cose_receipt_routes(view: LedgerView) -> list[BaseRoute]:
    """Receipts of the log as COSE; they are readable by whom other receipts are."""
    return [] if view.log is None else [Route("/v1/receipts/{hash}/cose", LogReads(view, view.log).cose_receipt)]


def cosigning_routes(view: LedgerView) -> list[BaseRoute]:
    """Where a cosigned checkpoint is handed in; it is checked, so anybody may bring one."""
    if view.log is None:
        return []
    return [Route("/v1/log/cosigned", LogReads(view, view.log).accept, methods=["POST"])]


class LogReads:
    """Endpoints over one log; what blocks runs on a thread of the pool."""

    def __init__(self, view: LedgerView, log: TransparencyLog) -> None:
        self._view = view
        self._log = log

    async def checkpoint(self, request: Request) -> Response:
        """The log's head now, signed by this node's member."""
        note = await _run(self._log.checkpoint)
        return Response(str(note), media_type=_NOTE, headers={"Cache-Control": "no-store"})

    async def tile(self, request: Request) -> Response:
        path = await _run(lambda: TilePath.parse(request.path_params["path"]))
        data = await _run(lambda: self._log.tile(path))
        kind = "application/octet-stream"
        caching = _IMMUTABLE if path.width == WIDTH else "public, max-age=3600"
        return Response(data, media_type=kind, headers={"Cache-Control": caching})

    async def cose_receipt(self, request: Request) -> Response:
        """The transaction's entry in the log, proven in the form of RFC 9942."""
        hash_ = hash_of(request)
        found = await to_thread.run_sync(self._view.transaction, hash_)
        if found is None:
            raise Refusal(404, f"no block that this node keeps has transaction {hash_.hex()}")
        raw = await _run(lambda: self._log.cose_receipt(found.height, found.place))
        headers = {"Content-Disposition": f'attachment; filename="receipt-{hash_.hex()[:16]}.cose"'}
        return Response(raw, media_type="application/cose", headers=headers)

    async def summary(self, request: Request) -> Response:
        return JSONResponse(await _run(self._summary))

    async def consistency(self, request: Request) -> Response:
        old, new = _size(request, "old"), _size(request, "new")
        path = await _run(lambda: self._consistency(old, new))
        return JSONResponse({"old": old, "new": new, "path": [base64url(step) for step in path]})

    async def cosigned(self, request: Request) -> Response:
        note = await _run(self._log.cosigned)
        if note is None:
            raise Refusal(404, "no witness has cosigned a checkpoint of this log yet")
        return Response(str(note), media_type=_NOTE, headers={"Cache-Control": "no-store"})

    async def accept(self, request: Request) -> Response:
        """A checkpoint with cosignatures, from whoever brought it to the witnesses."""
        body = await request.body()
        if len(body) > MAX_NOTE_BYTES:
            raise Refusal(413, f"a checkpoint has at most {MAX_NOTE_BYTES} bytes")
        await to_thread.run_sync(self._accept, body)
        return PlainTextResponse("accepted\n")

    def _accept(self, body: bytes) -> None:
        try:
            self._log.accept(Note.parse(body), self._keys())
        except VerificationError as error:
            raise Refusal(422, str(error)) from None

    def _summary(self) -> dict[str, Any]:
        head = self._log.head()
        return {
            "origin": self._log.origin,
            "size": head.size,
            "root": base64url(head.root()),
            "first": self._log.first,
            "keys": [str(key) for key in self._keys()],
            "witnesses": [str(key) for key in self._log.witnesses],
        }

    def _keys(self) -> list[VerifierKey]:
        """The members' log keys as the membership has them now."""
        entries = self._view.members()
        return [log_key(self._log.origin, load_public_key(entry["receipt_key"])) for entry in entries]

    def _consistency(self, old: int, new: int) -> list[bytes]:
        if new > self._log.head().size:
            raise VerificationError(f"the log has {self._log.head().size} entries, not {new}")
        return self._log.tree.consistency(old, new)


def _size(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise Refusal(400, f"{name}: expected a size of the log, got {text[:40]!r}")
    return int(text)


async def _run(work: Callable[[], T]) -> T:
    """`work` on a thread; what it raises as an HTTP status."""
    try:
        return await to_thread.run_sync(work)
    except VerificationError as error:
        raise Refusal(404, str(error)) from None
    except (ConfigurationError, KeyAccessError) as error:
        raise Refusal(503, f"no checkpoint can be signed now: {error}") from None
