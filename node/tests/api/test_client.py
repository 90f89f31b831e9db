"""The Python client, synchronous and on an event loop, against a real listener."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import ssl
import types
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gchain_node.client import AsyncClient, Client
from gchain_node.codes import Code
from gchain_node.errors import (
    ApiError,
    ConfigurationError,
    NodeError,
    NotCommitted,
    NotFoundOnLedger,
    RateLimited,
    ReadForbidden,
    RequestRefused,
    TransactionError,
    VerificationError,
)
from gchain_node.keys.file_key import FileKey

COMMITMENT = hashlib.sha256(b"document").digest()


def url(served: Any) -> str:
    return str(served.api.base_url)


def test_a_record_is_committed_read_with_proof_and_receipted(served: Any) -> None:
    key = served.member.keys["member"]
    with Client(url(served), trust=served.trust) as client:
        outcome = client.transact("records", "commit", {"id": "r1", "commitment": COMMITMENT}, key=key, signer="dev")
        assert outcome.raise_for_code().committed
        answer = client.query("records/r1", prove=True)
        assert answer.proven
        assert answer.value["commitment"] == COMMITMENT
        assert client.query("records/none", prove=True).value is None
        assert client.receipt(outcome.hash)["chain_id"] == "gchain-dev"


def test_a_refusal_is_an_outcome_that_can_be_raised(served: Any) -> None:
    with Client(url(served)) as client:
        outcome = client.transact("records", "erase", {}, key=served.member.keys["member"], signer="dev")
    assert (outcome.committed, outcome.code) == (False, Code.UNKNOWN_ACTION)
    with pytest.raises(TransactionError) as caught:
        outcome.raise_for_code()
    assert caught.value.code == Code.UNKNOWN_ACTION


def test_evidence_of_another_ledger_is_refused(served: Any) -> None:
    served.commit("r1")
    foreign = replace(served.trust, chain_id="another-ledger")
    with Client(url(served), trust=foreign) as client, pytest.raises(VerificationError, match="another-ledger"):
        client.query("records/r1", prove=True)


def test_a_receipt_that_nobody_verified_must_be_asked_for_in_so_many_words(served: Any) -> None:
    hash_ = bytes.fromhex(served.commit("r1")["hash"])
    with Client(url(served)) as client:
        with pytest.raises(VerificationError, match="without the ledger's trust file"):
            client.receipt(hash_)
        assert client.receipt(hash_, verified=False)["chain_id"] == "gchain-dev"
    foreign = replace(served.trust, chain_id="another-ledger")
    with Client(url(served), trust=foreign) as client, pytest.raises(VerificationError, match="another-ledger"):
        client.receipt(hash_)


@pytest.mark.slow
def test_clients_that_share_a_signer_both_succeed(served: Any) -> None:
    key = served.member.keys["member"]

    async def commit_all() -> list[int]:
        async with AsyncClient(url(served)) as client:
            args = [{"id": f"r{number}", "commitment": COMMITMENT} for number in range(8)]
            tasks = [client.transact("records", "commit", arg, key=key, signer="dev") for arg in args]
            return [outcome.code for outcome in await asyncio.gather(*tasks)]

    assert asyncio.run(commit_all()) == [0] * 8


class Flaky(httpx.BaseTransport):
    """Fails the first requests in different ways, then lets them through."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.seen = 0
        self._real = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen += 1
        if self.seen <= self.failures:
            if self.seen % 2:
                raise httpx.ConnectError("connection refused", request=request)
            return httpx.Response(503, json={"error": {"status": 503, "message": "busy"}})
        return self._real.handle_request(request)

    def close(self) -> None:
        self._real.close()


def test_a_node_that_is_away_for_a_moment_is_asked_again(served: Any) -> None:
    transport = Flaky(2)
    with Client(url(served), transport=transport) as client:
        assert client.get("/v1/status")["chain_id"] == "gchain-dev"
    assert transport.seen == 3


def test_an_answer_that_is_no_node_is_an_error() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="<html>"))
    with Client("http://node.test", transport=transport) as client, pytest.raises(ApiError, match="without JSON"):
        client.get("/v1/status")


NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reading the system's trust store takes longer than the tests
STRANGE: list[Any] = [
    *(None, True, 7, "text", [], {}),
    *({"error": said} for said in ("bad gateway", None, 7, [], {}, {"message": 7})),
    {"code": 0},
    {"code": "x", "height": "x"},
    {"code": 0, "height": None, "value_cbor": "AA"},
    {"code": 0, "height": 1, "value_cbor": "_w", "proof": "_w"},
    {"code": 0, "height": 1, "value_cbor": "_w", "proof": 7, "header": {}},
    {"code": 0, "height": float("inf"), "chain_id": [], "value_cbor": ""},
    {"code": 0, "height": 1, "value_cbor": 7},
    {"hash": "x", "committed": True},
    {"hash": 7, "committed": True, "code": [], "log": None},
]
OPERATIONS: dict[str, Callable[[Client], Any]] = {
    "query": lambda client: client.query("records/r1"),
    "query with proof": lambda client: client.query("records/r1", prove=True),
    "saved proof": lambda client: client.saved_proof("records/r1"),
    "submit": lambda client: client.submit(b"bytes", timeout=0.1),
    "build": lambda client: client.build(
        "m", "a", {}, key=FileKey(ec.generate_private_key(ec.SECP256R1())), signer="s"
    ),
    "events": lambda client: next(client.events()),
}


@pytest.mark.parametrize("body", STRANGE, ids=lambda body: json.dumps(body)[:40])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_answer_of_another_shape_is_an_error_of_the_clients_own(operation: str, body: Any) -> None:
    """From a proxy, from another program at that address, from a node that lies: `NodeError`, and soon."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=json.dumps(body)))
    with Client("http://node.test", transport=transport, verify=NO_TLS) as client, pytest.raises(NodeError):
        OPERATIONS[operation](client)


@pytest.mark.parametrize("error", ["bad gateway", 7, None, {"message": "bad gateway"}], ids=repr)
def test_an_error_in_another_shape_has_the_class_of_its_status(error: Any) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(403, json={"error": error}))
    with Client("http://node.test", transport=transport) as client, pytest.raises(ReadForbidden):
        client.get("/v1/status")


@pytest.mark.parametrize("data", ["7", "[]", "{", "null"])
def test_a_stream_that_holds_what_is_no_event_is_an_error(data: str) -> None:
    head = {"content-type": "text/event-stream"}
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, headers=head, text=f"id: 1\nevent: block\ndata: {data}\n\n")
    )
    with Client("http://node.test", transport=transport) as client, pytest.raises(ApiError, match="no event"):
        next(client.events())


def test_an_outcome_of_another_transaction_is_not_believed() -> None:
    body = {"hash": "00" * 32, "committed": True, "code": 0, "log": "", "height": 1, "index": 0}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=body))
    with Client("http://node.test", transport=transport) as client, pytest.raises(ApiError, match="not for"):
        client.submit(b"some transaction")


class _LosesTheFirstAnswer(httpx.HTTPTransport):
    """Passes everything on, but the first answer to a submission is lost and the next one says: number used."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            return super().handle_request(request)
        self.bodies.append(request.read())
        if len(self.bodies) == 1:
            super().handle_request(request).read()
            raise httpx.ReadError("the connection broke")
        hash_ = hashlib.sha256(self.bodies[-1]).hexdigest()
        refusal = {"hash": hash_, "committed": False, "code": int(Code.NONCE_USED), "log": "used"}
        return httpx.Response(200, json=refusal, request=request)


def test_an_action_whose_answer_was_lost_is_not_carried_out_a_second_time(served: Any) -> None:
    transport = _LosesTheFirstAnswer()
    with Client(url(served), transport=transport) as client:
        key = served.member.keys["member"]
        args = {"id": "lost", "commitment": COMMITMENT}
        outcome = client.transact("records", "commit", args, key=key, signer="dev")
    assert (outcome.committed, outcome.code) == (True, Code.OK)
    assert len(set(transport.bodies)) == 1


class _Nodes(httpx.BaseTransport):
    """Two names for one node; what is in `away` does not answer. `asked` is who was asked what."""

    def __init__(self, served: Any, *away: str) -> None:
        self._real, self._url = httpx.HTTPTransport(), httpx.URL(url(served))
        self.away, self.asked, self.bodies = set(away), list[str](), list[bytes]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.host)
        if request.url.host in self.away:
            raise httpx.ConnectError("connection refused", request=request)
        if request.method == "POST":
            self.bodies.append(request.read())
        to = request.url.copy_with(host=self._url.host, port=self._url.port)
        headers = {**request.headers, "host": f"{to.host}:{to.port}"}
        return self._real.handle_request(httpx.Request(request.method, to, headers=headers, content=request.read()))

    def close(self) -> None:
        self._real.close()


BOTH = ["http://one.test", "http://two.test/"]


def test_a_node_that_is_away_is_left_for_the_next_and_the_client_stays_there(served: Any) -> None:
    transport = _Nodes(served, "one.test")
    with Client(BOTH, transport=transport) as client:
        for _ in range(2):
            assert client.get("/v1/status")["chain_id"] == "gchain-dev"
        assert transport.asked == ["one.test", "two.test", "two.test"]
        transport.away = {"two.test"}
        assert client.get("/v1/status")["chain_id"] == "gchain-dev"
        assert transport.asked[3:] == ["two.test", "one.test"]


def test_a_node_that_goes_away_while_a_transaction_waits_gets_the_same_bytes_sent_elsewhere(served: Any) -> None:
    class _LosesAnswers(_Nodes):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = super().handle_request(request)
            if request.method == "POST" and request.url.host == "one.test":
                answer.read()
                raise httpx.ReadError("the node was killed", request=request)
            return answer

    transport = _LosesAnswers(served)
    with Client(BOTH, transport=transport) as client:
        args = {"id": "elsewhere", "commitment": COMMITMENT}
        outcome = client.transact("records", "commit", args, key=served.member.keys["member"], signer="dev")
    assert (outcome.committed, outcome.code) == (True, Code.OK)
    assert len(transport.bodies) == 2
    assert len(set(transport.bodies)) == 1


def test_bytes_that_a_block_has_already_are_their_outcome_again(served: Any) -> None:
    with Client(url(served)) as client:
        args = {"id": "twice", "commitment": COMMITMENT}
        raw = client.build("records", "commit", args, key=served.member.keys["member"], signer="dev")
        assert client.submit(raw) == client.submit(raw)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/tx/" + "00" * 32, NotFoundOnLedger),
        ("/v1/tx/nonsense", RequestRefused),
    ],
)
def test_an_error_has_the_class_of_what_can_be_done_about_it(served: Any, path: str, kind: type[ApiError]) -> None:
    with Client(url(served)) as client, pytest.raises(ApiError) as caught:
        client.get(path)
    assert type(caught.value) is kind
    assert caught.value.status is not None


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that a client would wait between its attempts; here it goes on at once."""
    made: list[float] = []
    monkeypatch.setattr("gchain_node.client.synchronous.time", types.SimpleNamespace(sleep=made.append))
    return made


@pytest.mark.parametrize("status", [401, 403, 429, 504])
def test_every_refusal_has_its_class(status: int, pauses: list[float]) -> None:
    body = {"error": {"status": status, "message": "no"}}
    transport = httpx.MockTransport(lambda request: httpx.Response(status, json=body, headers={"retry-after": "0"}))
    with Client("http://node.test", transport=transport) as client, pytest.raises(ApiError) as caught:
        client.get("/v1/status")
    assert type(caught.value) is {429: RateLimited, 504: NotCommitted}.get(status, ReadForbidden)
    assert len(pauses) == (5 if status == 429 else 0), "only who asked too often is asked again"
    assert all(2 * before <= 1.5 * after for before, after in itertools.pairwise(pauses)), pauses


@pytest.mark.parametrize("bad", ["node.test:8443", "", "ftp://node.test", []])
def test_what_is_no_address_is_refused(bad: Any) -> None:
    with pytest.raises(ConfigurationError):
        Client(bad)


def test_events_go_on_at_the_next_node_after_the_last_block(served: Any) -> None:
    transport = _Nodes(served)
    with Client(BOTH, transport=transport) as client:
        served.commit("e1")
        events = client.events(after=0)
        first = [next(events) for _ in range(2)]
        transport.away = {"one.test"}
        client._http.close()  # every stream of this client breaks
        client._http = httpx.Client(transport=transport)
        served.commit("e2")
        heights = [event.height for event in first]
        for event in events:
            heights.append(event.height)
            if any(row["code"] == 0 for row in event.data["transactions"]) and event.height > heights[1] + 1:
                break
    assert heights == list(range(1, len(heights) + 1)), "none twice, none left out"


def test_events_can_be_asked_of_one_module(served: Any) -> None:
    served.commit("only")
    with Client(url(served)) as client:
        event = next(client.events(after=0, module="records"))
    assert event.kind == "block"
    assert len(event.data["transactions"]) == 1


def test_events_that_no_node_gives_end_with_an_error(pauses: list[float]) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(503, json={}))
    with Client("http://node.test", transport=transport) as client, pytest.raises(ApiError, match="6 attempts"):
        next(client.events())
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2]


def test_an_event_loops_client_bounds_what_it_has_under_way() -> None:
    seen = {"now": 0, "most": 0}

    async def slow(request: httpx.Request) -> httpx.Response:
        seen["now"] += 1
        seen["most"] = max(seen["most"], seen["now"])
        await asyncio.sleep(0.01)
        seen["now"] -= 1
        hash_ = hashlib.sha256(await request.aread()).hexdigest()
        return httpx.Response(200, json={"hash": hash_, "committed": True, "code": 0, "log": "", "height": 1})

    async def submit_all() -> list[Any]:
        async with AsyncClient("http://node.test", transport=httpx.MockTransport(slow), max_in_flight=3) as client:
            return await asyncio.gather(*(client.submit(bytes([n])) for n in range(12)))

    assert all(outcome.committed for outcome in asyncio.run(submit_all()))
    assert seen["most"] == 3


def test_events_on_an_event_loop(served: Any) -> None:
    served.commit("async")

    async def first() -> Any:
        async with AsyncClient(url(served)) as client:
            return await anext(client.events(after=0, module="records"))

    assert asyncio.run(first()).data["transactions"][0]["code"] == 0
