"""Address arithmetic of a member's VPC: no Pulumi here."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from gchain.environment import Host, Region

__all__ = ["SubnetPlan", "host_address", "subnets"]

_SUBNETS = 3
_FIRST_HOST = 10  # the cloud keeps the first four addresses of a subnet, endpoints take others from the rest


@dataclass(frozen=True)
class SubnetPlan:
    """One private subnet: its network, and the Availability Zone's name and id."""

    cidr: IPv4Network
    az: str
    az_id: str


def subnets(vpc: IPv4Network, region: Region) -> tuple[SubnetPlan, ...]:
    """One subnet in each of the region's first three zones, each a quarter of the VPC; the last quarter stays free."""
    quarters = list(vpc.subnets(prefixlen_diff=2))
    zones = region.availability_zones[:_SUBNETS]
    return tuple(SubnetPlan(cidr, az.name, az.id) for cidr, az in zip(quarters, zones, strict=False))


def host_address(host: Host, hosts: tuple[Host, ...], plans: tuple[SubnetPlan, ...]) -> IPv4Address:
    """A fixed address: a replaced host keeps it, so peers and records need no change.

    Hosts are numbered within their zone, in the order of the consortium's file.
    """
    plan = next(plan for plan in plans if plan.az == host.availability_zone)
    neighbours = [other.name for other in hosts if other.availability_zone == host.availability_zone]
    return plan.cidr[_FIRST_HOST + neighbours.index(host.name)]
