"""Frames: what is written can be read, in any portions; what is no frame is refused before memory is spent on it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchain_node.engine.cometbft.framing import MAX_FRAME, FrameReader, encode_frame, encode_uvarint
from gchain_node.errors import EngineError


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(120)
        right.settimeout(120)
        yield left, right


@pytest.mark.parametrize(
    ("value", "encoded"), [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (MAX_FRAME, "80808032")]
)
def test_lengths_are_encoded_as_unsigned_varints(value: int, encoded: str) -> None:
    assert encode_uvarint(value).hex() == encoded


def test_a_negative_length_is_no_varint() -> None:
    with pytest.raises(ValueError, match="unsigned"):
        encode_uvarint(-1)


@given(messages=st.lists(st.binary(max_size=300), max_size=8), cut=st.integers(1, 50))
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(messages: list[bytes], cut: int) -> None:
    stream = b"".join(encode_frame(message) for message in messages)
    left, right = socket.socketpair()
    with left, right:
        for start in range(0, len(stream), cut):
            left.sendall(stream[start : start + cut])
        left.shutdown(socket.SHUT_WR)
        reader = FrameReader(right)
        assert [reader.read() for _ in messages] == messages
        assert reader.read() is None


def test_a_stream_that_ends_inside_a_message_is_an_error(ends: tuple[socket.socket, socket.socket]) -> None:
    left, right = ends
    left.sendall(encode_frame(b"whole") + encode_frame(b"cut off")[:-1])
    left.shutdown(socket.SHUT_WR)
    reader = FrameReader(right)
    assert reader.read() == b"whole"
    with pytest.raises(EngineError, match="ended inside a message"):
        reader.read()


@pytest.mark.parametrize("announcement", [encode_uvarint(101), encode_uvarint(MAX_FRAME + 1), b"\xff" * 5, b"\x80" * 5])
def test_a_length_over_the_limit_is_refused_before_the_message_is_read(
    ends: tuple[socket.socket, socket.socket], announcement: bytes
) -> None:
    left, right = ends
    left.sendall(announcement)
    with pytest.raises(EngineError, match="announced"):
        FrameReader(right, max_frame=100).read()


def test_what_has_arrived_is_taken_off_the_socket_while_earlier_messages_are_answered(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """An engine that waits for room in the socket spins on a timer."""
    left, right = ends
    left.setblocking(False)
    right.settimeout(None)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            left.send(encode_frame(bytes(4000)))
            sent += 1
    reader = FrameReader(right)
    for _ in range(17):
        assert reader.read() is not None
    with pytest.raises(BlockingIOError):
        right.recv(1, socket.MSG_DONTWAIT)
    assert sent > 17, "messages are left to answer"
    assert left.send(b"x") == 1, "there is room again"
