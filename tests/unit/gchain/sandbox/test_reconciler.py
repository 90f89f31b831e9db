"""One pass over hosts: what one of them meets is told, and keeps no other from running."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gchain.errors import SandboxError
from gchain.sandbox.hosts.base import BaseImage
from gchain.sandbox.layout import Layout, Plan
from gchain.sandbox.network.state import CloudState, Instance
from gchain.sandbox.reconciler import Reconciler

PLAN = Plan(name="t", slot=1, environment="e", members=(), regions=(), services_cidr="10.0.0.0/24")
HOSTS = {
    name: Instance(id=name, account="1", region="x", state="running", subnet="subnet-1", address=f"10.0.0.{at}")
    for at, name in enumerate(("i-1", "i-2"), 4)
}


@pytest.fixture
def reconciler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two hosts that do not run; `booted` lists who was started, `refused` who cannot be. No wires, no packets."""
    monkeypatch.setenv("GCHAIN_SANDBOX_ROOT", str(tmp_path))
    made: Any = Reconciler(Layout("t", 1), PLAN, BaseImage(tmp_path, "base"), cast("Any", None))
    made.booted, made.refused = [], {"i-1"}

    def boot(instance: Instance, *_: Any) -> None:
        if instance.id in made.refused:
            raise SandboxError("mkfs.ext4 ended with 1: no space")
        made.booted.append(instance.id)

    monkeypatch.setattr(made, "machine", lambda _: SimpleNamespace(boot=boot, running=False, ended=None, console="c"))
    for name in ("_lay_host", "_filter", "_raise_links"):
        monkeypatch.setattr(made, name, lambda *_: None)
    monkeypatch.setattr(made, "_topology", SimpleNamespace(bridges=lambda _: None, links=set))
    return made


def test_a_host_that_cannot_be_started_is_told_and_the_others_start(reconciler: Any) -> None:
    problems = reconciler.apply(CloudState(instances=HOSTS))
    assert problems == ["i-1 could not be started: mkfs.ext4 ended with 1: no space"]
    assert reconciler.booted == ["i-2"]


def test_a_host_is_tried_until_it_starts_and_left_alone_once_it_ended_three_times(reconciler: Any) -> None:
    for _ in range(5):
        problems = reconciler.apply(CloudState(instances=HOSTS))
    assert problems == [
        "i-1 could not be started: mkfs.ext4 ended with 1: no space",
        "i-2 ended 3 times within a minute: see c",
    ]
    assert reconciler.booted == ["i-2"] * 3
    reconciler.refused = set()
    reconciler.apply(CloudState(instances=HOSTS))
    assert reconciler.booted[3:] == ["i-1"]
