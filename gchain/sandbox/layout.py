"""What a sandbox's name and slot decide: ports, namespaces, cgroup, directories (docs/interfaces.md, "Sandbox")."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gchain.errors import SandboxError
from gchain.workspace import Workspace

if TYPE_CHECKING:
    from gchain.environment import Environment

__all__ = ["HostName", "Layout", "MemberSite", "Plan", "first_address", "process_alive", "read_json"]

PORT_BASE = 41000
PORTS_PER_SLOT = 100
SLOTS = 40


def first_address(network: str) -> str:
    """The first usable address of a network."""
    return str(next(IPv4Network(network).hosts()))


@dataclass(frozen=True)
class HostName:
    """A host that the environment expects; its position among all hosts decides its loopback ports."""

    member: str
    name: str


@dataclass(frozen=True)
class MemberSite:
    """What the sandbox knows of a member beforehand: its account, and its own office network."""

    name: str
    account: str
    region: str
    operator_cidr: str
    hosts: tuple[str, ...] = ()

    @property
    def operator_address(self) -> str:
        return first_address(self.operator_cidr)


@dataclass(frozen=True)
class Plan:
    """`sandbox.json`: all that the daemon must know; everything else it reads from the cloud."""

    name: str
    slot: int
    environment: str
    members: tuple[MemberSite, ...]
    regions: tuple[str, ...]
    services_cidr: str
    mirrors: dict[str, str] = field(default_factory=dict)
    """Name of a mirror -> its address in the services network."""
    accounts: dict[str, str] = field(default_factory=dict)
    """Accounts beside the members' own (a log archive): name -> twelve digits."""
    base: str = ""
    """Digest of the base image; empty for the current one."""
    image: str = ""
    """Directory of an image layer between the base image and a host's own files; empty without one."""
    wheelhouse: str = ""
    host_memory_mib: int = 640

    @property
    def hosts(self) -> tuple[HostName, ...]:
        return tuple(HostName(member.name, host) for member in self.members for host in member.hosts)

    def write(self, path: Path) -> None:
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.rename(path)

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Raises:
        SandboxError: there is no such sandbox.
        """
        try:
            document = json.loads(path.read_text())
        except FileNotFoundError:
            raise SandboxError(f"no sandbox at {path.parent}", remedy="start one: make sandbox") from None
        members = (MemberSite(**{**each, "hosts": tuple(each["hosts"])}) for each in document.pop("members"))
        return cls(members=tuple(members), regions=tuple(document.pop("regions")), **document)

    @classmethod
    def of_environment(cls, name: str, slot: int, environment: Environment) -> Plan:
        """What the environment's files say about members, networks and mirrors."""
        zone, consortium = environment.zone, environment.consortium
        members = tuple(
            MemberSite(
                member.name,
                member.account,
                member.region,
                str(member.operator_cidr),
                tuple(host.name for host in member.hosts),
            )
            for member in consortium.members
        )
        known = {member.account for member in members}
        return cls(
            name=name,
            slot=slot,
            environment=environment.name,
            members=members,
            regions=tuple(region.name for region in zone.regions),
            services_cidr=str(zone.services_cidr),
            mirrors={mirror.name: _mirror_address(str(mirror.url)) for mirror in zone.mirrors},
            accounts={name: account for name, account in zone.accounts.items() if account not in known},
        )


def _mirror_address(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].partition(":")[0]


@dataclass(frozen=True)
class Layout:
    """Names and paths of one sandbox."""

    name: str
    slot: int

    @property
    def workspace(self) -> Workspace:
        return Workspace.of_sandbox(self.name)

    @property
    def root(self) -> Path:
        return self.workspace.root

    @property
    def plan(self) -> Path:
        return self.root / "sandbox.json"

    @property
    def run(self) -> Path:
        return self.workspace.run

    @property
    def log(self) -> Path:
        return self.workspace.log

    @property
    def company_token(self) -> Path:
        return self.run / "company-token"

    @property
    def hosts(self) -> Path:
        return self.root / "hosts"

    @property
    def port_base(self) -> int:
        return PORT_BASE + PORTS_PER_SLOT * self.slot

    @property
    def cloud_port(self) -> int:
        return self.port_base

    @property
    def status_port(self) -> int:
        return self.port_base + 1

    def forwarded(self, index: int) -> dict[int, int]:
        """Loopback port -> port on the host, for the host at `index` in member order."""
        return {self.port_base + 10 + index: 8080, self.port_base + 20 + index: 8443}

    @property
    def router(self) -> str:
        return f"gc-{self.name}-router"

    @property
    def services(self) -> str:
        return f"gc-{self.name}-services"

    def operator(self, member: str) -> str:
        return f"gc-{self.name}-ops-{member}"

    def host_namespace(self, instance_id: str) -> str:
        return f"gc-{self.name}-{instance_id}"

    @property
    def cgroup(self) -> str:
        return f"gchain-{self.name}"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.cloud_port}"


def read_json(path: Path) -> dict[str, Any]:
    """A small state file; empty when it is missing or was cut off by a crash."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return found


def process_alive(pid: int) -> bool:
    """Whether a process of this id runs (and is not a zombie)."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
