"""`POST /light`: what a CometBFT light client asks for, from outside the host; state sync of a new engine uses it.

The engine's RPC stays on loopback: it takes transactions past the node's limits, and can be made to work hard. Here
pass the calls that give signed headers and what they bind (CometBFT v0.38 specification, light client, "provider"),
one a request, with few and small parameters. What comes back is public among the members and proves itself.

    [statesync]
    rpc_servers = "https://node.a.example:8443/light,https://node.b.example:8443/light"
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, Protocol

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gchain_node.api.answers import Refusal
from gchain_node.api.limits import RateLimit

__all__ = ["METHODS", "Forward", "Light"]

METHODS: Final = {
    "commit": {"height"},
    "consensus_params": {"height"},
    "status": set[str](),
    "validators": {"height", "page", "per_page"},
}
_NUMBER: Final = re.compile(r"[0-9]{1,19}")
_MAX_BYTES: Final = 1024


class Forward(Protocol):
    """Hands a JSON-RPC request to the engine and gives back its answer; raises `EngineUnreachable`."""

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]: ...


class Light:
    """The endpoint is `ask`."""

    def __init__(self, forward: Forward, limit: RateLimit) -> None:
        self._forward = forward
        self._limit = limit

    async def ask(self, request: Request) -> Response:
        wait = self._limit.take(request.client.host if request.client else "")
        if wait > 0:
            raise Refusal(429, "too many requests from this address", headers={"Retry-After": str(math.ceil(wait))})
        body = _read(await request.body())
        answer = await to_thread.run_sync(self._forward, body)
        return JSONResponse({"jsonrpc": "2.0", "id": body["id"]} | answer)


def _read(raw: bytes) -> dict[str, Any]:
    """The request, made anew from what is allowed in it."""
    try:
        body = json.loads(raw) if len(raw) <= _MAX_BYTES else None
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("id"), int | str):
        raise Refusal(400, f"one JSON-RPC 2.0 request of at most {_MAX_BYTES} bytes is expected, with an id")
    method, params = body.get("method"), body.get("params") or {}
    if not isinstance(method, str) or method not in METHODS:
        raise Refusal(403, f"only {', '.join(METHODS)} can be asked here; the engine's own RPC is for its host alone")
    if not isinstance(params, dict) or not set(params) <= METHODS[method]:
        raise Refusal(400, f"{method} takes {', '.join(sorted(METHODS[method])) or 'no parameters'}")
    values = {name: str(value) for name, value in params.items() if value is not None}
    if not all(_NUMBER.fullmatch(value) for value in values.values()):
        raise Refusal(400, "parameters are whole numbers")
    return {"jsonrpc": "2.0", "id": body["id"], "method": method, "params": values}
