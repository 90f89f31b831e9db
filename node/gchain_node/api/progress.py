"""How long the ledger has stood still, by this machine's monotonic clock: for readiness and metrics alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Progress"]


class Progress:
    """Remembers when the height last changed. The first look counts as a change, so a start is no standstill.

    `seconds` is asked every two seconds by the housekeeping; a change is noticed that much late at most.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._height = -1
        self._changed = 0.0

    def seconds(self, height: int) -> float:
        """Seconds since the height became `height`."""
        with self._lock:
            now = self._clock()
            if height != self._height:
                self._height, self._changed = height, now
            return now - self._changed
