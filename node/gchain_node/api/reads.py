"""Reads as JSON: status, queries with proof, transactions, blocks, receipts, health."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gchain_node.api.answers import Refusal, status_of_code
from gchain_node.api.paging import whole_number
from gchain_node.api.rendering import base64url, cbor_json, code_name, describe_tx, tx_result
from gchain_node.api.view import LedgerView, Names
from gchain_node.codes import TABLE, Code
from gchain_node.engine.interface import CommittedTx
from gchain_node.errors import NotYetProvable
from gchain_node.proof.receipt import build_receipt
from gchain_node.proof.rpc_json import text_time
from gchain_node.proof.signed_header import build_signed_header

__all__ = ["Reads", "hash_of"]

_HASH: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_OPENAPI: Final = files("gchain_node.api").joinpath("openapi.json").read_bytes()
_NEXT_BLOCK: Final = 5.0  # seconds
_NEXT_BLOCKS: Final = 3


def hash_of(request: Request) -> bytes:
    """The transaction hash in the path. Raises `Refusal`."""
    match = _HASH.fullmatch(request.path_params["hash"])
    if match is None:
        raise Refusal(400, "a transaction hash is 64 hexadecimal digits")
    return bytes.fromhex(match[1])


def _flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "0") in {"1", "true"}


class Reads:
    """Endpoints over one view; what blocks runs on a thread of the pool."""

    def __init__(self, view: LedgerView) -> None:
        self._view = view

    async def status(self, request: Request) -> Response:
        return JSONResponse(await to_thread.run_sync(self._view.status))

    async def codes(self, request: Request) -> Response:
        table = [
            {"code": int(code), "name": code.name, "meaning": entry.meaning, "retry": entry.retry}
            for code, entry in TABLE.items()
        ]
        return JSONResponse({"codes": table})

    async def query(self, request: Request) -> Response:
        path, height, prove = request.path_params["path"], whole_number(request, "height", 0), _flag(request, "prove")
        result = await to_thread.run_sync(lambda: self._view.query(path, height, prove=prove))
        answer: dict[str, Any] = {
            "path": path,
            "code": result.code,
            "result": code_name(result.code),
            "log": result.log,
            "height": result.height,
            "value": cbor_json(result.value),
            "value_cbor": base64url(result.value),
        }
        if prove:
            header = await to_thread.run_sync(self._view.proving_header, result)
            answer |= {"key": base64url(result.key), "proof": base64url(result.proof), "header": header}
        return JSONResponse(answer, status_of_code(result.code))

    async def transaction(self, request: Request) -> Response:
        found = await self._found(request)
        return JSONResponse(
            {
                "hash": found.hash.hex(),
                "height": found.height,
                "index": found.place,
                "time": text_time(found.time_ns),
                "committed": True,
                **describe_tx(found.raw),
                **tx_result(found.result),
                "raw": base64url(found.raw),
            }
        )

    async def block(self, request: Request) -> Response:
        height = request.path_params["height"]
        block = await to_thread.run_sync(self._view.block, height)
        if block is None:
            self._must_be_kept(height)
            raise Refusal(404, f"block {height} is not committed yet")
        names = Names(await to_thread.run_sync(self._view.members))
        txs = [
            {"hash": tx.hash.hex(), "index": tx.place, **describe_tx(tx.raw), **tx_result(tx.result)}
            for tx in block.txs
        ]
        return JSONResponse(
            {
                "height": block.height,
                "time": text_time(block.time_ns),
                "proposer": {"address": block.proposer.hex(), "member": names.of_validator(block.proposer)},
                "app_hash": block.app_hash.hex(),
                "transactions": txs,
            }
        )

    async def receipt(self, request: Request) -> Response:
        found = await self._found(request)
        source, place = self._view.engine.source, None if self._view.log is None else self._view.log.evidence
        receipt = await self._once_committed(
            lambda: build_receipt(source, found.height, found.place, place), found.height + 1
        )
        headers = {"Content-Disposition": f'attachment; filename="receipt-{found.hash.hex()[:16]}.json"'}
        return JSONResponse(receipt, headers=headers)

    async def header(self, request: Request) -> Response:
        """The signed header: for `height + 1` of a query, what its proof ends in."""
        height = request.path_params["height"]
        if height > self._view.app.info().last_block_height + 1:
            raise Refusal(404, f"block {height} is not committed yet")
        source = self._view.engine.source
        return JSONResponse(await self._once_committed(lambda: build_signed_header(source, height), height))

    async def _once_committed(self, build: Callable[[], dict[str, Any]], height: int) -> dict[str, Any]:
        """What `build` gives. It may need the block that comes next, which is worth waiting for."""
        async with self._view.feed.subscribe() as news:
            for _ in range(_NEXT_BLOCKS):
                try:
                    return await to_thread.run_sync(build)
                except NotYetProvable:
                    self._must_be_kept(height)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(news.wait(), _NEXT_BLOCK)
                    news.clear()
        raise Refusal(409, f"block {height} is not committed yet", headers={"Retry-After": "1"})

    def _must_be_kept(self, height: int) -> None:
        """Refuse what can never be answered here: a block that is committed and that neither engine nor archive has."""
        if height < 1:
            raise Refusal(404, "there is no block 0: a ledger's blocks are numbered from 1 or above")
        if height < self._view.app.info().last_block_height:
            message = f"block {height} is not kept by this node: ask one that has the whole ledger"
            raise Refusal(410, message, code=Code.BLOCK_NOT_KEPT)

    async def _found(self, request: Request) -> CommittedTx:
        hash_ = hash_of(request)
        found = await to_thread.run_sync(self._view.transaction, hash_)
        if found is None:
            raise Refusal(404, f"no block that this node keeps has transaction {hash_.hex()}")
        return found

    async def openapi(self, request: Request) -> Response:
        return Response(_OPENAPI, media_type="application/json")

    async def health(self, request: Request) -> Response:
        """The process lives and its event loop turns."""
        return JSONResponse({"alive": True})

    async def ready(self, request: Request) -> Response:
        reasons = await to_thread.run_sync(self._view.not_ready)
        return JSONResponse({"ready": not reasons, "not_ready": reasons}, 503 if reasons else 200)
