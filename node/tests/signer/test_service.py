from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gchain_node._proto import privval_pb2 as privval
from gchain_node._proto import types_pb2 as types
from gchain_node.keys import verify_signature
from gchain_node.signer.journal import Identity, Journal
from gchain_node.signer.service import SignerService
from gchain_node.signer.sign_bytes import vote_sign_bytes
from gchain_node.signer.signer import Signer
from gchain_node.signer.wire import encode, read_message

PATIENCE = 120.0


class Engine:
    """The engine's side: a unix listener that asks, as CometBFT's SignerListenerEndpoint does."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._listener.settimeout(PATIENCE)
        self.connection: socket.socket | None = None

    def accept(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = self._listener.accept()[0]
        self.connection.settimeout(PATIENCE)

    def ask(self, request: privval.Message) -> privval.Message:
        assert self.connection is not None
        self.connection.sendall(encode(request))
        with self.connection.makefile("rb") as reader:
            raw = read_message(reader.read)
        assert raw is not None
        return privval.Message.FromString(raw)

    def is_dropped(self) -> bool:
        assert self.connection is not None
        return self.connection.recv(1) == b""

    def hang_up(self) -> None:
        assert self.connection is not None
        self.connection.close()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self._listener.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "privval.sock"


Start = Callable[..., SignerService]


@pytest.fixture
def start(path: Path, crashing_storage: Any, recording_key: Any) -> Iterator[Start]:
    running: list[tuple[SignerService, threading.Thread]] = []

    def begin(**more: Any) -> SignerService:
        journal = Journal.create(crashing_storage(1), Identity("c", recording_key.kid.hex(), 1))
        service = SignerService(Signer(recording_key, journal), str(path), **more)
        thread = threading.Thread(target=service.run)
        thread.start()
        running.append((service, thread))
        return service

    yield begin
    for service, thread in running:
        service.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    opened = Engine(path)
    yield opened
    opened.close()


PING = privval.Message(ping_request=privval.PingRequest())


def _vote_request(height: int) -> privval.Message:
    vote = types.Vote(type=1, height=height)
    vote.timestamp.seconds = 9
    return privval.Message(sign_vote_request=privval.SignVoteRequest(vote=vote, chain_id="c"))


def test_it_dials_and_answers(engine: Engine, start: Start, recording_key: Any) -> None:
    start()
    engine.accept()
    assert engine.ask(PING).WhichOneof("sum") == "ping_response"
    asked = engine.ask(privval.Message(pub_key_request=privval.PubKeyRequest(chain_id="c")))
    assert asked.pub_key_response.pub_key.ed25519 == recording_key.public_key.public_bytes_raw()
    vote = engine.ask(_vote_request(1)).signed_vote_response.vote
    verify_signature(recording_key.public_key, vote_sign_bytes("c", vote), vote.signature)


def test_a_refusal_is_an_error_in_the_answer_and_the_connection_stays(engine: Engine, start: Start) -> None:
    start()
    engine.accept()
    engine.ask(_vote_request(5))
    refused = engine.ask(_vote_request(4)).signed_vote_response
    assert refused.error.code == 1
    assert "height_regression" in refused.error.description
    assert engine.ask(PING).WhichOneof("sum") == "ping_response"


def test_it_dials_again_when_the_engine_hangs_up(engine: Engine, start: Start) -> None:
    start()
    for _ in range(3):
        engine.accept()
        assert engine.ask(PING).WhichOneof("sum") == "ping_response"
        engine.hang_up()


def test_a_socket_that_a_dead_engine_left_is_survived(path: Path, start: Start) -> None:
    stale = Engine(path)
    stale.close()
    assert path.exists()
    start()
    fresh = Engine(path)
    fresh.accept()
    assert fresh.ask(PING).WhichOneof("sum") == "ping_response"
    fresh.close()


def test_it_waits_for_an_engine_that_is_not_there_yet(path: Path, start: Start) -> None:
    start()
    late = Engine(path)
    late.accept()
    assert late.ask(PING).WhichOneof("sum") == "ping_response"
    late.close()


@pytest.mark.parametrize("raw", [b"\xff\xff\xff\xff\x0f", b"\x81\x50", b"\x03\xff\xff\xff", b"\x00", b"\x02\x42\x00"])
def test_bytes_that_are_no_request_end_the_connection_and_not_the_signer(
    engine: Engine, start: Start, raw: bytes
) -> None:
    start()
    engine.accept()
    assert engine.connection is not None
    engine.connection.sendall(raw)
    assert engine.is_dropped()
    engine.accept()
    assert engine.ask(PING).WhichOneof("sum") == "ping_response"


def test_a_listener_of_the_expected_user_is_served(engine: Engine, start: Start) -> None:
    start(engine_uid=os.geteuid())
    engine.accept()
    assert engine.ask(PING).WhichOneof("sum") == "ping_response"


def test_a_listener_of_another_user_gets_no_answer(engine: Engine, start: Start, recording_key: Any) -> None:
    start(engine_uid=os.geteuid() + 1)
    engine.accept()
    assert engine.connection is not None
    assert engine.is_dropped()
    assert not recording_key.asked


def test_readiness_is_told_before_the_engine_is_there(path: Path, crashing_storage: Any, recording_key: Any) -> None:
    journal = Journal.create(crashing_storage(1), Identity("c", recording_key.kid.hex(), 1))
    service = SignerService(Signer(recording_key, journal), str(path))
    service.run(ready=service.stop)  # ends: ready was called, although nobody listens
