"""Load on a ledger while things break: clients that submit records, and remember what a block was reported to have."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Iterator
from typing import Any

import httpx

from gchain_node.errors import NodeError
from node.tests.network.ledger import Ledger
from node.tests.network.process import wait_until

__all__ = ["Load", "under_load"]


class Load:
    """Several threads, each at whichever validator chance says. Losing an answer is part of it; what was answered
    `committed` MUST be at every validator in the end.
    """

    def __init__(self, ledger: Ledger, threads: int, seed: int) -> None:
        self.committed: dict[str, int] = {}
        self._ledger = ledger
        self._stop = threading.Event()
        self._numbers = itertools.count()
        self._threads = [threading.Thread(target=self._work, args=(seed + n,), daemon=True) for n in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(90)
        assert not [thread for thread in self._threads if thread.is_alive()], "a client hangs"

    def _work(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 -- not for secrets
        while not self._stop.is_set():
            name = f"load-{next(self._numbers)}"
            validator = chance.choice(self._ledger.validators)
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
