"""The description of the API is true: each route is driven, and what it answers is what the description says."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gchain_node.api.application import api_application, status_application
from gchain_node.api.light import METHODS, Forward, Light
from gchain_node.api.limits import RateLimit
from gchain_node.client import Client
from gchain_node.metrics import Metrics
from node.tests.openapi_contract import DESCRIPTION, Contract, closed

OPERATIONS = [(m.upper(), path, op) for path, ops in DESCRIPTION["paths"].items() for m, op in ops.items()]
ELSEWHERE = {("GET", "/metrics"), ("POST", "/light")}  # for members alone, and under CometBFT: below
PAGES = {
    *("/", "/search", "/policy", "/blocks", "/blocks/{height}", "/transactions/{hash}", "/reports/{digest}"),
    *("/members", "/members/{name}", "/proposals", "/proposals/{name}"),
}
"""The explorer's: HTML for people, which no description of an API has."""


def schemas(value: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of type object in the description, with where it stands."""
    if isinstance(value, dict):
        if value.get("type") == "object":
            yield place, value
        for key, item in value.items():
            yield from schemas(item, f"{place}/{key}")
    elif isinstance(value, list):
        for item in value:
            yield from schemas(item, place)


def test_no_answer_is_described_as_an_object_of_unknown_content() -> None:
    bare = [place for place, schema in schemas(DESCRIPTION) if not {"properties", "additionalProperties"} & set(schema)]
    assert bare == []


def test_each_reference_leads_somewhere() -> None:
    names = {ref.rpartition("/")[2] for ref in references(DESCRIPTION)}
    parts = DESCRIPTION["components"]
    assert names == set(parts["schemas"]) | set(parts["responses"])


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def operations_of(application: Starlette) -> set[tuple[str, str]]:
    """Method and path template of every route that is not a page."""
    routes = [route for route in application.routes if isinstance(route, Route)]
    assert len(routes) == len(application.routes)
    named = {(method, re.sub(r":\w+\}", "}", route.path)) for route in routes for method in route.methods or ()}
    return {(method, path) for method, path in named if method != "HEAD" and path not in PAGES}


def whole_api(served: Any, engine: Forward) -> Starlette:
    """The API as it is under CometBFT, where it has most routes."""
    return api_application(served.view, Metrics(), RateLimit(1, 1), light=Light(engine, RateLimit(1, 30)))


def answers(body: dict[str, Any]) -> dict[str, Any]:
    """An engine that knows no height but its own (the answers' shapes are CometBFT v0.38's)."""
    if body["params"]:
        return {"error": {"code": -32603, "message": "Internal error", "data": "height 9 must be less than 3"}}
    return {"result": {"node_info": {"network": "gchain-dev"}, "sync_info": {"latest_block_height": "3"}}}


def test_what_is_described_is_what_is_served(served: Any) -> None:
    described = {(method, path) for method, path, _ in OPERATIONS}
    assert operations_of(whole_api(served, answers)) == described
    reading = operations_of(status_application(served.view, Metrics()))
    assert reading <= described
    assert {method for method, _ in reading} == {"GET"}


def test_each_page_that_the_description_leaves_out_is_one(served: Any) -> None:
    paths = {re.sub(r":\w+\}", "}", getattr(route, "path", "")) for route in whole_api(served, answers).routes}
    assert paths >= PAGES
    for path, wanted in itertools.product(sorted(PAGES), ("dev", "00" * 32)):
        answer = served.status.get(path.format(height=1, hash=wanted, digest=wanted, name=wanted))
        assert answer.headers["content-type"].startswith("text/html"), path


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"method": "status"}, 200),
        ({"method": "commit", "params": {"height": "9"}}, 200),
        ({"method": "validators", "params": {"height": 9, "page": None}}, 200),
        ({"method": "broadcast_tx_sync"}, 403),
        ({"method": "commit", "params": {"height": "-1"}}, 400),
    ],
)
def test_a_light_client_is_answered_as_it_is_described(served: Any, body: dict[str, Any], status: int) -> None:
    request = {"jsonrpc": "2.0", "id": 1} | body
    schema = closed(DESCRIPTION["components"]["schemas"]["LightRequest"])
    assert Draft202012Validator(schema).is_valid(request) is (status == 200)
    answer = asyncio.run(in_process(whole_api(served, answers), "POST", "/light", json=request))
    assert answer.status_code == status
    served.contract.check(answer)
    assert ("POST", "/light", str(status)) in served.contract.seen


def test_what_a_light_client_may_ask_is_described() -> None:
    described = DESCRIPTION["components"]["schemas"]["LightRequest"]["properties"]
    assert set(described["method"]["enum"]) == METHODS.keys()
    assert set(described["params"]["anyOf"][0]["properties"]) == set().union(*METHODS.values())


async def in_process(application: ASGIApp, method: str, path: str, **content: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://node") as client:
        return await client.request(method, path, **content)


def test_every_operation_answers_what_it_says(served: Any) -> None:
    hash_ = served.commit("described")["hash"]
    digest = anchored(served)
    proposed = propose(served)
    concrete = {"hash": hash_, "height": "3", "name": "dev", "path": "members", "digest": digest}
    queries = {"/v1/log/consistency": {"old": 1, "new": 2}, "/v1/query/{path}": {"prove": 1}}
    for method, template, _ in OPERATIONS:
        if method == "GET" and template not in ("/v1/events", "/v1/log/cosigned"):
            own = {"/v1/proposals/{name}": {"name": proposed}, "/tile/{path}": {"path": "entries/000.p/1"}}
            path = template.format(**concrete | own.get(template, {}))
            served.api.get(path, params=queries.get(template, {}))
    with served.api.stream("GET", "/v1/events"):
        pass
    assert served.api.post("/v1/log/cosigned", content="no note").status_code == 422
    driven = {(method, path) for method, path, status in served.contract.seen if status == "200"}
    missing = {(m, p) for m, p, _ in OPERATIONS} - driven - ELSEWHERE
    assert missing == {("GET", "/v1/log/cosigned"), ("POST", "/v1/log/cosigned")}  # test_log.py has a witness


def test_a_member_gets_the_metrics_as_they_are_described(served: Any) -> None:
    metrics = Metrics()
    metrics.watch(served.view)
    application = api_application(served.view, metrics, RateLimit(1, 1))

    async def as_member(scope: Scope, receive: Receive, send: Send) -> None:
        scope["gchain.member"] = "dev"
        await application(scope, receive, send)

    answer = asyncio.run(in_process(as_member, "GET", "/metrics"))
    assert (answer.status_code, "gchain_height" in answer.text) == (200, True)
    served.contract.check(answer)


@pytest.mark.parametrize(
    ("event", "data"),
    [("block", {"height": 1}), ("block", {"first": 1, "last": 1}), ("gap", {"first": 1}), ("other", {})],
)
def test_an_event_that_is_not_as_described_is_found(served: Any, event: str, data: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        served.contract.check_event(event, data)


def anchored(served: Any) -> str:
    """The digest of a report that an officer anchored and the node has."""
    raw = b"{}"
    args = {"kind": "attestation", "digest": hashlib.sha256(raw).digest(), "verdict": "pass"}
    with Client(str(served.api.base_url)) as client:
        key = served.member.keys["officer"]
        client.transact("compliance", "anchor", args, key=key, signer=served.member.officer).raise_for_code()
    digest = hashlib.sha256(raw).hexdigest()
    assert served.api.put(f"/v1/reports/{digest}", content=raw).status_code == 200
    return digest


def propose(served: Any) -> str:
    """An open proposal's id, as the ledger would have it with more members than the one of this ledger."""
    proposal = {"id": "p1", "kind": "officer.remove", "args": {"member": "dev"}, "proposer": "dev/a", "height": 2}
    shown = {
        "governance/proposals": {"open": ["p1"], "closed": 0},
        "governance/proposals/p1": proposal | {"closes_height": 9, "ballots": {"dev": "yes"}, "status": "open"},
    }
    real: Callable[[str], Any] = served.view.state
    served.view.state = lambda path: shown[path] if path in shown else real(path)
    return "p1"


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/v1/tx/none", {}, 400),
        (f"/v1/tx/{'00' * 32}", {}, 404),
        ("/v1/receipts/none", {}, 400),
        (f"/v1/receipts/{'00' * 32}", {}, 404),
        (f"/v1/receipts/{'00' * 32}/cose", {}, 404),
        ("/v1/blocks/100000", {}, 404),
        ("/v1/blocks/x", {}, 404),
        ("/v1/blocks", {"limit": 51}, 400),
        ("/v1/headers/100000", {}, 404),
        ("/v1/members/nobody", {}, 404),
        ("/v1/members", {"limit": "x"}, 400),
        ("/v1/proposals/none", {}, 404),
        ("/v1/proposals", {"limit": 0}, 400),
        ("/v1/query/elsewhere", {}, 404),
        ("/v1/query/members", {"height": 100000}, 409),
        ("/v1/query/members", {"height": "x"}, 400),
        ("/v1/log/consistency", {"old": "x", "new": 1}, 400),
        ("/v1/log/consistency", {"old": 1, "new": 100000}, 404),
        ("/v1/log/cosigned", {}, 404),
        (f"/v1/reports/{'00' * 32}", {}, 404),
        ("/v1/export", {"from": "x"}, 400),
        ("/v1/export", {"from": 100000}, 409),
        ("/tile/x", {}, 404),
        ("/metrics", {}, 403),
    ],
)
def test_an_error_answers_what_the_description_says(
    served: Any, path: str, params: dict[str, Any], status: int
) -> None:
    answer = served.api.get(path, params=params)
    assert answer.status_code == status
    assert str(status) in {seen for _, _, seen in served.contract.seen}


def answer_to(path: str, status: int, body: Any) -> httpx.Response:
    return httpx.Response(status, json=body, request=httpx.Request("GET", f"http://node{path}"))


GOOD = {"ready": True, "not_ready": []}


def test_an_answer_that_the_description_has_passes_and_others_are_named() -> None:
    Contract().check(answer_to("/readyz", 200, GOOD))
    for path, status, body, words in [
        ("/readyz", 200, GOOD | {"more": 1}, "'more' was unexpected"),
        ("/readyz", 200, {"ready": True}, "'not_ready' is a required property"),
        ("/readyz", 200, GOOD | {"ready": "yes"}, "is not of type 'boolean'"),
        ("/readyz", 418, GOOD, "status 418 has no description"),
        ("/v1/nothing", 200, {}, "has no description"),
        ("/v1/tx/00", 200, {"hash": "00"}, "is a required property"),
        ("/v1/tx/00", 404, {"detail": "gone"}, "'error' is a required property"),
    ]:
        with pytest.raises(AssertionError, match=words):
            Contract().check(answer_to(path, status, body))


def test_a_route_that_loses_its_description_is_found() -> None:
    poorer = copy.deepcopy(DESCRIPTION)
    del poorer["paths"]["/v1/status"]
    with pytest.raises(AssertionError, match="/v1/status has no description"):
        Contract(json.loads(json.dumps(poorer))).check(answer_to("/v1/status", 200, {}))
