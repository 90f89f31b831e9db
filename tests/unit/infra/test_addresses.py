from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from gchain.environment import Host, load
from infra.addresses import host_address, subnets

REGION = load("sandbox").zone.regions[0]


@pytest.mark.parametrize("vpc", ["10.61.0.0/16", "10.61.0.0/20", "10.61.0.0/24"])
def test_subnets_lie_in_the_vpc_without_overlap_one_a_zone(vpc: str) -> None:
    plans = subnets(IPv4Network(vpc), REGION)
    assert [plan.az_id for plan in plans] == ["euc1-az1", "euc1-az2", "euc1-az3"]
    for index, plan in enumerate(plans):
        assert plan.cidr.subnet_of(IPv4Network(vpc))
        assert not any(plan.cidr.overlaps(other.cidr) for other in plans[index + 1 :])


def test_hosts_get_fixed_addresses_numbered_within_their_zone() -> None:
    plans = subnets(IPv4Network("10.61.0.0/20"), REGION)
    hosts = tuple(
        Host(name=name, role="validator", availability_zone=zone)
        for name, zone in [("v1", "eu-central-1a"), ("v2", "eu-central-1b"), ("v3", "eu-central-1a")]
    )
    assert [str(host_address(host, hosts, plans)) for host in hosts] == ["10.61.0.10", "10.61.4.10", "10.61.0.11"]


def test_adding_a_host_at_the_end_moves_no_other() -> None:
    plans = subnets(IPv4Network("10.61.0.0/20"), REGION)
    first = Host(name="v1", role="validator", availability_zone="eu-central-1a")
    second = Host(name="v2", role="observer", availability_zone="eu-central-1a")
    assert host_address(first, (first,), plans) == host_address(first, (first, second), plans)
