"""Control groups of hosts: they come and go while others read them."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from gchain.sandbox.hosts import cgroups
from gchain.sandbox.hosts.cgroups import Cgroups


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cgroups:
    """One host, `i-1`, with process 10 and, in a group of its own systemd, process 11."""
    monkeypatch.setattr(cgroups, "_unified", lambda: tmp_path)
    monkeypatch.setattr(cgroups, "_V2", tmp_path / "none")
    made = Cgroups("gchain-t")
    for group, pid in (("i-1", 10), ("i-1/system.slice", 11)):
        made.path(group).mkdir(parents=True)
        (made.path(group) / "cgroup.procs").write_text(f"{pid}\n")
    for name, text in (("events", "populated 1\nfrozen 1\n"), ("freeze", "1\n")):
        (made.path("i-1") / f"cgroup.{name}").write_text(text)
    (made.path("i-1") / "memory.current").write_text("4096\n")
    return made


def _goes(monkeypatch: pytest.MonkeyPatch, group: Path) -> None:
    """What the kernel answers who opened a file of a group before it was removed, and reads it afterwards."""
    read = Path.read_text

    def read_text(path: Path, *given: Any, **named: Any) -> str:
        if path.parent == group:
            raise OSError(errno.ENODEV, "No such device")
        return read(path, *given, **named)

    monkeypatch.setattr(Path, "read_text", read_text)


def test_a_host_is_described_by_its_groups(groups: Cgroups) -> None:
    assert (groups.populated("i-1"), groups.frozen("i-1"), groups.memory("i-1")) == (True, True, 4096)
    assert groups.processes("i-1") == [10, 11]


def test_a_host_that_goes_while_it_is_described_is_gone(groups: Cgroups, monkeypatch: pytest.MonkeyPatch) -> None:
    _goes(monkeypatch, groups.path("i-1"))
    assert (groups.populated("i-1"), groups.frozen("i-1"), groups.memory("i-1")) == (False, False, 0)
    assert (groups.populated("i-2"), groups.frozen("i-2"), groups.memory("i-2")) == (False, False, 0)


def test_a_unit_of_a_host_that_ends_while_processes_are_listed_hides_no_others(
    groups: Cgroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    _goes(monkeypatch, groups.path("i-1/system.slice"))
    assert groups.processes("i-1") == [10]
    assert groups.processes("i-2") == []


def test_another_failure_is_no_group_that_went(groups: Cgroups) -> None:
    (groups.path("i-1") / "memory.current").unlink()
    (groups.path("i-1") / "memory.current").mkdir()
    with pytest.raises(IsADirectoryError):
        groups.memory("i-1")


def test_who_starts_others_is_killed_before_them(groups: Cgroups, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor killed after its host could have started it again in between, in a group that was done with."""
    for name in ("cloud", "daemon", "i-1.sup"):
        groups.make(name)
    killed: list[str] = []
    monkeypatch.setattr(Cgroups, "kill", lambda _, group: killed.append(group))
    monkeypatch.setattr(cgroups, "_remove_tree", lambda _: None)
    groups.remove_all()
    assert killed == ["daemon", "i-1.sup", "cloud", "i-1"]
