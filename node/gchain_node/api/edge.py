"""What one connection may take of a listener: time for its request, patience while it does not read, and a share.

A request that is not complete `request_seconds` after its first byte (the first of a connection: after the connection
was made) ends with 408, one that is not HTTP with 400; a client that leaves what it was sent unread for
`unread_seconds`, without taking a byte, is cut off. Of one address come at most `connections_per_client` connections;
the next one is answered with 429 and closed, with 503 one beyond what the listener takes of all. Memory for one that
does not read is bounded by what the kernel holds and one write: nothing more is asked of the application meanwhile.
"""

from __future__ import annotations

import asyncio
import collections
import json
import ssl
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["EdgeLimits", "EdgeProtocol", "Shares"]

_GRACE: Final = 5.0  # seconds that the application has for its own 408 to a body that does not end


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """The keys of `[http]` with these names. Seconds, and connections at a time."""

    request_seconds: float = 20.0
    unread_seconds: float = 30.0
    connections_per_client: int = 128


@dataclass(slots=True)
class Shares:
    """How many connections each address has open at one listener. Used by the event loop alone."""

    limits: EdgeLimits = EdgeLimits()
    open: collections.Counter[str] = field(default_factory=collections.Counter)

    def take(self, address: str) -> bool:
        """Count one more connection of `address`, unless it has its share."""
        if self.open[address] >= self.limits.connections_per_client:
            return False
        self.open[address] += 1
        return True

    def give_back(self, address: str) -> None:
        self.open[address] -= 1
        if self.open[address] <= 0:
            del self.open[address]


class EdgeProtocol(H11Protocol):
    """uvicorn's protocol within the limits. Puts the client certificate (DER) of a TLS connection into each request's
    scope as `gchain.certificate`.
    """

    def __init__(self, *arguments: Any, shares: Shares, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._shares = shares
        self._limits = shares.limits
        self._most, self.limit_concurrency = self.limit_concurrency, None  # uvicorn would answer with plain text
        self._address: str | None = None  # set while this connection counts
        self._late: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=1, low=0)  # paused as soon as the client does not keep up
        if self._most is not None and len(self.connections) > self._most:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections are open; try again in a moment")
            return
        address = self.client[0] if self.client else ""
        if not self._shares.take(address):
            self._answer(HTTPStatus.TOO_MANY_REQUESTS, f"{address} has its share of connections open: close one")
            return
        self._address = address
        self._expect_request()
        connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        certificate = connection.getpeercert(binary_form=True) if connection is not None else None
        if certificate is not None:
            self.app = _WithCertificate(self.app, certificate)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._late, self._stuck):
            if timer is not None:
                timer.cancel()
        if self._address is not None:
            self._shares.give_back(self._address)
            self._address = None

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._expect_request()
        super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        incomplete = self.conn.their_state in (h11.IDLE, h11.SEND_BODY) and not self._idle()
        if incomplete:
            self._expect_request()
        elif self._late is not None:
            self._late.cancel()
            self._late = None

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's, in the API's shape; while an earlier request is being answered, the end of the connection."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._answer(HTTPStatus.BAD_REQUEST, "this is no HTTP request, or none that can be read")
        else:
            self.transport.close()

    def _idle(self) -> bool:
        """Between two requests, with nothing of the next: uvicorn's keep-alive ends such a connection."""
        return self.conn.their_state is h11.IDLE and self.cycle is not None and not self.conn.trailing_data[0]

    def _expect_request(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self._limits.request_seconds, self._too_late)

    def _too_late(self) -> None:
        if self.conn.their_state is h11.IDLE and self.conn.our_state is h11.IDLE:
            self._answer(HTTPStatus.REQUEST_TIMEOUT, "the request's head did not come in time")
        else:  # a body: the application answers (`BodyLimits`) where it still can
            self._late = self.loop.call_later(_GRACE, self.transport.abort)

    def _answer(self, status: HTTPStatus, message: str) -> None:
        """Say why, in the API's own shape, where no application can, and close."""
        body = json.dumps({"error": {"status": status.value, "message": message}}).encode()
        head = {"Content-Type": "application/json", "Content-Length": len(body), "Connection": "close"}
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in head.items())]
        if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            lines.append("Retry-After: 5")
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stuck is None:
            self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _watch(self, unread: int) -> None:
        self._stuck = self.loop.call_later(self._limits.unread_seconds, self._cut_off, unread)

    def _cut_off(self, before: int) -> None:
        """End it, unless some of what was unread `unread_seconds` ago has been taken since."""
        unread = self.transport.get_write_buffer_size()
        if unread >= before:
            self.transport.abort()
        else:
            self._watch(unread)


class _WithCertificate:
    def __init__(self, app: Any, certificate: bytes) -> None:
        self._app = app
        self._certificate = certificate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["gchain.certificate"] = self._certificate
        await self._app(scope, receive, send)
