"""The HTTP listeners of a node: uvicorn servers of one event loop, within the limits of `edge.py`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import Callable
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp

from gchain_node.api.edge import EdgeLimits, EdgeProtocol, Shares
from gchain_node.api.tls import LeafStore
from gchain_node.config import Listen
from gchain_node.errors import ConfigurationError

__all__ = ["Listener", "bind"]

_CONNECTIONS: Final = 512
_IDLE_SECONDS: Final = 30


class _Server(uvicorn.Server):
    """Leaves signals to the process; says when it serves."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return contextlib.nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()


def bind(key: str, listen: Listen) -> socket.socket:
    """A socket bound to the address, before anything else starts, so that a taken port is found at once.

    Raises:
        ConfigurationError: the address is taken or not of this host; it names the configuration's `key`.
    """
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    # Named, since asyncio sends at once (TCP_NODELAY) only on sockets whose protocol says TCP: on others the body of an
    # answer waits behind its head until the client's system acknowledges that, 40 ms later.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(listen)
    except OSError as error:
        bound.close()
        raise ConfigurationError(
            f"{key}: cannot listen at {listen.host}:{listen.port}: {error.strerror}",
            remedy=f"`ss -ltnp 'sport = :{listen.port}'` shows who has the port",
        ) from error
    return bound


class Listener:
    """One application on one bound socket. With `leaf` it speaks TLS 1.3, otherwise plain HTTP."""

    def __init__(
        self,
        name: str,
        app: ASGIApp,
        bound: socket.socket,
        leaf: LeafStore | None = None,
        limits: EdgeLimits = EdgeLimits(),  # noqa: B008 -- frozen
    ) -> None:
        self.name = name
        self.started = asyncio.Event()
        self._socket = bound
        config = uvicorn.Config(
            app,
            http=cast(Any, functools.partial(EdgeProtocol, shares=Shares(limits))),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=5,
            h11_max_incomplete_event_size=64 * 1024,
            ssl_context_factory=None if leaf is None else lambda config, default: leaf.server_context(),
        )
        self._server = _Server(config, self.started.set)

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    async def serve(self) -> None:
        """Until `stop`; returns when open requests have ended."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        self._server.should_exit = True
