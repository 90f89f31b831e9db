"""The end: nothing of the sandbox stays on the machine, also after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from gchain.sandbox.cli import down
from gchain.sandbox.hosts.cgroups import Cgroups
from gchain.sandbox.network import namespaces
from gchain.stacks import stack_file

from .conftest import KEEP
from .consortium import Consortium

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


def _remains(ending: Consortium) -> list[str]:
    """Everything on this machine that carries the sandbox's name."""
    name, root = ending.sandbox.name, ending.workspace.root
    found = [each for each in namespaces.listed() if each.startswith(f"gc-{name}-")]
    found += [str(path) for path in (root, Cgroups(f"gchain-{name}").root) if path.exists()]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/gchain-{name}")]
    found += [str(path) for path in root.parent.glob(f".{name}.*")]
    found += [str(path) for path in stack_file.INFRA.glob(f"Pulumi.{ending.workspace.stack('*')}.yaml")]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"{root}/" in line]
    return found + _processes(f"{root}/") + _processes(f"--name {name}") + _loops(f"{root}/")


def _processes(words: str) -> list[str]:
    told = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    own = {str(os.getpid()), str(os.getppid())}
    return [line for line in told.splitlines() if words in line and line.split()[0] not in own]


def _loops(words: str) -> list[str]:
    told = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout
    return [line for line in told.splitlines() if words in line]


@pytest.mark.skipif(KEEP, reason="GCHAIN_KEEP_SANDBOX=1 keeps the sandbox")
def test_down_after_a_crash_leaves_no_process_namespace_mount_group_or_file(ending: Consortium) -> None:
    assert _remains(ending)
    status = ending.sandbox.status()
    assert status is not None
    for pid in (status["pid"], status["cloud"]["pid"]):
        os.kill(pid, signal.SIGKILL)
    ending.sandbox.freeze(ending.instance("health"))
    down(ending.sandbox.name)
    assert _remains(ending) == []
    down(ending.sandbox.name)
