"""A ledger that stands still is noticed, and one that moves is not blamed."""

from __future__ import annotations

from gchain_node.api.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_seconds_are_counted_from_the_last_change_of_the_height() -> None:
    clock = Clock()
    progress = Progress(clock)
    assert progress.seconds(0) == 0
    clock.now += 7
    assert progress.seconds(0) == 7
    assert progress.seconds(1) == 0
    clock.now += 40
    assert progress.seconds(1) == 40
