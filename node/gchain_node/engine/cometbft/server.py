"""The ABCI socket server: one thread a connection, answers in the order of requests.

The engine opens four connections (consensus, mempool, query, snapshot). Each has a thread of its own here, so that a
block never queues behind transactions that wait to be checked. What may run beside what is the handler's concern.

Guarantees to the engine:
    * every request is answered, in order, by the response of its kind or by ResponseException;
    * Flush is answered at once, together with all that was answered before it;
    * after an exception, or bytes that are no frame, the connection is closed: its state cannot be trusted.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from gchain_node._proto import abci_pb2 as abci
from gchain_node.engine.cometbft.framing import MAX_FRAME, FrameReader, encode_frame
from gchain_node.errors import ConfigurationError, EngineError

__all__ = ["AbciServer", "Handler"]

_log = logging.getLogger(__name__)

Handler = Callable[[abci.Request], bytes]
"""Answers one request by an encoded `Response`. MAY be called by several threads at a time; what it raises goes to the
engine as text.
"""

_MAX_CONNECTIONS: Final = 16  # the engine uses four; `gchain-node` tools and tests a few more
_WRITE_THRESHOLD: Final = 1 << 16
_FLUSHED: Final = abci.Response(flush=abci.ResponseFlush()).SerializeToString()


class AbciServer:
    """Serves ABCI on `address` until `close`.

    Args:
        address: `unix:///path/to/socket`.
        handler: called once a request, except for Echo and Flush.
        on_failure: called after a request ended in an exception, on the connection's thread; the process decides
            there whether it lives on.
        max_frame: longest request accepted, in bytes.
    """

    def __init__(
        self,
        address: str,
        handler: Handler,
        *,
        on_failure: Callable[[Exception], None] | None = None,
        max_frame: int = MAX_FRAME,
    ) -> None:
        self._path = _socket_path(address)
        self._handler = handler
        self._on_failure = on_failure
        self._max_frame = max_frame
        self._listener: socket.socket | None = None
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()

    @property
    def connections(self) -> int:
        """How many connections are open: 4 while the engine runs."""
        with self._lock:
            return len(self._connections)

    def start(self) -> None:
        """Listen and accept on threads of the server.

        Raises:
            ConfigurationError: the socket's directory is missing, not writable, or another process listens there.
        """
        self._listener = _listen(self._path)
        threading.Thread(target=self._accept, args=(self._listener,), name="abci-accept", daemon=True).start()

    def close(self) -> None:
        """Stop listening, end the connections after the request they are at, and remove the socket."""
        self._closing.set()
        if self._listener is not None:
            _shut(self._listener, socket.SHUT_RDWR)  # closing alone would not wake the accepting thread
            self._listener.close()
            self._path.unlink(missing_ok=True)
        with self._lock:
            open_connections = dict(self._connections)
        for connection in open_connections:
            _shut(connection, socket.SHUT_RD)
        for thread in open_connections.values():
            if thread is not threading.current_thread():
                thread.join(timeout=10)

    def _accept(self, listener: socket.socket) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                if not self._closing.is_set():
                    _log.exception("the ABCI socket %s no longer accepts", self._path)
                return
            self._admit(connection)

    def _admit(self, connection: socket.socket) -> None:
        with self._lock:
            if len(self._connections) >= _MAX_CONNECTIONS or self._closing.is_set():
                _log.warning("refused an ABCI connection: %d are open", len(self._connections))
                connection.close()
                return
            thread = threading.Thread(target=self._serve, args=(connection,), name="abci-connection", daemon=True)
            self._connections[connection] = thread
            thread.start()  # before `close` can see it: a thread that was not started cannot be joined

    def _serve(self, connection: socket.socket) -> None:
        try:
            _Conversation(connection, self._handler, self._max_frame).run()
        except OSError as error:
            if not self._closing.is_set():
                _log.warning("an ABCI connection broke: %s", error)
        except Exception as error:  # already logged and sent to the engine
            if self._on_failure is not None:
                self._on_failure(error)
        finally:
            with self._lock:
                self._connections.pop(connection, None)
            connection.close()


class _Conversation:
    """One connection: reads requests, collects answers, writes them when a Flush asks or they have become many."""

    def __init__(self, connection: socket.socket, handler: Handler, max_frame: int) -> None:
        self._connection = connection
        self._handler = handler
        self._reader = FrameReader(connection, max_frame=max_frame)
        self._answers = bytearray()

    def run(self) -> None:
        """Converse until the engine closes; raises what ended the conversation otherwise."""
        try:
            while (frame := self._reader.read()) is not None:
                self._answer(frame)
        except OSError:
            raise
        except Exception as error:
            _log.exception("an ABCI request ended in an exception")
            response = abci.Response(exception=abci.ResponseException(error=f"{type(error).__name__}: {error}"))
            self._collect(response.SerializeToString())
            self._write()
            raise

    def _answer(self, frame: bytes) -> None:
        request = _parse(frame)
        kind = request.WhichOneof("value")
        if kind == "flush":
            self._collect(_FLUSHED)
            self._write()
            return
        if kind == "echo":
            self._collect(abci.Response(echo=abci.ResponseEcho(message=request.echo.message)).SerializeToString())
        else:
            self._collect(self._handler(request))
        if len(self._answers) > _WRITE_THRESHOLD:  # otherwise at the next Flush, as CometBFT's own server does
            self._write()

    def _collect(self, response: bytes) -> None:
        self._answers += encode_frame(response)

    def _write(self) -> None:
        self._connection.sendall(self._answers)
        self._answers.clear()


def _parse(frame: bytes) -> abci.Request:
    try:
        request = abci.Request.FromString(frame)
    except DecodeError as error:
        raise EngineError(f"{len(frame)} bytes are no ABCI request: {error}") from error
    if request.WhichOneof("value") is None:
        raise EngineError("the ABCI request is of no kind that CometBFT v0.38 sends: is the engine of another version?")
    return request


def _socket_path(address: str) -> Path:
    scheme, separator, path = address.partition("://")
    if scheme != "unix" or not separator or not path.startswith("/"):
        raise ConfigurationError(
            f"abci.socket: expected unix:///absolute/path, got {address!r}",
            remedy="the engine runs beside the node on the same host and is reached over a unix socket only",
        )
    return Path(path)


def _listen(path: Path) -> socket.socket:
    """A listening unix socket at `path`; a socket file that a killed node left behind is replaced."""
    if path.is_socket() and _answers(path):
        raise ConfigurationError(
            f"abci.socket: another process already listens at {path}",
            remedy="stop the other node, or give this one a socket of its own",
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            path.unlink()
        listener.bind(str(path))
        path.chmod(0o660)  # the engine's user reaches it through the directory's group
        listener.listen(_MAX_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"abci.socket: cannot listen at {path}: {error.strerror or error}",
            remedy=f"the directory {path.parent} must exist and be writable by this process",
        ) from error
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _shut(connection: socket.socket, how: int) -> None:
    try:
        connection.shutdown(how)
    except OSError:
        _log.debug("a socket of the ABCI server was closed by the other side first")
