"""Run a playbook for one member: with its inventory, SSH key, account and network, and nobody else's."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gchain.errors import HostError
from gchain.sandbox.layout import Layout
from gchain.workspace import REPOSITORY, Workspace

__all__ = ["PLAYBOOKS", "Outcome", "prepare_member", "run_playbook"]

PLAYBOOKS = REPOSITORY / "playbooks"

Progress = Callable[[str], None]


@dataclass
class Outcome:
    """What a playbook did. `hosts` has Ansible's counts by host (`ok`, `changed`, ...); `seconds` the longest result of
    each task; `changes` the tasks that changed something, `host: task` each.
    """

    hosts: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def changed(self) -> int:
        return sum(counts.get("changed", 0) for counts in self.hosts.values())


def operator_prefix(workspace: Workspace, member: str) -> list[str]:
    """What puts a client into the member's own office network: in a sandbox a namespace, elsewhere nothing."""
    if workspace.sandbox is None:
        return []
    return ["nsenter", f"--net=/run/netns/{Layout(workspace.sandbox, 0).operator(member)}"]


def prepare_member(workspace: Workspace, member: str) -> Path:
    """Write the member's inventory file, and the SSH client that its connections go through; returns the inventory."""
    directory = workspace.member(member).root
    (directory / "ssh").mkdir(mode=0o700, parents=True, exist_ok=True)
    prefix = operator_prefix(workspace, member)
    client = directory / "ssh" / "ssh"
    if prefix:
        _write(client, f'#!/bin/sh\nexec {shlex.join(prefix)} ssh "$@"\n', 0o700)
    sandbox = f"sandbox: {workspace.sandbox}\n" if workspace.sandbox else ""
    inventory = directory / "inventory.gchain.yml"
    text = f"plugin: gchain\nenvironment: {workspace.environment}\n{sandbox}member: {member}\n"
    _write(inventory, text, 0o600)
    return inventory


def _write(path: Path, text: str, mode: int) -> None:
    if path.is_file() and path.read_text() == text:
        return
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    draft.chmod(mode)
    draft.replace(path)


def run_playbook(
    workspace: Workspace,
    member: str,
    playbook: str,
    extra_vars: Mapping[str, Any] | None = None,
    on_progress: Progress = lambda _: None,
    *,
    check: bool = False,
) -> Outcome:
    """Run `playbooks/<playbook>.yml` on the member's hosts; the whole output goes to `log/<playbook>-<member>.log`.

    Args:
        extra_vars: become Ansible's extra variables through a private file: nothing of them is in the process list.
        on_progress: is told each task as it starts.
        check: ask what would change, and change nothing.

    Raises:
        HostError: a task failed or a host could not be reached; it names task, host and message, and the log.
    """
    path = PLAYBOOKS / f"{playbook}.yml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in PLAYBOOKS.glob("*.yml")))
        raise HostError(f"there is no playbook {playbook!r}", remedy=f"there are {known}")
    inventory = prepare_member(workspace, member)
    workspace.log.mkdir(parents=True, exist_ok=True)
    log = workspace.log / f"{playbook}-{member}.log"
    with _private_files(workspace, dict(extra_vars or {})) as (variables, events):
        command = [
            "ansible-playbook",
            "-i",
            str(inventory),
            str(path),
            "-e",
            f"@{variables}",
            *(["--check"] if check else []),
        ]
        environment = _environment(workspace, member, events)
        with log.open("a") as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=REPOSITORY
            )
            try:
                outcome = _follow(process, events, on_progress)
            finally:
                _end(process)
    if process.returncode != 0:
        raise _failure(playbook, member, process.returncode, outcome, log)
    return outcome


@contextmanager
def _private_files(workspace: Workspace, extra_vars: dict[str, Any]) -> Iterator[tuple[Path, Path]]:
    """The extra variables and the event stream of one run, readable by this user alone, gone afterwards."""
    workspace.run.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ansible-", dir=workspace.run) as scratch:
        variables, events = Path(scratch, "vars.json"), Path(scratch, "events")
        variables.write_text(json.dumps(extra_vars))
        events.touch()
        yield variables, events


def _environment(workspace: Workspace, member: str, events: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ANSIBLE_", "PULUMI_"))}
    local = workspace.member(member).root / "ansible"
    return kept | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")]),
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(local / "tmp"),
        "ANSIBLE_HOME": str(local),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(workspace.run / "cp"),
        "ANSIBLE_NOCOLOR": "1",
        "GCHAIN_EVENTS": str(events),
    }


def _follow(process: subprocess.Popen[bytes], events: Path, on_progress: Progress) -> Outcome:
    outcome = Outcome()
    with events.open() as stream:
        waiting = True
        while waiting:
            try:
                process.wait(timeout=0.2)
                waiting = False
            except subprocess.TimeoutExpired:
                pass
            for line in stream:
                _note(outcome, json.loads(line), on_progress)
    return outcome


def _note(outcome: Outcome, event: dict[str, Any], on_progress: Progress) -> None:
    if event["event"] == "task":
        on_progress(event["task"])
    elif event["event"] == "stats":
        outcome.hosts = event["hosts"]
    else:
        task = event["task"]
        outcome.seconds[task] = max(outcome.seconds.get(task, 0.0), event["seconds"])
        if event["changed"]:
            outcome.changes.append(f"{event['host']}: {task}")
        if event["status"] in ("failed", "unreachable"):
            outcome.failures.append(f"{event['host']}: {task}: {event['message'].strip() or event['status']}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ansible forwards an interrupt to its workers; give it the time to do so before it is killed."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _failure(playbook: str, member: str, status: int, outcome: Outcome, log: Path) -> HostError:
    if outcome.failures:
        return HostError(
            f"playbook {playbook} of {member} failed on {outcome.failures[0]}", remedy=f"the whole output is in {log}"
        )
    tail = "\n".join(log.read_text(errors="replace").strip().splitlines()[-6:])
    return HostError(
        f"playbook {playbook} of {member} ended with status {status} before any host was reached:\n{tail}",
        remedy=f"the whole output is in {log}",
    )
