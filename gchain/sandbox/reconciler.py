"""Converge hosts, wires and packet filters to what the cloud says, and say how far that is.

Every step is idempotent and reads what exists: a reconciler that was killed goes on where the last one stopped.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gchain.errors import SandboxError
from gchain.sandbox.accounts import Company
from gchain.sandbox.faults import Faults
from gchain.sandbox.hosts.base import BaseImage
from gchain.sandbox.hosts.cgroups import Cgroups
from gchain.sandbox.hosts.console import host_keys
from gchain.sandbox.hosts.machine import Machine
from gchain.sandbox.layout import Layout, Plan
from gchain.sandbox.network import namespaces
from gchain.sandbox.network.overlap import without_overlaps
from gchain.sandbox.network.ruleset import render
from gchain.sandbox.network.state import CloudState, Instance
from gchain.sandbox.network.topology import Topology, externals

__all__ = ["Reconciler"]

_LOG = logging.getLogger(__name__)
_BOOT_ATTEMPTS = 3
_BOOT_WINDOW = 60.0


class Reconciler:
    """Holds what was applied last; `apply` makes the machine agree with a state."""

    def __init__(self, layout: Layout, plan: Plan, image: BaseImage, company: Company) -> None:
        self._layout = layout
        self._plan = plan
        self._image = image
        self._company = company
        self._cgroups = Cgroups(layout.cgroup)
        self._topology = Topology(layout, plan)
        self._externals = externals(plan)
        self._faults = Faults(layout)
        self._ruleset = ""
        self._boots: dict[str, list[float]] = {}
        self._busy: set[str] = set()
        self._workers = ThreadPoolExecutor(4, thread_name_prefix="hosts")
        self._problems: list[str] = []
        self.state = CloudState()

    def machine(self, instance_id: str) -> Machine:
        return Machine(self._layout, self._cgroups, instance_id)

    def apply(self, wanted: CloudState) -> list[str]:
        """One pass; hosts are stopped and removed in the background, the rest is done when this returns.

        Returns a sentence for everything that could not be done.
        """
        state, self._problems = without_overlaps(wanted)
        self.state = state
        self._topology.bridges(state)
        living = [each for each in state.instances.values() if each.state in ("pending", "running")]
        links = self._topology.links()
        for instance in living:
            self._lay_host(instance, links)
        self._filter(state)
        self._raise_links(living)
        for instance in living:
            self._keep_running(instance)
        for instance in state.instances.values():
            if instance.state in ("stopping", "stopped"):
                self._keep_stopped(instance.id)
        for gone in self._on_disk() - state.instances.keys():
            self._background(gone, self._remove)
        return self._problems

    def _lay_host(self, instance: Instance, links: set[str]) -> None:
        subnet = self.state.subnets[instance.subnet]
        machine = self.machine(instance.id)
        if not machine.exists:
            layer = Plan.read(self._layout.plan).image  # a person may have chosen one since this daemon started
            machine.prepare(instance, subnet, self.state.vpcs[subnet.vpc], layer)
        if instance.link not in links:
            self._topology.attach(instance, subnet)

    def _filter(self, state: CloudState) -> None:
        ruleset = render(state, self._externals, self._topology.links())
        if ruleset != self._ruleset:
            namespaces.load_ruleset(self._layout.router, ruleset)
            self._ruleset = ruleset
            (self._layout.run / "ruleset.nft").write_text(ruleset)

    def _raise_links(self, living: list[Instance]) -> None:
        """Links go up after the rules know them, and stay down while a test has cut them."""
        down = {
            each["ifname"]
            for each in namespaces.ip_json(self._layout.router, "link", "show")
            if "UP" not in each["flags"]
        }
        for instance in living:
            cut = instance.id in self._faults.cut()
            if cut != (instance.link in down):
                self._topology.raise_link(instance.link, up=not cut)

    def _keep_running(self, instance: Instance) -> None:
        machine = self.machine(instance.id)
        if machine.running:
            self._attach(instance, machine)
            return
        if instance.id in self._busy or instance.id in self._faults.killed():
            return
        if machine.ended == 0:
            self._powered_off(instance, machine)
        elif self._may_boot(instance.id):
            self._boot(instance, machine)

    def _boot(self, instance: Instance, machine: Machine) -> None:
        _LOG.info("boot %s (%s)", instance.id, instance.name)
        try:
            machine.boot(instance, self._image, self._plan.host_memory_mib)
        except SandboxError as error:  # others are booted all the same
            self._problems.append(f"{instance.id} could not be started: {error}")
        else:
            self._boots.setdefault(instance.id, []).append(time.monotonic())

    def _attach(self, instance: Instance, machine: Machine) -> None:
        try:
            machine.attach_volumes(instance)
        except SandboxError as error:
            self._problems.append(f"{instance.id}: a volume could not be attached: {error}")

    def _may_boot(self, instance_id: str) -> bool:
        """A host that ends again and again is left alone, and said so, instead of burning the machine."""
        since = time.monotonic() - _BOOT_WINDOW
        recent = self._boots[instance_id] = [each for each in self._boots.get(instance_id, []) if each > since]
        if len(recent) >= _BOOT_ATTEMPTS:
            console = self.machine(instance_id).console
            self._problems.append(f"{instance_id} ended {len(recent)} times within a minute: see {console}")
            return False
        return True

    def _powered_off(self, instance: Instance, machine: Machine) -> None:
        """A host that shut itself down is a stopped instance, as in EC2."""
        self._company.client("ec2", instance.account, instance.region).stop_instances(InstanceIds=[instance.id])
        machine.forget_end()

    def _keep_stopped(self, instance_id: str) -> None:
        machine = self.machine(instance_id)
        if machine.running:
            self._background(instance_id, lambda each: self.machine(each).stop())
        else:
            machine.forget_end()

    def _on_disk(self) -> set[str]:
        return {path.name for path in self._layout.hosts.iterdir()} if self._layout.hosts.is_dir() else set()

    def _remove(self, instance_id: str) -> None:
        _LOG.info("remove %s", instance_id)
        self.machine(instance_id).remove()
        self._topology.detach(instance_id)

    def _background(self, instance_id: str, work: Any) -> None:
        if instance_id in self._busy:
            return
        self._busy.add(instance_id)

        def run() -> None:
            try:
                work(instance_id)
            except Exception:
                _LOG.exception("%s", instance_id)
            finally:
                self._busy.discard(instance_id)

        self._workers.submit(run)

    def settled(self) -> bool:
        """Whether nothing is under way in the background."""
        return not self._busy

    def hosts(self, state: CloudState) -> list[dict[str, Any]]:
        """What `status` says of each instance of a state. Any thread asks, beside a pass: this changes nothing."""
        return [self._describe(each) for each in sorted(state.instances.values(), key=lambda each: each.id)]

    def _describe(self, instance: Instance) -> dict[str, Any]:
        machine = self.machine(instance.id)
        member = next((each.name for each in self._plan.members if each.account == instance.account), "")
        return {
            "instance_id": instance.id,
            "name": instance.name,
            "member": member,
            "account": instance.account,
            "region": instance.region,
            "address": instance.address,
            "state": self._host_state(instance, machine),
            "memory_bytes": self._cgroups.memory(instance.id),
            "ssh_host_keys": host_keys(machine.console_since_boot()),
            "console": str(machine.console),
        }

    def _host_state(self, instance: Instance, machine: Machine) -> str:
        if not machine.running:
            return "stopped" if instance.state in ("stopping", "stopped") else "down"
        if self._cgroups.frozen(instance.id):
            return "frozen"
        return "up" if machine.up(instance) else "booting"
