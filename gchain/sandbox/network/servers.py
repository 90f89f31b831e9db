"""The sandbox's own servers, on sockets inside its namespaces: names and time for hosts, mirror, loopback forwarders.

They run on one event loop in a thread of the daemon; the daemon hands them the newest cloud state.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.server
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from gchain.sandbox.network import names, namespaces, time_service
from gchain.sandbox.network.ruleset import NAME_SERVER, TIME_SERVER
from gchain.sandbox.network.state import CloudState

__all__ = ["Servers"]

T = TypeVar("T")

_CHUNK = 64 * 1024


class _Datagrams(asyncio.DatagramProtocol):
    """Answers each datagram with what `respond(data, sender)` returns, if anything."""

    def __init__(self, respond: Callable[[bytes, str], bytes | None]) -> None:
        self._respond = respond

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        answer = self._respond(data, addr[0])
        if answer is not None:
            self._transport.sendto(answer, addr)  # type: ignore[attr-defined]


class Servers:
    """Start with `start`, feed with `see`, forward with `forward`."""

    def __init__(self, router: str, services: str, mirrors: dict[str, str], published: Path) -> None:
        self._router = router
        self._services = services
        self._mirrors = mirrors
        self._published = published
        self._state = CloudState()
        self._forwards: dict[int, asyncio.Server] = {}
        self._targets: dict[int, tuple[str, str, int]] = {}
        self._loop = asyncio.new_event_loop()

    def start(self) -> None:
        threading.Thread(target=self._loop.run_forever, name="servers", daemon=True).start()
        self._call(self._serve_hosts())
        for address in sorted(set(self._mirrors.values())):
            self._serve_mirror(address)

    def see(self, state: CloudState) -> None:
        """From now on answer from this state."""
        self._state = state

    def forward(self, targets: dict[int, tuple[str, str, int]]) -> list[str]:
        """Loopback port -> (namespace to dial from, address, port); ports not named are closed.

        Returns a sentence for every port that something else holds; the next call tries it again.
        """
        self._targets = targets
        return self._call(self._adjust_forwards())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _serve_hosts(self) -> None:
        udp, tcp = socket.SOCK_DGRAM, socket.SOCK_STREAM
        name_socket = namespaces.bound_socket(self._router, udp, NAME_SERVER, 53)
        time_socket = namespaces.bound_socket(self._router, udp, TIME_SERVER, 123)
        await self._loop.create_datagram_endpoint(lambda: _Datagrams(self._name), sock=name_socket)
        await self._loop.create_datagram_endpoint(lambda: _Datagrams(_time), sock=time_socket)
        stream = namespaces.bound_socket(self._router, tcp, NAME_SERVER, 53)
        await asyncio.start_server(self._name_stream, sock=stream)

    def _name(self, query: bytes, asker: str) -> bytes | None:
        return names.reply(query, asker, self._state, self._mirrors) if len(query) >= 12 else None

    async def _name_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """DNS over TCP: a two-byte length before each message (RFC 1035, section 4.2.2)."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with asyncio.timeout(5):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answer = self._name(await reader.readexactly(length), writer.get_extra_info("peername")[0]) or b""
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()
        writer.close()

    def _serve_mirror(self, address: str) -> None:
        listening = namespaces.bound_socket(self._services, socket.SOCK_STREAM, address, 80)
        listening.setblocking(True)
        handler = functools.partial(_Mirror, directory=str(self._published))
        server = http.server.ThreadingHTTPServer((address, 80), handler, bind_and_activate=False)
        server.socket.close()
        server.socket = listening
        threading.Thread(target=server.serve_forever, name="mirror", daemon=True).start()

    async def _adjust_forwards(self) -> list[str]:
        problems = []
        for port in self._forwards.keys() - self._targets.keys():
            self._forwards.pop(port).close()
        for port in self._targets.keys() - self._forwards.keys():
            accept = functools.partial(self._carry, port)
            try:
                self._forwards[port] = await asyncio.start_server(accept, "127.0.0.1", port)
            except OSError as error:
                problems.append(f"port {port} on 127.0.0.1: {error.strerror}")
        return problems

    async def _carry(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from the machine to a host, dialled from the member's own network."""
        target = self._targets.get(port)
        if target is None:  # the host went between the connection and this
            writer.close()
            return
        namespace, address, remote = target
        try:
            dialled = await asyncio.to_thread(_socket_in, namespace)
            async with asyncio.timeout(10):
                await self._loop.sock_connect(dialled, (address, remote))
            far_reader, far_writer = await asyncio.open_connection(sock=dialled)
        except (OSError, TimeoutError):
            writer.close()
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


def _socket_in(namespace: str) -> socket.socket:
    def make() -> socket.socket:
        # TCP by name: asyncio sends at once (TCP_NODELAY) only on such sockets.
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        made.setblocking(False)
        return made

    return namespaces.inside(namespace, make)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


def _time(packet: bytes, _asker: str) -> bytes | None:
    now = time.time()
    return time_service.answer(packet, now, time.time())


class _Mirror(http.server.SimpleHTTPRequestHandler):
    """Static files: `/debs/` and `/simple/`, as far as they are published."""

    protocol_version = "HTTP/1.1"
    server_version = "mirror"
    disable_nagle_algorithm = True  # a file's content need not wait until its head is acknowledged

    def log_message(self, format: str, *args: Any) -> None:
        """A line a file would drown the daemon's log."""
