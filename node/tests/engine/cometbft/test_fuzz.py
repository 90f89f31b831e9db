"""Chance bytes on the ABCI socket: each stream is answered and closed, none hangs the server or ends its thread."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gchain_node._proto import abci_pb2 as abci
from gchain_node.app import App
from gchain_node.engine.cometbft.adapter import AbciAdapter
from gchain_node.engine.cometbft.framing import FrameReader, encode_frame, encode_uvarint
from gchain_node.engine.cometbft.server import AbciServer
from gchain_node.store import Store
from node.tests.examples import examples

PATIENCE = 60.0  # seconds until a stream that is not answered counts as a hang


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The real adapter over a node that has no height yet, as a stranger on the socket would find it."""
    where = tmp_path_factory.mktemp("abci") / "abci.sock"
    server = AbciServer(f"unix://{where}", AbciAdapter(App(Store(None))), max_frame=4096)
    server.start()
    yield where
    server.close()


def converse(path: Path, stream: bytes) -> list[abci.Response]:
    """Send a stream, close the sending side, and read answers until the server closes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(path))
        try:
            connection.sendall(stream)
            connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was all sent
        reader, answers = FrameReader(connection), []
        while (frame := _read(reader)) is not None:
            answers.append(abci.Response.FromString(frame))
        return answers


def _read(reader: FrameReader) -> bytes | None:
    try:
        return reader.read()
    except ConnectionResetError:
        return None


def assert_serves(path: Path) -> None:
    asked = (abci.Request(echo=abci.RequestEcho(message="still here")), abci.Request(flush=abci.RequestFlush()))
    echo, flush = converse(path, b"".join(encode_frame(request.SerializeToString()) for request in asked))
    assert echo.echo.message == "still here"
    assert flush.WhichOneof("value") == "flush"


KINDS = [field.name for field in abci.Request.DESCRIPTOR.fields]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A frame whose content is a request of some kind with chance fields, or a mutated one."""
    field = abci.Request.DESCRIPTOR.fields_by_name[draw(st.sampled_from(KINDS))]
    body = draw(st.binary(max_size=60))
    message = encode_uvarint(field.number << 3 | 2) + encode_uvarint(len(body)) + body
    return encode_frame(message)


STREAMS = st.lists(st.binary(max_size=60) | requests(), max_size=5).map(b"".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(300))
@given(stream=STREAMS)
@example(stream=b"\xff" * 100)
@example(stream=b"\x80\x80\x80\x80\x80\x80")
@example(stream=encode_uvarint(4097))
@example(stream=encode_frame(b"")[:1] + encode_frame(b"\x0a\xff\xff\xff\xff\x0f"))
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stream_of_chance_bytes_is_answered_and_closed(path: Path, stream: bytes) -> None:
    answers = converse(path, stream)
    exceptions = [answer for answer in answers if answer.WhichOneof("value") == "exception"]
    assert len(exceptions) <= 1
    assert not exceptions or answers[-1] is exceptions[0], "nothing is answered after an exception"


def test_the_server_serves_after_all_of_that(path: Path) -> None:
    for stream in (b"", b"\x00", b"\xff" * 10_000, encode_frame(b"\x1a\x00") * 50):
        converse(path, stream)
        assert_serves(path)
