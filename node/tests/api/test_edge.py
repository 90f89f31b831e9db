"""A client that is slow, greedy or does not read costs the others nothing: on real sockets, by what happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gchain_node.api.answers import EXCEPTION_HANDLERS
from gchain_node.api.edge import EdgeLimits, EdgeProtocol
from gchain_node.api.limits import RateLimit
from gchain_node.api.listeners import Listener, bind
from gchain_node.api.middleware import BodyLimits, RequestRate
from gchain_node.config import Listen

LONG = 120.0  # seconds, for what must not happen in a test
SHORT = 0.3
CHUNK = b"x" * 65_536


@dataclass
class Server:
    """A listener with an endpoint that reads a body and one that never stops to answer."""

    limits: EdgeLimits
    reads: RateLimit = field(default_factory=lambda: RateLimit(1000, 1000))
    sent: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/body", self._body, methods=["POST"]),
                Route("/v1/tx", self._body, methods=["POST"]),
                Route("/endless", self._endless),
                Route("/healthz", self._healthy),
                Route("/defect", self._defect),
            ],
            middleware=[
                Middleware(RequestRate, limit=self.reads),
                Middleware(BodyLimits, max_body=1000, seconds=self.limits.request_seconds),
            ],
            exception_handlers=dict(EXCEPTION_HANDLERS),
        )

    async def _body(self, request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    async def _endless(self, request: Request) -> Response:
        return StreamingResponse(self._chunks())

    async def _healthy(self, request: Request) -> Response:
        return PlainTextResponse("alive")

    async def _defect(self, request: Request) -> Response:
        raise ZeroDivisionError("a secret of the inside")

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            while True:
                await asyncio.sleep(0)  # or nobody else has a turn, once sending ends at once
                self.sent += 1
                yield CHUNK
        finally:
            self.ended.set()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=LONG)


@contextlib.contextmanager
def serving(**changes: Any) -> Iterator[Server]:
    reads = changes.pop("reads", None)
    server = Server(EdgeLimits(**{"request_seconds": LONG, "unread_seconds": LONG} | changes))
    if reads is not None:
        server.reads = reads
    started: queue.Queue[Callable[[], None]] = queue.Queue()

    async def serve() -> None:
        with bind("test", Listen("127.0.0.1", 0)) as bound:
            listener = Listener("test", server.application(), bound, limits=server.limits)
            task = asyncio.create_task(listener.serve())
            await listener.started.wait()
            server.port = listener.port
            started.put(listener.stop)
            await task

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    stop = started.get(timeout=LONG)
    try:
        yield server
    finally:
        stop()
        thread.join(timeout=LONG)


def rest(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    found = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65_536):
            found += data
    return bytes(found)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def error_in(answer: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    return found


def test_nothing_of_an_answer_waits_for_an_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Head and body are sent one after the other, and the second would wait 40 ms for a client of a held connection."""
    delays: list[int] = []
    made = EdgeProtocol.connection_made

    def note(self: EdgeProtocol, transport: asyncio.Transport) -> None:
        connection = transport.get_extra_info("socket")
        delays.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        made(self, transport)

    monkeypatch.setattr(EdgeProtocol, "connection_made", note)
    with serving() as server, server.connect() as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert status_of(rest(client)) == 200
    assert delays == [1]


@pytest.mark.parametrize(
    "sent", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "a byte", "head"]
)
def test_a_head_that_does_not_end_is_answered_408(sent: bytes) -> None:
    with serving(request_seconds=SHORT) as server, server.connect() as slow:
        slow.sendall(sent)
        answer = rest(slow)
        assert (status_of(answer), error_in(answer)["status"]) == (408, 408)


def test_a_body_that_does_not_end_is_answered_408() -> None:
    with serving(request_seconds=SHORT) as server, server.connect() as slow:
        slow.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        answer = rest(slow)
        assert (status_of(answer), error_in(answer)["status"]) == (408, 408)
        assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("framing", [b"Content-Length: 5000", b"Transfer-Encoding: chunked"])
def test_a_body_that_is_too_long_is_answered_413_and_not_read_to_its_end(framing: bytes) -> None:
    with serving() as server, server.connect() as client:
        client.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n3E9\r\n" + b"x" * 1001)
        answer = rest(client)
        assert (status_of(answer), error_in(answer)["status"]) == (413, 413)


@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01 hello\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\nbad\0header\r\n\r\n"],
    ids=["TLS to a plain port", "a line without a version", "a header with a NUL"],
)
def test_what_is_not_http_is_answered_400(sent: bytes) -> None:
    with serving() as server, server.connect() as client:
        client.sendall(sent)
        answer = rest(client)
        assert (status_of(answer), error_in(answer)["status"]) == (400, 400)


def test_a_body_whose_framing_is_broken_is_answered_400() -> None:
    with serving() as server, server.connect() as client:
        client.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnot a length\r\n")
        answer = rest(client)
        assert (status_of(answer), error_in(answer)["status"]) == (400, 400)


def test_more_connections_than_the_listener_takes_are_answered_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gchain_node.api.listeners._CONNECTIONS", 2)
    with serving() as server, server.connect(), server.connect(), server.connect() as third:
        answer = rest(third)
        assert (status_of(answer), error_in(answer)["status"]) == (503, 503)
        assert b"Retry-After" in answer


def test_a_defect_is_answered_500_without_what_it_is() -> None:
    with serving() as server:
        answer = httpx.get(f"http://127.0.0.1:{server.port}/defect", trust_env=False, timeout=LONG)
        assert (answer.status_code, answer.json()["error"]["status"]) == (500, 500)
        assert "secret" not in answer.text
        assert httpx.get(f"http://127.0.0.1:{server.port}/healthz", trust_env=False, timeout=LONG).text == "alive"


def test_the_second_request_of_a_connection_has_a_deadline_too() -> None:
    with serving(request_seconds=SHORT) as server, server.connect() as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hea")
        first, _, second = rest(slow).partition(b"alive")
        assert (status_of(first), status_of(second)) == (200, 408)


def test_a_request_in_pieces_is_answered_within_its_time() -> None:
    with serving() as server, server.connect() as slow:
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc":
            slow.sendall(bytes([byte]))
        answer = rest(slow)
        assert status_of(answer) == 200
        assert answer.endswith(b"3")


def test_a_client_that_does_not_read_is_cut_off_and_nothing_piles_up() -> None:
    with serving(unread_seconds=SHORT) as server, server.connect() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        deaf.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.ended.wait(LONG), "the stream of a client that does not read goes on"
        assert server.sent * len(CHUNK) < 64 * 1024 * 1024
        assert httpx.get(f"http://127.0.0.1:{server.port}/healthz", trust_env=False, timeout=LONG).text == "alive"


@pytest.mark.slow
def test_a_client_that_reads_is_not_cut_off_however_long_it_takes() -> None:
    with serving(unread_seconds=3.0) as server, server.connect() as reader:
        reader.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        end = time.monotonic() + 4.0
        while time.monotonic() < end:
            assert reader.recv(65_536), "the connection ended while its client was reading"
            time.sleep(0.01)  # slower than what is sent: some of it always waits
        assert not server.ended.is_set()


def test_an_address_has_its_share_of_connections_and_gets_it_back() -> None:
    with serving(connections_per_client=2) as server:
        with server.connect() as first, server.connect() as second:
            for connection in (first, second):
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert status_of(connection.recv(1024)) == 200
            with server.connect() as third:
                answer = rest(third)
            assert (status_of(answer), error_in(answer)["status"]) == (429, 429)
            assert b"Retry-After" in answer
        until_served(server)


def until_served(server: Server) -> None:
    """Returns once the server has noticed that connections are closed."""
    for _ in range(1000):
        with server.connect() as again:
            again.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = rest(again)
        if answer and status_of(answer) == 200:
            return
    raise AssertionError("the share of closed connections was not given back")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_requests_of_every_kind_are_limited_but_for_health_and_what_has_a_rate_of_its_own(method: str) -> None:
    with (
        serving(reads=RateLimit(0.001, 2)) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=LONG) as client,
    ):
        assert [client.request(method, "/none").status_code for _ in range(3)] == [404, 404, 429]
        refused = client.request(method, "/none")
        assert refused.json()["error"]["status"] == 429
        assert int(refused.headers["retry-after"]) > 0
        assert client.get("/healthz").status_code == 200
        assert client.post("/v1/tx", content=b"abc").text == "3"
        assert client.post("/body", content=b"abc").status_code == 429
        assert client.post("/healthz", content=b"abc").status_code == 429
