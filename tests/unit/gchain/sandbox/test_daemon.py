"""The daemon's status is asked by other threads, at any moment of a pass."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gchain.sandbox.daemon import Daemon
from gchain.sandbox.layout import Layout, Plan
from gchain.sandbox.network.state import CloudState

PLAN = Plan(name="t", slot=1, environment="e", members=(), regions=(), services_cidr="10.0.0.0/24")


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """A daemon with no host, whose every pass meets two problems; `middle` is called in each."""
    monkeypatch.setenv("GCHAIN_SANDBOX_ROOT", str(tmp_path))
    made: Any = Daemon(Layout("t", 1), PLAN)

    def apply(_: CloudState) -> list[str]:
        made.middle()
        return ["a host is broken"]

    made.middle = lambda: None
    made._reconciler = SimpleNamespace(apply=apply, hosts=lambda _: [], state=CloudState())
    made._servers = SimpleNamespace(see=lambda _: None, forward=lambda _: ["a port is taken"])
    return made  # type: ignore[no-any-return]


def test_problems_are_told_also_while_the_next_pass_looks_for_them(daemon: Any) -> None:
    assert daemon.status()["problems"] == []
    daemon._apply(None)
    told: list[list[str]] = []
    daemon.middle = lambda: told.append(daemon.status()["problems"])
    daemon._apply(None)
    assert told == [["a host is broken", "a port is taken"]]


def test_the_problems_of_a_pass_replace_those_of_the_last(daemon: Any) -> None:
    daemon._apply(None)
    daemon._apply(None)
    assert daemon.status()["problems"] == ["a host is broken", "a port is taken"]
    daemon._servers.forward = lambda _: []
    daemon._apply(None)
    assert daemon.status()["problems"] == ["a host is broken"]


def test_a_status_that_counts_a_change_as_applied_shows_hosts_with_it(daemon: Any) -> None:
    """Hosts are looked at one by one: a pass that ends meanwhile must not be counted for those seen before it."""

    def hosts(_: CloudState) -> list[dict[str, Any]]:
        daemon._status["applied"] = 7
        return []

    daemon._reconciler.hosts = hosts
    assert daemon.status()["reconciler"]["applied"] == 0
    assert daemon.status()["reconciler"]["applied"] == 7
