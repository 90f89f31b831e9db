"""The life of a node's process: listeners up, systemd told, housekeeping, and one way to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Sequence
from typing import Final

from anyio import to_thread

from gchain_node import sdnotify
from gchain_node.api.listeners import Listener
from gchain_node.errors import NodeError

__all__ = ["Supervisor", "collect_rarely"]

_log = logging.getLogger(__name__)
_HOUSEKEEPING: Final = 2.0
_GC_THRESHOLD: Final = 500_000  # objects more than there were: about 50 MiB


class Supervisor:
    """Runs listeners until SIGTERM, SIGINT, `fail`, or the end of one of them.

    Args:
        listeners: served side by side.
        housekeeping: called on a thread every two seconds; what it raises of `NodeError` is logged, anything else ends
            the process. What it returns becomes the unit's status text.
    """

    def __init__(self, listeners: Sequence[Listener], housekeeping: Callable[[], str]) -> None:
        self._listeners = listeners
        self._housekeeping = housekeeping
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._failure: Exception | None = None

    def fail(self, error: Exception) -> None:
        """End the process with this error. Called from any thread."""
        self._failure = self._failure or error
        self._loop.call_soon_threadsafe(self._stop.set)

    async def run(self) -> None:
        """Raises the error that ended the process; returns after a signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop.set)
        serving = [asyncio.create_task(self._serve(listener)) for listener in self._listeners]
        background = [asyncio.create_task(self._keep_house()), asyncio.create_task(self._watchdog())]
        try:
            await self._announce()
            await self._stop.wait()
        finally:
            sdnotify.notify("STOPPING=1")
            for task in background:
                task.cancel()
            for listener in self._listeners:
                listener.stop()
            await asyncio.gather(*background, *serving, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    async def _serve(self, listener: Listener) -> None:
        try:
            await listener.serve()
        except Exception as error:
            self.fail(error)
        self._stop.set()

    async def _announce(self) -> None:
        """Tell systemd once every listener accepts connections."""
        for listener in self._listeners:
            started = asyncio.create_task(listener.started.wait())
            stopped = asyncio.create_task(self._stop.wait())
            _, pending = await asyncio.wait([started, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            if self._stop.is_set():
                return
            _log.info("%s listens on port %d", listener.name, listener.port)
        sdnotify.notify("READY=1")

    async def _keep_house(self) -> None:
        while True:
            try:
                sdnotify.notify(f"STATUS={await to_thread.run_sync(self._housekeeping)}")
            except NodeError as error:
                _log.warning("%s", error)
            except Exception as error:
                self.fail(error)
                return
            await asyncio.sleep(_HOUSEKEEPING)

    async def _watchdog(self) -> None:
        interval = sdnotify.watchdog_interval()
        while interval is not None:
            sdnotify.notify("WATCHDOG=1")
            await asyncio.sleep(interval)


def collect_rarely() -> None:
    """Look for garbage in cycles when there may be much of it: blocks make many objects, next to none of them in
    cycles, and looking at each cost a node 6 % of its time.
    """
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
