"""Rate limits: a burst at once, a rate for long, each client apart, a bounded memory."""

from __future__ import annotations

from gchain_node.api.limits import RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_the_next_request_waits() -> None:
    limit = RateLimit(10, 3, clock=Clock())
    assert [limit.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.1]


def test_tokens_come_back_with_time_and_never_exceed_the_burst() -> None:
    clock = Clock()
    limit = RateLimit(10, 2, clock=clock)
    limit.take("a"), limit.take("a")
    clock.now = 0.1
    assert limit.take("a") == 0.0
    assert limit.take("a") > 0
    clock.now = 1000.0
    assert [limit.take("a") == 0.0 for _ in range(3)] == [True, True, False]


def test_clients_do_not_take_from_each_other() -> None:
    limit = RateLimit(1, 1, clock=Clock())
    assert (limit.take("a"), limit.take("b")) == (0.0, 0.0)
    assert limit.take("a") > 0


def test_the_client_that_asked_longest_ago_is_forgotten_first() -> None:
    limit = RateLimit(1, 1, clients=2, clock=Clock())
    for client in "abc":
        limit.take(client)
    assert limit.take("c") > 0
    assert limit.take("a") == 0.0
