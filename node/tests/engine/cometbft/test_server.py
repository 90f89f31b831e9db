"""The ABCI server over a real unix socket: order, Flush, exceptions, and one connection not waiting for another."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gchain_node._proto import abci_pb2 as abci
from gchain_node.engine.cometbft.framing import FrameReader, encode_frame, encode_uvarint
from gchain_node.engine.cometbft.server import AbciServer
from gchain_node.errors import ConfigurationError


class Scripted:
    """A handler that answers Info, fails on a Query for `fail`, and holds CheckTx until `release` is set."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.entered = threading.Event()

    def __call__(self, request: abci.Request) -> bytes:
        return bytes(self._answer(request).SerializeToString())

    def _answer(self, request: abci.Request) -> abci.Response:
        match request.WhichOneof("value"):
            case "info":
                return abci.Response(info=abci.ResponseInfo(data=request.info.version))
            case "check_tx":
                self.entered.set()
                assert self.release.wait(120), "the test did not release CheckTx"
                return abci.Response(check_tx=abci.ResponseCheckTx(code=7))
            case kind:
                raise RuntimeError(f"scripted failure at {kind}")


class Client:
    def __init__(self, path: Path) -> None:
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(120)
        self.connection.connect(str(path))
        self._reader = FrameReader(self.connection)

    def send(self, *requests: abci.Request) -> None:
        self.connection.sendall(b"".join(encode_frame(request.SerializeToString()) for request in requests))

    def receive(self) -> abci.Response | None:
        frame = self._reader.read()
        return None if frame is None else abci.Response.FromString(frame)


FLUSH = abci.Request(flush=abci.RequestFlush())


def info(version: str) -> abci.Request:
    return abci.Request(info=abci.RequestInfo(version=version))


@pytest.fixture
def handler() -> Iterator[Scripted]:
    handler = Scripted()
    yield handler
    handler.release.set()


@pytest.fixture
def failures() -> list[Exception]:
    return []


@pytest.fixture
def path(tmp_path: Path, handler: Scripted, failures: list[Exception]) -> Iterator[Path]:
    server = AbciServer(f"unix://{tmp_path}/abci.sock", handler, on_failure=failures.append, max_frame=1000)
    server.start()
    yield tmp_path / "abci.sock"
    handler.release.set()
    server.close()


@pytest.fixture
def client(path: Path) -> Iterator[Client]:
    client = Client(path)
    yield client
    client.connection.close()


def test_answers_come_in_the_order_of_requests(client: Client) -> None:
    client.send(info("a"), abci.Request(echo=abci.RequestEcho(message="b")), info("c"), FLUSH)
    answers = [client.receive() for _ in range(4)]
    assert [answer and answer.WhichOneof("value") for answer in answers] == ["info", "echo", "info", "flush"]
    assert answers[1] is not None
    assert answers[1].echo.message == "b"


def test_flush_is_answered_at_once_although_another_connection_is_busy(
    client: Client, path: Path, handler: Scripted
) -> None:
    busy = Client(path)
    busy.send(abci.Request(check_tx=abci.RequestCheckTx(tx=b"x")), FLUSH)
    assert handler.entered.wait(120)
    client.send(info("consensus"), FLUSH)
    first, second = client.receive(), client.receive()
    assert first is not None
    assert first.info.data == "consensus"
    assert second is not None
    assert second.WhichOneof("value") == "flush"
    handler.release.set()
    answer = busy.receive()
    assert answer is not None
    assert answer.check_tx.code == 7
    busy.connection.close()


def test_an_exception_is_answered_and_ends_the_connection(
    client: Client, failures: list[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    client.send(info("before"), abci.Request(query=abci.RequestQuery(path="x")), FLUSH)
    before, answer = client.receive(), client.receive()
    assert before is not None
    assert before.info.data == "before"
    assert answer is not None
    assert answer.exception.error == "RuntimeError: scripted failure at query"
    assert client.receive() is None
    assert [str(failure) for failure in failures] == ["scripted failure at query"]
    assert "scripted failure at query" in caplog.text


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (encode_uvarint(1001), "announced"),
        (encode_frame(b"\xff\xff\xff"), "no ABCI request"),
        (encode_frame(b""), "no kind that CometBFT v0.38 sends"),
        (encode_frame(b"\x22\x00"), "no kind that CometBFT v0.38 sends"),
    ],
    ids=["oversize", "no protobuf", "empty", "a request of ABCI 0.x"],
)
def test_what_is_no_request_gets_an_exception_not_a_hang(client: Client, stream: bytes, said: str) -> None:
    client.connection.sendall(stream)
    answer = client.receive()
    assert answer is not None
    assert said in answer.exception.error
    assert client.receive() is None


def test_a_connection_that_failed_leaves_the_others_working(client: Client, path: Path) -> None:
    broken = Client(path)
    broken.connection.sendall(encode_frame(b"\xff"))
    broken.receive()
    client.send(info("still here"), FLUSH)
    answer = client.receive()
    assert answer is not None
    assert answer.info.data == "still here"
    broken.connection.close()


def test_a_socket_file_left_by_a_killed_node_is_replaced(tmp_path: Path, handler: Scripted) -> None:
    left_over = socket.socket(socket.AF_UNIX)
    left_over.bind(str(tmp_path / "abci.sock"))
    left_over.close()
    server = AbciServer(f"unix://{tmp_path}/abci.sock", handler)
    server.start()
    client = Client(tmp_path / "abci.sock")
    client.send(info("x"), FLUSH)
    assert client.receive() is not None
    client.connection.close()
    server.close()
    assert not (tmp_path / "abci.sock").exists()


def test_a_second_node_at_the_same_socket_is_refused(path: Path, handler: Scripted) -> None:
    with pytest.raises(ConfigurationError, match="already listens"):
        AbciServer(f"unix://{path}", handler).start()


def test_a_missing_directory_is_named(tmp_path: Path, handler: Scripted) -> None:
    with pytest.raises(ConfigurationError, match="cannot listen at"):
        AbciServer(f"unix://{tmp_path}/missing/abci.sock", handler).start()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:26658", "unix://relative.sock", "/run/abci.sock"])
def test_only_an_absolute_unix_socket_is_an_address(address: str, handler: Scripted) -> None:
    with pytest.raises(ConfigurationError, match="unix:///"):
        AbciServer(address, handler)
