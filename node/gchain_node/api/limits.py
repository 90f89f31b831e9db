"""How often one client may submit: a token bucket a client, of a bounded number of clients."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["RateLimit"]


class RateLimit:
    """Lets `burst` requests through at once and `rate` a second for long, for each client apart.

    Args:
        rate: requests a second.
        burst: requests at once.
        clients: how many clients are remembered; the one that asked longest ago is forgotten first.
        clock: seconds, monotonic.
    """

    def __init__(
        self, rate: float, burst: int, *, clients: int = 4096, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clients = clients
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Count one request of `client`: 0.0 when it may pass, otherwise the seconds after which it could."""
        now = self._clock()
        tokens, since = self._buckets.pop(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        wait = 0.0
        if tokens >= 1:
            tokens -= 1
        else:
            wait = (1 - tokens) / self._rate
        self._buckets[client] = (tokens, now)
        if len(self._buckets) > self._clients:
            self._buckets.popitem(last=False)
        return wait
