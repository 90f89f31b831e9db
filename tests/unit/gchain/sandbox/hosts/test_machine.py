"""Hosts' data volumes: asking how a host is makes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

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
