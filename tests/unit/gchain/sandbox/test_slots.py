from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest

from gchain.errors import SandboxError
from gchain.sandbox import reserved_ports, slots
from gchain.sandbox.layout import Plan
from gchain.sandbox.sandbox import Sandbox


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GCHAIN_SANDBOX_ROOT", str(tmp_path))
    return tmp_path


def test_the_lowest_slot_whose_ports_are_free_is_taken() -> None:
    assert slots.free_slot(set(), set()) == 0
    assert slots.free_slot({0, 1, 3}, set()) == 2
    assert slots.free_slot({0}, {41101, 41200}) == 3


def test_no_slot_left_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(SandboxError, match="all 40 sandbox slots") as caught:
        slots.free_slot(set(range(40)), set())
    assert "down" in str(caught.value.remedy)


def test_a_sandbox_keeps_the_slot_that_it_has(root: Path) -> None:
    (root / "mine").mkdir()
    (root / "mine/sandbox.json").write_text(json.dumps({"slot": 7}))
    assert slots.allocate("mine") == 7
    assert slots.allocate("other") not in (0, 7)


def test_one_command_at_a_time_changes_a_sandbox(root: Path) -> None:
    with slots.exclusive("mine"):
        with pytest.raises(SandboxError, match=f"process {os.getpid()}"), slots.exclusive("mine"):
            pass
        with slots.exclusive("other"):
            pass
    with slots.exclusive("mine"):
        pass
    assert list(root.iterdir()) == [], "a lock leaves no file behind"


def test_two_sandboxes_that_chose_one_slot_get_two(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the choice and its record lies the base image: a minute, the first time."""
    monkeypatch.setattr(reserved_ports, "reserve", lambda: None)
    chosen = slots.allocate("one")
    assert slots.allocate("two") == chosen
    for name in ("one", "two", "one"):
        plan = Plan(name=name, slot=chosen, environment="e", members=(), regions=(), services_cidr="10.0.0.0/24")
        Sandbox(name)._write_plan(plan, {"base": "b"})
    assert (slots.taken()["one"], Sandbox("one").plan.slot) == (chosen, chosen)
    assert slots.taken()["two"] not in (0, chosen)


def test_who_chooses_a_slot_waits_for_who_is_choosing(root: Path) -> None:
    other = os.open(root, os.O_RDONLY)
    with slots.choosing(), pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    assert list(root.iterdir()) == [], "a lock leaves no file behind"
