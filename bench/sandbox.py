"""The sandbox as a user meets it: stage times, a second run, memory, one member's `up`, Ansible's second run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from gchain.environment import Environment
from gchain.hosts.playbook import run_playbook
from gchain.sandbox.hosts.cgroups import Cgroups
from gchain.sandbox.sandbox import Sandbox
from gchain.stacks.automation import StackRun
from gchain.stacks.cli import policy_pack

__all__ = ["bring_up", "node_memory", "second_runs", "stage_times"]


def bring_up(name: str) -> dict[str, float]:
    """Run `gchain sandbox up` with everything built, and return the seconds of each stage."""
    command = [sys.executable, "-m", "gchain.cli", "sandbox", "up", "--name", name]
    subprocess.run(command, check=True)
    return stage_times(Sandbox(name))


def stage_times(sandbox: Sandbox) -> dict[str, float]:
    """The seconds of each stage of the sandbox's last complete run."""
    found: dict[str, float] = json.loads((sandbox.workspace.run / "stages.json").read_text())
    return found


def second_runs(environment: Environment, sandbox: Sandbox) -> dict[str, float]:
    """Seconds of what must change nothing: `up` of one member, and `site.yml` on its host."""
    member = environment.convenor.name
    started = time.monotonic()
    run = StackRun(environment, sandbox.workspace, member, policy_pack=policy_pack())
    changes = run.up()
    up = time.monotonic() - started
    started = time.monotonic()
    outcome = run_playbook(sandbox.workspace, member, "site")
    site = time.monotonic() - started
    if not changes.none or outcome.changed:
        raise RuntimeError(f"a second run changed something: {changes}; {outcome.changes}")
    return {"up, no changes": up, "site.yml, no changes": site}


def node_memory(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Proportional set size in MiB of each host's processes, by program (page cache does not count)."""
    rows = []
    for host in (sandbox.status() or {"hosts": []})["hosts"]:
        root = Cgroups(sandbox.layout.cgroup).path(host["instance_id"])
        sizes: dict[str, float] = {}
        for procs in root.rglob("cgroup.procs"):
            for pid in procs.read_text().split():
                name, mib = _process(Path("/proc", pid))
                sizes[name] = sizes.get(name, 0.0) + mib
        rows.append({"host": host["name"], "total": sum(sizes.values()), "programs": sizes})
    return rows


def _process(proc: Path) -> tuple[str, float]:
    try:
        words = proc.joinpath("cmdline").read_bytes().split(b"\0")
        text = proc.joinpath("smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "ended", 0.0
    name = next((Path(w.decode()).name for w in words[:2] if w and b"python" not in Path(w.decode()).name.encode()), "")
    role = next((w.decode() for w in words[2:4] if w in (b"run", b"signer")), "")
    pss = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return f"{name} {role}".strip() or "kernel", pss / 1024
