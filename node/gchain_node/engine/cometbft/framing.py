"""Frames of CometBFT's socket protocols: an unsigned varint length, then that many bytes of protobuf.

Source: CometBFT v0.38 specification, ABCI client-server, "TSP"; `libs/protoio`; varints as in Protocol Buffers.
"""

from __future__ import annotations

import socket
from typing import Final

from gchain_node.errors import EngineError

__all__ = ["MAX_FRAME", "FrameReader", "encode_frame", "encode_uvarint"]

MAX_FRAME: Final = 104_857_600  # the engine's own limit, abci/types/messages.go
_MAX_LENGTH_BYTES: Final = 5  # of a varint up to MAX_FRAME, with room to see that one is larger
_READ_SIZE: Final = 1 << 18
_DRAIN_EVERY: Final = 16  # messages
_DRAIN_LIMIT: Final = 16 << 20  # bytes that wait here before the peer is left to wait


def encode_uvarint(value: int) -> bytes:
    """`value` in base 128, low group first, a set high bit on all groups but the last."""
    if value < 0:
        raise ValueError(f"a varint here is unsigned; got {value}")
    groups = bytearray()
    while value > 0x7F:
        groups.append(0x80 | (value & 0x7F))
        value >>= 7
    groups.append(value)
    return bytes(groups)


def encode_frame(message: bytes) -> bytes:
    return encode_uvarint(len(message)) + message


class FrameReader:
    """Reads frames off a stream socket, several a system call where they came together.

    What has arrived is taken off the socket also while earlier messages are being answered: CometBFT v0.38 meant 20 ms
    and wrote 20 ns for the timer that flushes its requests (abci/client/socket_client.go, flushThrottleMS), so an
    engine that waits for room in the socket spins on that timer and takes a core from whoever should make the room.

    Args:
        connection: a connected stream socket.
        max_frame: longest message accepted, in bytes.
    """

    def __init__(self, connection: socket.socket, *, max_frame: int = MAX_FRAME) -> None:
        self._connection = connection
        self._max_frame = max_frame
        self._buffer = bytearray()
        self._until_drain = _DRAIN_EVERY

    def read(self) -> bytes | None:
        """The next message, or None when the peer closed the stream between two messages.

        Raises:
            EngineError: the length is malformed or over the limit, or the stream ended inside a message.
        """
        self._until_drain -= 1
        if not self._until_drain:
            self._drain()
        while True:
            message = self._take()
            if message is not None:
                return message
            received = self._connection.recv(_READ_SIZE)
            if not received:
                break
            self._buffer += received
        if self._buffer:
            raise EngineError(f"the stream ended inside a message, {len(self._buffer)} bytes into it")
        return None

    def _drain(self) -> None:
        """Take what has arrived, without waiting for more."""
        self._until_drain = _DRAIN_EVERY
        while len(self._buffer) < _DRAIN_LIMIT:
            try:
                received = self._connection.recv(_READ_SIZE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            if not received:  # the end of the stream: the next read finds it again
                return
            self._buffer += received

    def _take(self) -> bytes | None:
        """Cut one complete message off the buffer; None when there is none yet."""
        span = self._span()
        if span is None:
            return None
        start, end = span
        message = bytes(self._buffer[start:end])
        del self._buffer[:end]
        return message

    def _span(self) -> tuple[int, int] | None:
        """Where the first message in the buffer starts and ends; None when it is not complete yet."""
        header = self._length()
        if header is None:
            return None
        length, start = header
        return (start, start + length) if len(self._buffer) >= start + length else None

    def _length(self) -> tuple[int, int] | None:
        """The message's length and where it starts; None when the length itself is not complete yet."""
        length = 0
        for position, group in enumerate(bytes(self._buffer[:_MAX_LENGTH_BYTES])):
            length |= (group & 0x7F) << (7 * position)
            if length > self._max_frame:
                raise EngineError(f"a message of {length} bytes or more was announced; the limit is {self._max_frame}")
            if not group & 0x80:
                return length, position + 1
        if len(self._buffer) >= _MAX_LENGTH_BYTES:
            raise EngineError(f"a length of more than {_MAX_LENGTH_BYTES} bytes was announced")
        return None
