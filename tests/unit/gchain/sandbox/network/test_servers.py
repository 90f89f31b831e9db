"""The loopback forwarders, without a namespace behind them."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path

from gchain.sandbox.network.servers import Servers


def test_a_connection_to_a_host_that_has_just_gone_is_closed() -> None:
    """Accepted while the port was still named, served when it was not: it hung for ever."""
    servers = Servers("router", "services", {}, Path())

    async def connect() -> bytes:
        listening = await asyncio.start_server(functools.partial(servers._carry, 1), "127.0.0.1", 0)
        async with listening, asyncio.timeout(30):
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
            answer = await reader.read()
            writer.close()
            return answer

    assert asyncio.run(connect()) == b""
    servers._loop.close()
