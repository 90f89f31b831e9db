"""Hosts' data volumes: asking how a host is makes nothing."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gchain.errors import SandboxError
from gchain.sandbox.hosts import machine as module
from gchain.sandbox.hosts.cgroups import Cgroups
from gchain.sandbox.hosts.console import BEGIN, END
from gchain.sandbox.hosts.machine import Machine
from gchain.sandbox.layout import Layout
from gchain.sandbox.network.state import Instance, Volume

INSTANCE = Instance(id="i-1", account="1", region="x", state="running", subnet="subnet-1", address="10.0.0.4")
ATTACHED = replace(INSTANCE, data_volumes=(Volume("vol-1", 1, "/dev/sdf"), Volume("vol-2", 1, "/dev/sdg")))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A host that said it can be reached, and has no volume."""
    monkeypatch.setenv("GCHAIN_SANDBOX_ROOT", str(tmp_path))
    machine = Machine(Layout("t", 1), Cgroups("gchain-t"), INSTANCE.id)
    machine.directory.mkdir(parents=True)
    machine.console.write_text(f"{BEGIN}\nssh-ed25519 AAAA\n{END}\nCloud-init finished\n")
    (machine.directory / "boot-offset").write_text("0")
    (machine.directory / "volumes").write_text("")
    return machine


def test_a_host_without_its_late_volumes_is_not_up_and_asking_makes_none(machine: Machine) -> None:
    """`up` is asked by the threads that answer `status`: an image made there too was made twice at once, and spoilt."""
    before = sorted(machine.directory.iterdir())
    assert machine.up(INSTANCE)
    assert not machine.up(ATTACHED)
    assert sorted(machine.directory.iterdir()) == before


def test_a_host_is_up_with_every_volume_at_its_place(machine: Machine) -> None:
    lines = [f"{machine.directory}/vol-1.img /var/lib/gchain", f"{machine.directory}/vol-2.img /mnt/sdg"]
    (machine.directory / "volumes").write_text("".join(f"{each}\n" for each in lines))
    assert machine.up(ATTACHED)
    (machine.directory / "volumes").write_text(f"{lines[0]}\n")
    assert not machine.up(ATTACHED)


def test_a_host_that_was_told_to_stop_did_not_power_itself_off(machine: Machine) -> None:
    """Its supervisor writes 0 as for a host that shut itself down: an instance started again at once was stopped."""
    (machine.directory / "ended").write_text("0\n")
    assert machine.ended == 0
    machine.stop()
    assert machine.ended is None


def test_a_host_that_is_removed_while_its_volumes_are_asked_for_has_none_late(machine: Machine) -> None:
    read = Path.read_text

    def gone(path: Path, *given: Any, **named: Any) -> str:
        path.unlink(missing_ok=True)
        return read(path, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_text", gone)
        assert machine._late_volumes(ATTACHED) == []


def _sound(image: Path) -> bool:
    return subprocess.run(["e2fsck", "-fn", str(image)], capture_output=True, check=False).returncode == 0


def test_an_image_that_was_half_made_is_made_anew_in_a_file_of_its_own(tmp_path: Path) -> None:
    """The mkfs of a daemon that was killed lives on and writes to the draft that it opened: never to a later one."""
    image, draft = tmp_path / "vol-1.img", tmp_path / "vol-1.new"
    with draft.open("wb") as orphan:
        module._make_volume(image, 1)
        orphan.write(b"\xff" * 1024**2)
    assert not draft.exists()
    assert image.stat().st_size == 1024**3
    assert _sound(image)


def test_an_image_that_could_not_be_made_is_no_image_and_the_next_try_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, program = tmp_path / "vol-1.img", tmp_path / "mkfs.ext4"
    program.write_text('#!/bin/sh\nfor last; do :; done; echo half >"$last"; echo no space >&2; exit 1\n')
    program.chmod(0o755)
    with monkeypatch.context() as broken:
        broken.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        with pytest.raises(SandboxError, match="ended with 1: no space"):
            module._make_volume(image, 1)
    assert not image.exists()
    module._make_volume(image, 1)
    assert _sound(image)


@pytest.fixture
def leader() -> Iterator[int]:
    """A process in a mount namespace of its own, as a host's pid 1 is."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    with subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sleep", "600"]) as process:
        own = Path("/proc/self/ns/mnt").readlink()
        _wait(lambda: Path(f"/proc/{process.pid}/ns/mnt").readlink() != own, "a mount namespace")
        yield process.pid
        process.kill()


def _wait(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.02)


def _loops(image: Path) -> list[str]:
    asked = ["losetup", "--associated", str(image), "--noheadings", "--output", "NAME"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("mounted", [False, True])
def test_a_volume_is_attached_after_a_daemon_was_killed_in_the_middle_and_leaves_no_device(
    leader: int, tmp_path: Path, mounted: bool
) -> None:
    image, point = tmp_path / "vol-1.img", tmp_path / "point"
    module._make_volume(image, 1)
    inside = ["nsenter", f"--target={leader}", "--mount", "--"]
    (left,) = _run("losetup", "--find", "--show", str(image))
    if mounted:
        point.mkdir()
        _run(*inside, "mount", left, str(point))
    module._mount_inside(leader, str(image), str(point))
    _run(*inside, "mountpoint", "-q", str(point))
    assert len(_loops(image)) == 1
    _run(*inside, "umount", str(point))
    _wait(lambda: not _loops(image), "the loop devices to go with the mount")


def _run(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
