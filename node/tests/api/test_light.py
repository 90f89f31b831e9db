"""`POST /light`: the calls of a light client pass, everything else of the engine's RPC does not."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gchain_node.api.answers import EXCEPTION_HANDLERS
from gchain_node.api.light import METHODS, Light
from gchain_node.api.limits import RateLimit
from gchain_node.errors import EngineUnreachable


class Engine:
    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.gone = False

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.gone:
            raise EngineUnreachable("the engine's RPC does not answer")
        self.asked.append(body)
        return {"result": {"method": body["method"]}}


@pytest.fixture
def engine() -> Engine:
    return Engine()


class Caller:
    """Posts to the endpoint in process."""

    def __init__(self, light: Light) -> None:
        routes = [Route("/light", light.ask, methods=["POST"])]
        self._app = Starlette(routes=routes, exception_handlers=dict(EXCEPTION_HANDLERS))

    def post(self, path: str, **content: Any) -> httpx.Response:
        return asyncio.run(self._post(path, **content))

    async def _post(self, path: str, **content: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
            return await client.post(path, **content)


@pytest.fixture
def client(engine: Engine) -> Caller:
    return Caller(Light(engine, RateLimit(1.0, 30)))


def call(method: Any, params: Any = None, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params} | more


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_calls_of_a_light_client_pass(client: Caller, engine: Engine, method: str) -> None:
    params = {"height": "12"} if METHODS[method] else {}
    answer = client.post("/light", json=call(method, params))
    assert answer.status_code == 200
    assert answer.json() == {"jsonrpc": "2.0", "id": 7, "result": {"method": method}}
    assert engine.asked == [{"jsonrpc": "2.0", "id": 7, "method": method, "params": params}]


def test_what_is_not_needed_does_not_reach_the_engine(client: Caller, engine: Engine) -> None:
    client.post("/light", json=call("commit", {"height": None}, extra="x"))
    assert engine.asked == [{"jsonrpc": "2.0", "id": 7, "method": "commit", "params": {}}]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (call("broadcast_tx_sync", {"tx": "AA=="}), 403),
        (call("abci_query", {}), 403),
        (call("dump_consensus_state"), 403),
        (call(["commit"]), 403),
        (call("commit", {"height": "1", "prove": True}), 400),
        (call("commit", {"height": "-1"}), 400),
        (call("commit", {"height": "1; drop"}), 400),
        (call("commit", {"height": {"a": 1}}), 400),
        (call("commit", ["1"]), 400),
        (call("commit", {"height": "1" * 20}), 400),
        (call("commit", {"height": "1"}, id=None), 400),
        ([call("commit")] * 3, 400),
        ("commit", 400),
        (call("commit", {"height": "1"}, padding="x" * 2000), 400),
    ],
)
def test_everything_else_is_refused(client: Caller, engine: Engine, body: Any, status: int) -> None:
    assert client.post("/light", json=body).status_code == status
    assert engine.asked == []


def test_bytes_that_are_no_json_are_refused(client: Caller) -> None:
    assert client.post("/light", content=b"\xff\xfe{").status_code == 400
    assert client.post("/light", content=b"[" * 1000).status_code == 400


def test_an_address_that_asks_too_often_waits(client: Caller) -> None:
    statuses = [client.post("/light", json=call("status")).status_code for _ in range(40)]
    assert set(statuses) == {200, 429}
    assert statuses[:30] == [200] * 30


def test_an_engine_that_is_away_is_said_so(client: Caller, engine: Engine) -> None:
    engine.gone = True
    assert client.post("/light", json=call("status")).status_code == 503
