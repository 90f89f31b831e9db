"""What every answer carries, what the metrics count of it, and what ends a request before its route is asked."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gchain_node.api.answers import Refusal, error
from gchain_node.api.limits import RateLimit
from gchain_node.api.pages import CONTENT_SECURITY_POLICY

__all__ = ["BodyLimits", "Observe", "RequestRate", "SecurityHeaders"]

_CLOSE: Final = {"Connection": "close"}
_ALWAYS: Final = {"/healthz", "/readyz", "/metrics"}  # what watches the node must hear from it under any load
_COUNTED_APART: Final = {("POST", "/v1/tx"), ("POST", "/light")}  # by rates of their own

_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class SecurityHeaders:
    """Adds the headers to every answer; over TLS also HSTS. Answers are not stored unless they say otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Observe:
    """Reports each finished request: method, status, seconds."""

    def __init__(self, app: ASGIApp, report: Callable[[str, int, float], None]) -> None:
        self._app = app
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._report(scope["method"], status, time.perf_counter() - started)


class RequestRate:
    """Answers 429 to who asks more often than `limit` lets: a member by its certificate, others by their address.

    All requests are counted but those for health and those that their own endpoint counts.
    """

    def __init__(self, app: ASGIApp, limit: RateLimit) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wait = self._limit.take(_client(scope)) if _is_counted(scope) else 0.0
        if wait > 0:
            headers = {"Retry-After": str(math.ceil(wait))}
            answer = error(429, f"too many requests from {_client(scope)}; try again in {wait:.2f} s", headers=headers)
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_counted(scope: Scope) -> bool:
    if scope["type"] != "http" or (scope["method"], scope["path"]) in _COUNTED_APART:
        return False
    return scope["method"] not in {"GET", "HEAD"} or scope["path"] not in _ALWAYS


def _client(scope: Scope) -> str:
    return str(scope.get("gchain.member") or (scope["client"] or ("",))[0])


class BodyLimits:
    """Ends a request whose body is longer than `max_body` bytes (413), or not complete `seconds` after it came (408).

    Both end the connection too: what is left of the body is not read.
    """

    def __init__(self, app: ASGIApp, max_body: int, seconds: float) -> None:
        self._app = app
        self._max_body = max_body
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD"}:  # of which no body is read
            await self._app(scope, receive, send)
            return
        deadline, length, complete = asyncio.get_running_loop().time() + self._seconds, 0, False

        async def receive_within() -> Message:
            nonlocal length, complete
            if complete:
                return await receive()
            message = await self._in_time(receive, deadline)
            length += len(message.get("body", b""))
            if length > self._max_body:
                raise Refusal(413, f"a body has at most {self._max_body} bytes", headers=_CLOSE)
            complete = not message.get("more_body", False)
            return message

        await self._app(scope, receive_within, send)

    async def _in_time(self, receive: Receive, deadline: float) -> Message:
        try:
            async with asyncio.timeout_at(deadline):
                return await receive()
        except TimeoutError:
            message = f"the body was not complete after {self._seconds:g} s"
            raise Refusal(408, message, headers=_CLOSE) from None
