from __future__ import annotations

import os
import socket
import subprocess

import pytest

from gchain.stacks import locks


def message(*holders: tuple[str, int]) -> str:
    """As the engine words it (pkg/backend/diy/lock.go)."""
    lines = [
        f"  s3://state/locks/{pid}.json: created by root@{host} (pid {pid}) at 2026-01-01T00:00:00Z"
        for host, pid in holders
    ]
    return "\n".join([f"error: the stack is currently locked by {len(holders)} lock(s). Either wait ...", *lines])


@pytest.fixture
def dead() -> int:
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


def test_a_lock_of_a_process_that_is_gone_is_stale(dead: int) -> None:
    assert locks.all_stale(message((socket.gethostname(), dead)))


def test_a_lock_of_a_living_process_is_not(dead: int) -> None:
    assert not locks.all_stale(message((socket.gethostname(), os.getpid())))
    assert not locks.all_stale(message((socket.gethostname(), dead), (socket.gethostname(), os.getpid())))


def test_a_lock_of_another_machine_is_not(dead: int) -> None:
    assert not locks.all_stale(message(("elsewhere", dead)))


def test_a_message_without_holders_is_not() -> None:
    assert not locks.all_stale("error: the stack is currently locked by somebody")
