"""Load on a ledger while things break: clients that submit records, and remember what a block was reported to have."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx

from gchain_node.errors import NodeError
from node.tests.network.ledger import Ledger
from node.tests.network.process import wait_until

__all__ = ["Load", "under_load"]

_PATIENCE = 300.0  # seconds: a client asks six times, for 40 seconds each, before it gives up by itself


class Load:
    """Several threads, each at whichever validator chance says. Losing an answer is part of it; what was answered
    `committed` MUST be at every validator in the end.
    """

    def __init__(self, ledger: Ledger, threads: int, seed: int) -> None:
        self.committed: dict[str, int] = {}
        self._ledger = ledger
        self._stop = threading.Event()
        self._numbers = itertools.count()
        self._doing: dict[str, str] = {}
        self._threads = [threading.Thread(target=self._work, args=(seed + n,), daemon=True) for n in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        end = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        hanging = [self._doing[thread.name] for thread in self._threads if thread.is_alive()]
        assert not hanging, f"clients hang: {hanging}"

    def _work(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 -- not for secrets
        while not self._stop.is_set():
            name = f"load-{next(self._numbers)}"
            validator = chance.choice(self._ledger.validators)
            self._doing[threading.current_thread().name] = f"{name} at {validator.member.name} since {time.ctime()}"
            with contextlib.suppress(NodeError, httpx.HTTPError):
                outcome: Any = self._ledger.commit_record(validator, name)
                if outcome.committed and outcome.code == 0:
                    self.committed[name] = outcome.height
            self._stop.wait(0.05)  # a client that is refused at once must not spin

    def assert_kept(self) -> None:
        """Every record that was answered `committed` is at every validator, committed in the height that was named."""
        assert self.committed, "nothing was committed under load"
        last = max(self.committed.values())
        for validator in self._ledger.validators:
            wait_until(f"height {last} at {validator.member.name}", lambda v=validator: v.has_reached(last))
            for name, height in self.committed.items():
                found = validator.get(f"/v1/query/records/{name}")
                assert found is not None
                assert (found["result"], found["value"]["height"]) == ("OK", height), (
                    f"{name} at {validator.member.name}"
                )


@contextlib.contextmanager
def under_load(ledger: Ledger, *, threads: int = 3, seed: int = 1) -> Iterator[Load]:
    load = Load(ledger, threads, seed)
    load.start()
    try:
        yield load
    finally:
        load.stop()
