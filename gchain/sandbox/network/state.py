"""The part of the cloud's state that decides what packets may do: plain immutable values.

The sweep fills them from API answers; `ruleset.render` and `names.answer` are pure functions of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

__all__ = [
    "AclEntry",
    "CloudState",
    "Instance",
    "Interface",
    "NetworkAcl",
    "Peering",
    "Permission",
    "Route",
    "SecurityGroup",
    "Subnet",
    "Volume",
    "Vpc",
    "Zone",
]


@dataclass(frozen=True)
class Vpc:
    id: str
    account: str
    region: str
    cidrs: tuple[str, ...]
    gateway: str = ""
    """The attached VPN gateway, empty without one."""
    name_servers: tuple[str, ...] = ()
    domain: str = ""
    time_servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    destination: str
    target: str
    """`local`, a peering connection (pcx-), a VPN gateway (vgw-), or what the sandbox does not carry."""


@dataclass(frozen=True)
class Subnet:
    id: str
    vpc: str
    cidr: str
    zone: str
    routes: tuple[Route, ...] = ()
    acl: str = ""

    @property
    def network(self) -> IPv4Network:
        return IPv4Network(self.cidr)

    @property
    def gateway(self) -> IPv4Address:
        """The VPC router's address in every subnet is the first one."""
        return self.network.network_address + 1

    @property
    def bridge(self) -> str:
        return "b-" + self.id.rpartition("-")[2][-12:]


@dataclass(frozen=True)
class Peering:
    id: str
    requester: str
    accepter: str


@dataclass(frozen=True)
class AclEntry:
    number: int
    egress: bool
    allow: bool
    protocol: str
    cidr: str
    ports: tuple[int, int] | None = None


@dataclass(frozen=True)
class NetworkAcl:
    id: str
    entries: tuple[AclEntry, ...]


@dataclass(frozen=True)
class Permission:
    """One permission of a security group: protocol (`tcp`, `udp`, `icmp`, a number, or `-1`), ports, and who."""

    protocol: str
    ports: tuple[int, int] | None = None
    cidrs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class SecurityGroup:
    id: str
    vpc: str
    ingress: tuple[Permission, ...] = ()
    egress: tuple[Permission, ...] = ()


@dataclass(frozen=True)
class Interface:
    """An elastic network interface; `instance` is empty for those of endpoints and HSMs."""

    id: str
    subnet: str
    address: str
    groups: tuple[str, ...]
    instance: str = ""


@dataclass(frozen=True)
class Volume:
    id: str
    gib: int
    device: str


@dataclass(frozen=True)
class Instance:
    id: str
    account: str
    region: str
    state: str
    subnet: str
    address: str
    name: str = ""
    public_key: str = ""
    user_data: str = ""
    image: str = ""
    data_volumes: tuple[Volume, ...] = ()

    @property
    def link(self) -> str:
        """Name of the host's link in the router: at most 15 characters."""
        return "h-" + self.id.rpartition("-")[2][-12:]


@dataclass(frozen=True)
class Zone:
    """A private hosted zone: the VPCs that see it, and its records, (name, type) -> values."""

    name: str
    vpcs: frozenset[str]
    records: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class CloudState:
    """Everything at one moment; maps are keyed by id."""

    vpcs: dict[str, Vpc] = field(default_factory=dict)
    subnets: dict[str, Subnet] = field(default_factory=dict)
    peerings: dict[str, Peering] = field(default_factory=dict)
    acls: dict[str, NetworkAcl] = field(default_factory=dict)
    groups: dict[str, SecurityGroup] = field(default_factory=dict)
    interfaces: dict[str, Interface] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    zones: tuple[Zone, ...] = ()

    def subnets_of(self, vpc: str) -> Iterator[Subnet]:
        return (subnet for subnet in self.subnets.values() if subnet.vpc == vpc)

    def members_of(self, group: str) -> list[str]:
        """Addresses of all interfaces in a security group."""
        return sorted(each.address for each in self.interfaces.values() if group in each.groups)
