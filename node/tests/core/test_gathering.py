"""The embedded engine under load: blocks gather transactions, and nobody who is alone waits for that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gchain_node.development import DevelopmentConsortium
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.engine.embedded.gathering import ENOUGH, LONGEST, Gathering
from gchain_node.engine.interface import CommittedBlock

Ledger = Any  # of conftest.py, which pytest does not let tests import
DIGEST = bytes(32)
DEADLINE = 120.0  # seconds, for what takes a moment


class Looks(threading.Event):
    """Notes the rests it is asked for. `during` runs instead of each, and its answer says whether to go on waiting."""

    def __init__(self, during: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self.rests: list[float] = []
        self.during = during

    def wait(self, timeout: float | None = None) -> bool:
        self.rests.append(timeout or 0.0)
        return super().wait(DEADLINE) if self.during() else self.is_set()


@pytest.mark.parametrize("count", [0, 1, ENOUGH, ENOUGH + 1])
def test_there_is_no_rest_for_a_lone_transaction_nor_when_enough_wait(count: int) -> None:
    looks = Looks()
    Gathering(lambda: count, looks).rest(0.02)
    assert looks.rests == []


@pytest.mark.parametrize(("taken", "longest"), [(0.02, 0.02), (10.0, LONGEST)])
def test_a_rest_is_as_long_as_the_block_took_and_bounded(taken: float, longest: float) -> None:
    looks, counts = Looks(), iter(range(2, ENOUGH))
    Gathering(lambda: next(counts), looks).rest(taken)
    assert sum(looks.rests) == pytest.approx(longest)


def test_a_rest_ends_when_fewer_come_than_before_or_enough_have() -> None:
    cases = (((2, 2), 1), ((2, 9, 9), 2), ((2, ENOUGH), 1), ((2, 3, ENOUGH + 5), 2), ((40, 45, 49), 2))
    for counts, rests in cases:
        looks, given = Looks(), iter(counts)
        Gathering(given.__next__, looks).rest(0.02)
        assert len(looks.rests) == rests, counts


def test_after_rests_in_vain_more_and_more_are_left_out_until_one_brings_something() -> None:
    looks, count = Looks(), 5
    gathering = Gathering(lambda: count, looks)

    def blocks_until_a_rest() -> int:
        made, before = 0, len(looks.rests)
        while len(looks.rests) == before:
            gathering.rest(0.02)
            made += 1
        return made

    assert [blocks_until_a_rest() for _ in range(6)] == [1, 2, 4, 8, 16, 16]

    def more_come() -> bool:
        nonlocal count
        count += 5
        return False

    looks.during = more_come
    assert blocks_until_a_rest() == 16
    assert count > 5
    count, looks.during = 5, lambda: False
    assert [blocks_until_a_rest() for _ in range(3)] == [1, 2, 4]


def test_a_rest_ends_when_the_engine_closes() -> None:
    looks, counts = Looks(), iter(range(2, ENOUGH))
    looks.during = lambda: looks.set() or False  # type: ignore[func-returns-value]
    Gathering(lambda: next(counts), looks).rest(0.02)
    assert len(looks.rests) == 1


class Running:
    """A live ledger whose engine makes blocks by itself. `looks` stands where it rests; blocks come by `seen`."""

    def __init__(self, ledger: Ledger, consortium: DevelopmentConsortium) -> None:
        self.ledger = ledger
        self.looks = Looks()
        self.blocks: list[int] = []
        self.seen = threading.Semaphore(0)
        self.in_the_block: Callable[[], object] = lambda: None
        keys = [member.keys["validator"] for member in consortium.members]
        self.engine = EmbeddedEngine(ledger.app, None, ledger.genesis, keys)
        self.engine._closing = self.looks
        opening = ledger.tx("treasury/officer", "governance/go_live", ledger.go_live_args())
        assert self.engine.broadcast(opening).ok
        self.engine.make_block()
        self.engine.make_block()
        self.engine.listen(self.note)

    def note(self, block: CommittedBlock) -> None:
        if block.txs:
            self.blocks.append(len(block.txs))
            self.in_the_block()
            self.seen.release()

    def send(self, name: str) -> None:
        raw = self.ledger.tx("treasury", "records/commit", {"id": name, "commitment": DIGEST})
        assert self.engine.broadcast(raw).ok

    def await_block(self) -> None:
        assert self.seen.acquire(timeout=DEADLINE), "no block with transactions"


@pytest.fixture
def running(make_ledger: Callable[[], Ledger], consortium: DevelopmentConsortium) -> Iterator[Running]:
    made = Running(make_ledger(), consortium)
    yield made
    made.engine.close()


def test_who_sends_one_after_the_other_never_waits_for_a_rest(running: Running) -> None:
    running.engine.start()
    for number in range(5):
        running.send(f"r{number}")
        running.await_block()
    assert running.blocks == [1] * 5
    assert running.looks.rests == []


def test_what_comes_while_a_block_is_made_and_in_the_rest_after_it_is_in_one_block(running: Running) -> None:
    first_block, later = iter([True]), iter(["fourth", "fifth"])

    def others_send() -> None:
        if next(first_block, False):
            senders = [threading.Thread(target=running.send, args=(name,)) for name in ("second", "third")]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join(DEADLINE)
                assert not sender.is_alive(), "a sender waits for the engine"

    def one_more() -> bool:
        for name in later:
            running.send(name)
            break
        return False

    running.in_the_block, running.looks.during = others_send, one_more
    running.engine.start()
    running.send("first")
    running.await_block()
    running.await_block()
    assert running.blocks == [1, 4]
    assert len(running.looks.rests) == 3, "two looks that found one more each, and one that found none"


def test_closing_ends_a_rest(running: Running) -> None:
    resting = threading.Event()

    def two_more() -> None:
        running.send("second")
        running.send("third")

    running.in_the_block = two_more
    running.looks.during = lambda: resting.set() or True  # type: ignore[func-returns-value]
    running.engine.start()
    running.send("first")
    assert resting.wait(DEADLINE), "the engine did not rest"
    closing = threading.Thread(target=running.engine.close)
    closing.start()
    closing.join(DEADLINE)
    assert not closing.is_alive()
    assert running.blocks == [1], "what waits stays where it is"
