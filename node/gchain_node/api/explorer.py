"""The explorer's pages beside status, block and transaction: lists of blocks, members and proposals, and the search."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final
from urllib.parse import quote

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gchain_node.api.lists import block_rows, open_proposals
from gchain_node.api.pages import missing, render
from gchain_node.api.paging import whole_number
from gchain_node.api.rendering import json_value
from gchain_node.api.view import LedgerView

__all__ = ["Explorer"]

_PAGE: Final = 25  # blocks
_HASH: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")


class Explorer:
    """Endpoints that render HTML on a thread of the pool; they work without a script."""

    def __init__(self, view: LedgerView) -> None:
        self._view = view

    async def blocks(self, request: Request) -> Response:
        before = whole_number(request, "before", 0)
        return await to_thread.run_sync(self._blocks, before)

    async def members(self, request: Request) -> Response:
        return await to_thread.run_sync(
            lambda: self._page("members.html", "/members", members=self._view.members(), key_id=_key_id)
        )

    async def member(self, request: Request) -> Response:
        return await to_thread.run_sync(self._member, request.path_params["name"])

    async def proposals(self, request: Request) -> Response:
        return await to_thread.run_sync(
            lambda: self._page("proposals.html", "/proposals", proposals=open_proposals(self._view))
        )

    async def proposal(self, request: Request) -> Response:
        return await to_thread.run_sync(self._proposal, request.path_params["name"])

    async def search(self, request: Request) -> Response:
        asked = request.query_params.get("q", "").strip()[:80]
        return await to_thread.run_sync(self._search, asked)

    def _blocks(self, before: int) -> Response:
        rows = block_rows(self._view, before, _PAGE)
        older = rows[-1]["height"] if len(rows) == _PAGE and rows[-1]["height"] > 1 else None
        return self._page("blocks.html", "/blocks", blocks=rows, before=before, older=older)

    def _member(self, name: str) -> Response:
        member = self._view.state(f"members/{name}")
        if member is None:
            return self._missing(f"The ledger has no member {name[:80]}.")
        return self._page("member.html", "", member=member, keys=_keys(member))

    def _proposal(self, name: str) -> Response:
        proposal = self._view.state(f"governance/proposals/{name}")
        if proposal is None:
            return self._missing(f"The ledger has no proposal {name[:80]}.")
        args = json.dumps(json_value(proposal["args"]), indent=2, ensure_ascii=False)
        return self._page("proposal.html", "", proposal=proposal, args=args)

    def _search(self, asked: str) -> Response:
        """A page of what was asked for: a height, the hash of a transaction, a member or a proposal."""
        if match := _HASH.fullmatch(asked):
            return RedirectResponse(f"/transactions/{match[1].lower()}", 303)
        if re.fullmatch(r"[0-9]{1,18}", asked):
            return RedirectResponse(f"/blocks/{int(asked)}", 303)
        for page, root in (("members", "members"), ("proposals", "governance/proposals")):
            if asked and self._view.state(f"{root}/{asked}") is not None:
                return RedirectResponse(f"/{page}/{quote(asked, safe='')}", 303)
        return self._missing(
            f"Nothing here is called “{asked}”. Search for the height of a block, the hash of a transaction "
            "(64 hexadecimal digits), or the exact name of a member or proposal."
        )

    def _page(self, template: str, here: str, **values: Any) -> Response:
        return HTMLResponse(render(template, chain_id=self._view.chain_id, here=here, **values))

    def _missing(self, message: str) -> Response:
        return missing(message, self._view.chain_id)


def _key_id(public_key: bytes) -> str:
    """What names a key to people: the first 16 digits of SHA-256 over its public key, as the ledger holds it."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def _keys(member: dict[str, Any]) -> list[tuple[str, str]]:
    """Purpose and id of the member's keys."""
    keys = [("member", member["member_key"]), ("receipt", member["receipt_key"])]
    if member["validator"]:
        keys.insert(0, ("validator", member["validator"]["public_key"]))
    keys += [(f"officer {officer['name']}", officer["public_key"]) for officer in member["officers"]]
    return [(purpose, _key_id(key)) for purpose, key in keys]
