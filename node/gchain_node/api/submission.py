"""POST /v1/tx: hand a transaction to the engine and, if asked, wait until a block has it."""

from __future__ import annotations

import math
from typing import Any, Final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gchain_node.api.answers import Refusal, status_of_code
from gchain_node.api.limits import RateLimit
from gchain_node.api.rendering import tx_result
from gchain_node.api.view import LedgerView
from gchain_node.codes import Code
from gchain_node.engine.interface import CommittedTx
from gchain_node.messages import TxResult
from gchain_node.tx import MAX_TX_BYTES, tx_hash

__all__ = ["Submission"]

_CONTENT_TYPES: Final = {"application/cbor", "application/cose"}
_LONGEST_WAIT: Final = 120.0


class Submission:
    """The endpoint is `submit`. An answer says `committed: true` only when a durable block has the transaction."""

    def __init__(self, view: LedgerView, limit: RateLimit) -> None:
        self._view = view
        self._limit = limit

    async def submit(self, request: Request) -> Response:
        self._count(request)
        raw = await _body(request)
        timeout = _timeout(request)
        hash_ = tx_hash(raw)
        known = await to_thread.run_sync(self._view.transaction, hash_)
        if known is not None:  # the same bytes again: a client that retries gets the first outcome
            return _committed(known)
        checked = await to_thread.run_sync(self._view.engine.broadcast, raw)
        if not checked.ok:
            return JSONResponse(_outcome(hash_, checked), status_of_code(checked.code))
        if timeout is None:
            return JSONResponse(_outcome(hash_, checked), 202)
        found = await self._view.feed.wait_for(hash_, timeout)
        if found is None:
            message = f"no block had the transaction after {timeout:g} s; it may still come: send the same bytes again"
            raise Refusal(504, message, headers={"Retry-After": "1"})
        return _committed(found)

    def _count(self, request: Request) -> None:
        client = request.scope.get("gchain.member") or (request.client.host if request.client else "")
        wait = self._limit.take(client)
        if wait > 0:
            headers = {"Retry-After": str(math.ceil(wait))}
            raise Refusal(429, f"too many transactions from {client}; try again in {wait:.2f} s", headers=headers)


async def _body(request: Request) -> bytes:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in _CONTENT_TYPES:
        raise Refusal(415, f"send the signed transaction as application/cbor; got {content_type or 'no content type'}")
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_TX_BYTES:
            raise Refusal(413, f"a transaction has at most {MAX_TX_BYTES} bytes", code=Code.TOO_LARGE)
    if not raw:
        raise Refusal(400, "the body is empty: send the signed transaction's bytes", code=Code.MALFORMED)
    return bytes(raw)


def _timeout(request: Request) -> float | None:
    """Seconds to wait for the block; None when the client does not want to."""
    if request.query_params.get("wait", "0") not in {"1", "true"}:
        return None
    text = request.query_params.get("timeout", "30")
    try:
        timeout = float(text)
    except ValueError:
        timeout = math.nan
    if not 0 < timeout <= _LONGEST_WAIT:
        raise Refusal(400, f"timeout: expected seconds above 0 and at most {_LONGEST_WAIT:g}, got {text!r}")
    return timeout


def _outcome(hash_: bytes, result: TxResult) -> dict[str, Any]:
    return {"hash": hash_.hex(), "committed": False, **tx_result(result)}


def _committed(found: CommittedTx) -> JSONResponse:
    place = {"committed": True, "height": found.height, "index": found.place}
    return JSONResponse(_outcome(found.hash, found.result) | place)
