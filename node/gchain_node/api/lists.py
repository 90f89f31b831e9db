"""Lists as JSON: blocks newest first, members by name, open proposals by id."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gchain_node.api.answers import Refusal
from gchain_node.api.paging import limit_of, whole_number
from gchain_node.api.rendering import json_value
from gchain_node.api.view import LedgerView, Names, block_row

__all__ = ["Lists", "block_rows", "open_proposals"]


def block_rows(view: LedgerView, before: int, limit: int) -> list[dict[str, Any]]:
    """Up to `limit` blocks below height `before` (0: from the latest), newest first, as far as this node keeps them."""
    latest = view.app.info().last_block_height
    top = min(before - 1, latest) if before else latest
    names, rows = Names(view.members()), []
    for height in range(top, max(0, top - limit), -1):
        block = view.block(height)
        if block is None:
            break
        rows.append(block_row(block, names))
    return rows


def open_proposals(view: LedgerView) -> list[dict[str, Any]]:
    """The proposals that can be voted on, by id, as the ledger has them."""
    index = view.state("governance/proposals") or {"open": []}
    found = [view.state(f"governance/proposals/{name}") for name in index["open"]]
    return [json_value(proposal) for proposal in found if proposal is not None]


class Lists:
    """Endpoints over one view; what blocks runs on a thread of the pool."""

    def __init__(self, view: LedgerView) -> None:
        self._view = view

    async def blocks(self, request: Request) -> Response:
        before, limit = whole_number(request, "before", 0), limit_of(request)
        rows = await to_thread.run_sync(block_rows, self._view, before, limit)
        more = rows[-1]["height"] if len(rows) == limit and rows[-1]["height"] > 1 else None
        return JSONResponse({"blocks": rows, "next_before": more})

    async def members(self, request: Request) -> Response:
        after, limit = request.query_params.get("after", ""), limit_of(request)
        members = await to_thread.run_sync(self._view.members)
        rest = [member for member in members if member["name"] > after]
        page = [json_value(member) for member in rest[:limit]]
        return JSONResponse({"members": page, "next_after": page[-1]["name"] if len(rest) > limit else None})

    async def proposals(self, request: Request) -> Response:
        after, limit = request.query_params.get("after", ""), limit_of(request)
        proposals = await to_thread.run_sync(open_proposals, self._view)
        rest = [proposal for proposal in proposals if proposal["id"] > after]
        page = rest[:limit]
        return JSONResponse({"proposals": page, "next_after": page[-1]["id"] if len(rest) > limit else None})

    async def member(self, request: Request) -> Response:
        return await self._one("members", request.path_params["name"])

    async def proposal(self, request: Request) -> Response:
        return await self._one("governance/proposals", request.path_params["name"])

    async def _one(self, root: str, name: str) -> Response:
        found = await to_thread.run_sync(self._view.state, f"{root}/{name}")
        if found is None:
            raise Refusal(404, f"the ledger has no {root}/{name[:80]}")
        return JSONResponse(json_value(found))
