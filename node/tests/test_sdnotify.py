"""What systemd is told: datagrams at the socket that it names, and nothing when it named none."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gchain_node.sdnotify import notify, watchdog_interval


def test_states_arrive_at_the_socket_that_systemd_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert notify("READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/notify"])
def test_nobody_to_tell_is_no_failure(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify("READY=1")


@pytest.mark.parametrize(
    ("microseconds", "process", "interval"),
    [("30000000", None, 15.0), ("30000000", "1", None), ("0", None, None), ("", None, None), ("soon", None, None)],
)
def test_the_watchdog_is_fed_twice_in_its_time_and_only_by_the_process_it_watches(
    monkeypatch: pytest.MonkeyPatch, microseconds: str, process: str | None, interval: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", process or str(os.getpid()))
    assert watchdog_interval() == interval
