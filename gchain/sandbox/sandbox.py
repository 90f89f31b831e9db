"""The sandbox as the CLI and tests use it: start, look, wait, break things, remove everything.

sandbox = Sandbox("default")
with sandbox.exclusive():
    sandbox.start(environment)
sandbox.wait_for_hosts(4)
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gchain.errors import HostError, SandboxError
from gchain.sandbox import remains, reserved_ports, slots
from gchain.sandbox.cloud_process import read_changes
from gchain.sandbox.detached import start_detached
from gchain.sandbox.faults import Faults
from gchain.sandbox.hosts.base import ensure_base_image
from gchain.sandbox.hosts.cgroups import Cgroups
from gchain.sandbox.hosts.image import Image, capture
from gchain.sandbox.hosts.machine import Machine
from gchain.sandbox.hosts.package_mirror import ensure_package_mirror
from gchain.sandbox.layout import Layout, Plan, read_json
from gchain.sandbox.network import namespaces
from gchain.workspace import REPOSITORY, Workspace

if TYPE_CHECKING:
    from gchain.environment import Environment

__all__ = ["Sandbox"]

Progress = Callable[[str], None]


class Sandbox:
    """One named sandbox on this machine; needs root."""

    def __init__(self, name: str = "default") -> None:
        self.name = name
        self.workspace = Workspace.of_sandbox(name)
        self._held = False

    @property
    def exists(self) -> bool:
        return (self.workspace.root / "sandbox.json").exists()

    @property
    def plan(self) -> Plan:
        return Plan.read(self.workspace.root / "sandbox.json")

    @property
    def layout(self) -> Layout:
        return Layout(self.name, self.plan.slot)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the sandbox for a command of several steps; `start` and `down` inside it do not lock again."""
        if self._held:
            yield
            return
        with slots.exclusive(self.name):
            self._held = True
            try:
                yield
            finally:
                self._held = False

    def start(self, environment: Environment, *, progress: Progress = print, **settings: Any) -> dict[str, Any]:
        """Start cloud, network and daemon; the members' credentials exist when this returns.

        `settings` replace fields of the plan (`image`, `host_memory_mib`, ...). A running sandbox is left as it is.

        Raises:
            SandboxError: not root, a port is taken, another command holds the sandbox, or its cloud was lost.
        """
        with self.exclusive():
            return self.start_plan(Plan.of_environment(self.name, self._slot(), environment), progress, **settings)

    def _slot(self) -> int:
        return slots.allocate(self.name)

    def start_plan(self, plan: Plan, progress: Progress = print, **settings: Any) -> dict[str, Any]:
        """As `start`, from a plan made by hand."""
        if os.geteuid() != 0:
            raise SandboxError(
                "the sandbox makes network namespaces and boots hosts, which needs root",
                remedy="run it as root or with sudo",
            )
        with self.exclusive():
            image = ensure_base_image(progress)
            mirror = ensure_package_mirror(image)
            self._write_plan(plan, {"base": image.digest, **settings})
            self.publish("debs", mirror.served)
            shutil.copyfile(mirror.public_key, self.workspace.public / "mirror-key.asc")
            if self.status() is None:
                progress("local cloud and daemon")
                self._launch()
            return self._wait_started()

    def _write_plan(self, plan: Plan, settings: dict[str, Any]) -> None:
        if self.exists:
            settings = {"image": self.plan.image, **settings, "base": self.plan.base or settings["base"]}
        layout = Layout(self.name, plan.slot)
        for directory in (layout.root, layout.run, layout.log, layout.hosts, self.workspace.public):
            directory.mkdir(parents=True, exist_ok=True)
        layout.run.chmod(0o700)
        with slots.choosing():
            reserved_ports.reserve()
            replace(plan, slot=self._settled_slot(plan.slot), **settings).write(layout.plan)

    def _settled_slot(self, wanted: int) -> int:
        """The slot that this sandbox has; a new one gets `wanted`, unless another sandbox took it meanwhile."""
        found = slots.taken()
        return slots.allocate(self.name) if self.name in found or wanted in found.values() else wanted

    def _launch(self) -> None:
        """The daemon under a loop that starts it again when it dies; both in a control group of their own."""
        layout = self.layout
        (layout.run / "daemon-failure.json").unlink(missing_ok=True)
        cgroups = Cgroups(layout.cgroup)
        procs = cgroups.make("daemon") / "cgroup.procs"
        cgroups.kill("daemon")
        daemon = [sys.executable, "-m", "gchain.sandbox.daemon", "--name", self.name]
        loop = 'until "$@"; do [ $? = 2 ] && exit 2; sleep 1; done'
        start_detached(["sh", "-c", loop, "sh", *daemon], procs, log=layout.log / "daemon.log", env=_environment())

    def _wait_started(self, deadline: float = 180.0) -> dict[str, Any]:
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            self._raise_failure()
            status = self.status()
            if status and status["cloud"]["state"] == "lost":
                raise SandboxError(
                    f"the local cloud of sandbox {self.name!r} died, and what it knew died with it",
                    remedy=f"rebuild: gchain sandbox down --name {self.name}, then start again",
                )
            if status and status["cloud"]["state"] == "running":
                return status
            time.sleep(0.1)
        raise SandboxError(
            f"the daemon was not ready within {deadline:.0f} s", remedy=f"see {self.layout.log}/daemon.log"
        )

    def _raise_failure(self) -> None:
        failure = read_json(self.layout.run / "daemon-failure.json")
        if failure:
            raise SandboxError(failure["error"], remedy=failure["remedy"] or f"see {self.layout.log}/daemon.log")

    def status(self) -> dict[str, Any] | None:
        """The daemon's own document; None while it does not answer."""
        if not self.exists:
            return None
        try:
            url = f"http://127.0.0.1:{self.layout.status_port}/status"
            with urllib.request.urlopen(url, timeout=10) as answer:
                found: dict[str, Any] = json.load(answer)
        except OSError:
            return None
        return found if found.get("name") == self.name else None

    def use_image(self, image: Image) -> None:
        """Boot hosts that are made from now on with this image's layer.

        Raises:
            SandboxError: it was made on another base image than this sandbox has.
        """
        image.verify_base(self.plan.base)
        replace(self.plan, image=str(image.layer)).write(self.layout.plan)

    def capture_image(self, instance_id: str, image: Image) -> Image:
        """Keep what was done to a host as an image. Stop the instance first: a running host's disk is not at rest.

        Raises:
            SandboxError: the host runs.
        """
        machine = self.machine(instance_id)
        if machine.running:
            raise SandboxError(f"{instance_id} runs: its disk is not at rest", remedy="stop the instance first")
        return capture(machine.directory / "upper", self.plan.base, image)

    def publish(self, name: str, directory: Path) -> None:
        """Serve a directory on the zone's mirror as `/<name>/`; `/debs/` is there from the start."""
        target = self.workspace.root / "mirror" / name
        target.parent.mkdir(exist_ok=True)
        draft = target.with_name(f".{name}")
        draft.unlink(missing_ok=True)
        draft.symlink_to(directory)
        draft.rename(target)

    def wait_for_hosts(self, count: int, deadline: float = 120.0) -> list[dict[str, Any]]:
        """Wait until `count` hosts said on their console that they are up; returns their descriptions.

        Raises:
            HostError: they are not in time; the message says what each host's state is.
        """
        return self.wait(
            lambda hosts: sum(each["state"] == "up" for each in hosts) >= count, f"{count} hosts", deadline
        )

    def wait(
        self, condition: Callable[[list[dict[str, Any]]], bool], what: str, deadline: float = 60.0
    ) -> list[dict[str, Any]]:
        """Wait for a condition on the hosts."""
        end = time.monotonic() + deadline
        hosts: list[dict[str, Any]] = []
        while time.monotonic() < end:
            status = self.status()
            hosts = status["hosts"] if status else []
            if status and condition(hosts):
                return hosts
            time.sleep(0.1)
        states = ", ".join(f"{each['name'] or each['instance_id']} {each['state']}" for each in hosts) or "no host"
        problems = "; ".join((self.status() or {"problems": ["the daemon does not answer"]})["problems"])
        states += f"; problems: {problems}" if problems else ""
        raise HostError(
            f"waited {deadline:.0f} s for {what}: {states}", remedy=f"see {self.layout.hosts}/*/console.log"
        )

    def converged(self, deadline: float = 60.0) -> dict[str, Any]:
        """Wait until everything that the cloud was told so far is applied."""
        end = time.monotonic() + deadline
        wanted = read_changes(self.layout.endpoint, timeout=10)["changes"]
        while time.monotonic() < end:
            status = self.status()
            if status and status["reconciler"]["applied"] >= wanted:
                return status
            time.sleep(0.05)
        raise SandboxError(
            f"change {wanted} of the cloud was not applied within {deadline:.0f} s",
            remedy="is the machine busy with something else? `gchain status` names what the reconciler met",
        )

    def down(self, progress: Progress = print) -> None:
        """Remove everything that the sandbox has on this machine, whatever state it is in; the caches stay."""
        with self.exclusive():
            progress(f"sandbox {self.name}: hosts, namespaces, state")
            Cgroups(f"gchain-{self.name}").remove_all()
            remains.remove_mounts(self.workspace.root)
            for namespace in remains.namespaces_of(self.name, namespaces.listed()):
                namespaces.end_processes(namespace)
                namespaces.remove(namespace)
            if self.workspace.root.exists():
                shutil.rmtree(self.workspace.root)
            with slots.choosing():
                if not slots.taken():
                    reserved_ports.release()

    def machine(self, instance_id: str) -> Machine:
        layout = self.layout
        return Machine(layout, Cgroups(layout.cgroup), instance_id)

    def console(self, instance_id: str) -> str:
        """All that the host printed."""
        return self.machine(instance_id).console.read_text(errors="replace")

    def kill_host(self, instance_id: str) -> None:
        """Pull a host's plug; it stays off until `revive_host`."""
        Faults(self.layout).plant("killed", instance_id)
        self.machine(instance_id).kill()

    def revive_host(self, instance_id: str) -> None:
        Faults(self.layout).heal("killed", instance_id)

    def cut_link(self, instance_id: str) -> None:
        """Unplug a host's network; `heal_link` plugs it in again."""
        Faults(self.layout).plant("cut", instance_id)
        self._link(instance_id, "down")

    def heal_link(self, instance_id: str) -> None:
        Faults(self.layout).heal("cut", instance_id)
        self._link(instance_id, "up")

    def _link(self, instance_id: str, state: str) -> None:
        link = "h-" + instance_id.rpartition("-")[2][-12:]
        namespaces.ip(self.layout.router, f"link set {link} {state}")

    def freeze(self, instance_id: str, frozen: bool = True) -> None:
        """Stop a host's every process where it is, or let them go on."""
        Cgroups(self.layout.cgroup).freeze(instance_id, frozen)

    def in_operator_network(self, member: str, *command: str) -> list[str]:
        """The command line that runs `command` in a member's own network."""
        return ["nsenter", f"--net=/run/netns/{self.layout.operator(member)}", *command]


def _environment() -> dict[str, str]:
    """The caller's environment without credentials, and with the checkout importable from any directory."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return {**kept, "PYTHONPATH": str(REPOSITORY)}
