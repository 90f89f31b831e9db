"""The pages for people: status, one block, one transaction."""

from __future__ import annotations

import json

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gchain_node.api.answers import Refusal
from gchain_node.api.pages import missing, render
from gchain_node.api.reads import hash_of
from gchain_node.api.rendering import code_name, describe_tx, tx_result
from gchain_node.api.view import LedgerView, Names
from gchain_node.codes import TABLE, Code
from gchain_node.proof.rpc_json import text_time

__all__ = ["Pages"]


class Pages:
    """Endpoints that render HTML on a thread of the pool."""

    def __init__(self, view: LedgerView) -> None:
        self._view = view

    async def status(self, request: Request) -> Response:
        return HTMLResponse(
            await to_thread.run_sync(lambda: render("status.html", status=self._view.status(), here="/"))
        )

    async def block(self, request: Request) -> Response:
        return await to_thread.run_sync(self._block, request.path_params["height"])

    async def transaction(self, request: Request) -> Response:
        try:
            wanted = hash_of(request)
        except Refusal as refusal:
            return self._missing("The hash of a transaction is 64 hexadecimal digits.", refusal.status_code)
        return await to_thread.run_sync(self._transaction, wanted)

    def _block(self, height: int) -> Response:
        block = self._view.block(height)
        if block is None:
            return self._missing(f"Block {height} is not committed yet, or no longer kept by this node.")
        names = Names(self._view.members())
        shown = {
            "height": block.height,
            "time": text_time(block.time_ns),
            "proposer": names.of_validator(block.proposer) or "unknown",
            "proposer_address": block.proposer.hex(),
            "app_hash": block.app_hash.hex(),
            "transactions": [
                {"hash": tx.hash.hex(), "code": tx.result.code, "result": code_name(tx.result.code)}
                | describe_tx(tx.raw)
                for tx in block.txs
            ],
        }
        latest = self._view.app.info().last_block_height
        return HTMLResponse(render("block.html", block=shown, latest=latest, chain_id=self._view.chain_id))

    def _transaction(self, hash_: bytes) -> Response:
        found = self._view.transaction(hash_)
        if found is None:
            return self._missing(f"No block that this node keeps has transaction {hash_.hex()}.")
        result = tx_result(found.result)
        shown = {
            "hash": found.hash.hex(),
            "height": found.height,
            "index": found.place,
            "time": text_time(found.time_ns),
            "size": len(found.raw),
            "meaning": TABLE[Code(found.result.code)].meaning if found.result.code in TABLE else "",
            "data_json": json.dumps(result["data"], indent=2, ensure_ascii=False),
            **result,
            **describe_tx(found.raw),
        }
        return HTMLResponse(render("transaction.html", tx=shown, chain_id=self._view.chain_id))

    def _missing(self, message: str, status: int = 404) -> Response:
        return missing(message, self._view.chain_id, status)
