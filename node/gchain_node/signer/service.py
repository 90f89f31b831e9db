"""The signer's connection to the engine: dials the engine's privval listener on a unix socket, answers, dials again.

CometBFT's unix listener speaks plain length-delimited protobuf, without a secret connection, so the socket's
directory and the credentials of the peer (SO_PEERCRED) are what keeps others out. The signer is the side that dials:
a socket file that a dead engine left refuses connections, and is tried again until the new engine has bound its own.
"""

from __future__ import annotations

import logging
import socket
import struct
import threading
from collections.abc import Callable

from google.protobuf.message import DecodeError

from gchain_node._proto import privval_pb2 as privval
from gchain_node.errors import SigningRefused, StateError
from gchain_node.signer.succession import Answering
from gchain_node.signer.wire import encode, read_message

__all__ = ["SignerService"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25  # the engine waits 3 s for a signer
_log = logging.getLogger("gchain_node.signer")


class SignerService:
    """Serves one engine at a time until `stop` is called. `ready` is called once, when requests can be answered."""

    def __init__(self, signer: Answering, socket_path: str, *, engine_uid: int | None = None) -> None:
        self._signer, self._path, self._engine_uid = signer, socket_path, engine_uid
        self._stopping = threading.Event()
        self._connection: socket.socket | None = None

    def stop(self) -> None:
        """End `run`, also while it waits for the engine. May be called from a signal handler."""
        self._stopping.set()
        connection = self._connection
        if connection is not None:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # the engine was faster

    def run(self, ready: Callable[[], object] = lambda: None) -> None:
        """Dial, serve, dial again. Raises `StateError` if the journal failed."""
        ready()
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            connection = self._dial()
            if connection is None:
                self._stopping.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            with connection:
                self._connection = connection
                self._serve(connection)
                self._connection = None

    def _dial(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.connect(self._path)
            self._check_peer(connection)
        except (OSError, SigningRefused) as error:
            connection.close()
            _log.log(logging.WARNING if isinstance(error, SigningRefused) else logging.DEBUG, "no engine: %s", error)
            return None
        _log.info("connected to the engine at %s", self._path)
        return connection

    def _check_peer(self, connection: socket.socket) -> None:
        """The kernel's word on who listens (SO_PEERCRED of unix(7): pid, uid, gid)."""
        if self._engine_uid is None:
            return
        size = struct.calcsize("3i")
        _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        if uid != self._engine_uid:
            raise SigningRefused(f"{self._path} is served by uid {uid}, the engine's is {self._engine_uid}")

    def _serve(self, connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        with reader:
            while not self._stopping.is_set():
                try:
                    raw = read_message(reader.read)
                    if raw is None:
                        _log.info("the engine closed the connection")
                        return
                    answer = self._signer.handle(privval.Message.FromString(raw))
                    connection.sendall(encode(answer))
                except (OSError, DecodeError, SigningRefused) as error:
                    _log.warning("connection dropped: %s", error)
                    return
                except StateError:
                    _log.exception("the journal failed: nothing more is signed")
                    raise
                _report(answer)


def _report(answer: privval.Message) -> None:
    kind = answer.WhichOneof("sum")
    error = getattr(answer, kind).error if kind and kind != "ping_response" else None
    if error is not None and error.description:
        _log.warning("refused: %s", error.description)
