"""The latest blocks in memory: those from before a start are asked of the engine once, and no more than have room."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gchain_node.api.feed import BlockFeed
from gchain_node.api.view import LedgerView
from gchain_node.errors import EngineUnreachable


class Asked:
    """The served ledger's engine, of whose blocks it is noted which were asked for."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.heights: list[int] = []
        self.reachable = True

    def block(self, height: int) -> Any:
        self.heights.append(height)
        return self._engine.block(height)

    def network(self) -> Any:
        if not self.reachable:
            raise EngineUnreachable("the engine does not answer")
        return self._engine.network()


@pytest.fixture
def engine(served: Any) -> Asked:
    for number in range(4):
        served.commit(f"r{number}")
    end = time.monotonic() + 120
    while served.view.feed.blocks()[0].txs:  # the empty block that attests the last one's results
        assert time.monotonic() < end, "waited 120 s for the empty block after the last transaction"
        time.sleep(0.01)
    return Asked(served.engine)


def restarted(served: Any, engine: Asked) -> LedgerView:
    """The node's view of the ledger after a start: its feed is empty."""
    return LedgerView(served.view.app, engine, BlockFeed(), chain_id="gchain-dev", member="dev")  # type: ignore[arg-type]


def heights(view: LedgerView) -> list[int]:
    return [block.height for block in view.feed.blocks()]


def test_blocks_from_before_a_start_are_asked_for_once(served: Any, engine: Asked) -> None:
    view = restarted(served, engine)
    assert view.recall() == f"height {view.app.info().last_block_height}, live"
    assert heights(view) == engine.heights == list(range(view.app.info().last_block_height, 0, -1))
    view.feed._blocks.clear()
    view.recall()
    assert heights(view) == []
    assert engine.heights == list(range(view.app.info().last_block_height, 0, -1))


def test_a_busy_ledger_whose_blocks_fill_the_memory_is_not_asked_for_older_ones(
    served: Any, engine: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = restarted(served, engine)
    monkeypatch.setattr("gchain_node.api.feed._KEEP_BYTES", len(served.signed("r9")))
    view.recall()
    kept, asked = heights(view), list(engine.heights)
    assert len(kept) < view.app.info().last_block_height - 2
    assert asked == [*kept, kept[-1] - 1]  # the last one found no room
    for _ in range(3):
        view.recall()
    assert engine.heights == asked


def test_an_engine_that_starts_after_the_node_is_asked_when_it_answers(
    served: Any, engine: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gchain_node.api.view._NETWORK_AGE", 0)
    view = restarted(served, engine)
    engine.reachable = False
    view.recall()
    assert engine.heights == []
    engine.reachable = True
    view.recall()
    assert heights(view) == list(range(view.app.info().last_block_height, 0, -1))


def test_a_block_that_is_not_older_than_all_that_are_kept_is_left_out(served: Any, engine: Asked) -> None:
    feed = BlockFeed()
    first, second = engine.block(1), engine.block(2)
    feed.publish(second)
    assert not feed.backfill(second)
    assert feed.backfill(first)
    assert not feed.backfill(first)
    assert [block.height for block in feed.blocks()] == [2, 1]
