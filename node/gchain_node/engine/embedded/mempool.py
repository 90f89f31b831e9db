"""Transactions that wait for a block: in the order of arrival, bounded, checked again after each block."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from gchain_node.app import App
from gchain_node.errors import EngineError
from gchain_node.messages import TxResult
from gchain_node.tx import tx_hash

__all__ = ["Mempool"]

_MAX_COUNT = 10_000
_MAX_BYTES = 64 * 1024 * 1024


class Mempool:
    """Safe across threads."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._waiting: dict[bytes, bytes] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, raw: bytes) -> TxResult:
        """Check and keep. Raises `EngineError` when full."""
        name = tx_hash(raw)
        self._app.verify_ahead(raw)
        with self._lock:
            if name in self._waiting:
                return TxResult(0)
            if len(self._waiting) >= _MAX_COUNT or self._bytes + len(raw) > _MAX_BYTES:
                raise EngineError(f"{len(self._waiting)} transactions wait already", remedy="try again in a moment")
            result = self._app.check_tx(raw)
            if result.ok:
                self._waiting[name] = raw
                self._bytes += len(raw)
        return result

    def waiting(self) -> list[bytes]:
        with self._lock:
            return list(self._waiting.values())

    @contextmanager
    def settling(self, committed: Iterable[bytes]) -> Iterator[None]:
        """Around the commit of a block: afterwards drop what it has, and what can no longer be in one.

        Nothing is added meanwhile: a transaction checked between commit and recheck would be found used by itself.
        """
        with self._lock:
            yield
            for raw in committed:
                self._waiting.pop(tx_hash(raw), None)
            kept = {name: raw for name, raw in self._waiting.items() if self._app.check_tx(raw, recheck=True).ok}
            self._waiting = kept
            self._bytes = sum(map(len, kept.values()))
