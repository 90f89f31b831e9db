"""Memory under lasting load: the resident size of a ledger's process while records are committed, minute by minute.

Blocks and state grow on disk; what a node keeps in memory is bounded. `python -m bench growth --minutes 60` is the hour
of the goal; `make bench` runs two minutes.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path

from bench.workload import Workload
from gchain_node.api.feed import BlockFeed
from gchain_node.api.view import LedgerView
from gchain_node.app import App
from gchain_node.config import DATABASE
from gchain_node.dev_service import open_ledger
from gchain_node.development import DevelopmentConsortium
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.store import Store
from gchain_node.supervisor import collect_rarely

__all__ = ["measure"]

_IN_BLOCK = 400
_READINGS = 20


def measure(minutes: float) -> dict[str, object]:
    """`readings`: [transactions so far, resident MiB]; the load is as fast as one thread signs and commits."""
    readings: list[tuple[int, float]] = []
    collect_rarely()  # as a node does
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        consortium = DevelopmentConsortium.open(home)
        keys = [consortium.members[0].keys["validator"]]
        with closing(Store(home / DATABASE)) as store:
            app = App(store)
            feed = BlockFeed()
            with closing(
                EmbeddedEngine(app, home / "blocks.db", consortium.genesis, keys, on_block=feed.publish)
            ) as engine:
                open_ledger(LedgerView(app, engine, feed, chain_id="gchain-dev", member="dev"), engine, consortium)
                workload, done = Workload(consortium), 0
                started = time.monotonic()
                while (past := time.monotonic() - started) < 60 * minutes:
                    for raw in workload.take(_IN_BLOCK):
                        engine.broadcast(raw)
                    done += len(engine.make_block().txs)
                    if past >= len(readings) * 60 * minutes / _READINGS:
                        readings.append((done, _resident()))
    return {"minutes": minutes, "transactions": done, "readings": readings}


def _resident() -> float:
    """MiB of this process in memory."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
