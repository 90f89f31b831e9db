from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from gchain.environment import load
from infra import rules

ENVIRONMENT = load("sandbox")
TREASURY = ENVIRONMENT.member("treasury")
CUSTOMS = ENVIRONMENT.member("customs")


def acl_allows(entries: list[rules.AclRule], address: str, port: int) -> bool:
    return any(IPv4Address(address) in e.cidr and e.from_port <= port <= e.to_port for e in entries)


def test_operators_reach_exactly_the_ports_of_operation() -> None:
    ports = {rule.port for rule in rules.host_ingress(TREASURY) if rule.cidr == TREASURY.operator_cidr}
    assert ports == {22, 8080, 8443, 9100}


def test_peers_reach_exactly_the_ledger_and_the_api() -> None:
    assert {rule.port for rule in rules.peer_ingress(CUSTOMS)} == {26656, 8443}
    assert {rule.cidr for rule in rules.peer_ingress(CUSTOMS)} == {CUSTOMS.vpc_cidr}


def test_round_one_opens_nothing_to_other_members() -> None:
    flows = rules.host_ingress(TREASURY) + rules.host_egress(ENVIRONMENT, TREASURY)
    assert not any(rule.cidr.overlaps(CUSTOMS.vpc_cidr) for rule in flows)


@pytest.mark.parametrize("name", ["sandbox", "us-gov", "eu-sovereign", "uk"])
def test_no_rule_leaves_the_zone(name: str) -> None:
    environment = load(name)
    for member in environment.consortium.members:
        for rule in rules.host_ingress(member) + rules.host_egress(environment, member) + rules.peer_egress(member):
            assert any(rule.cidr.subnet_of(allowed) for allowed in environment.zone.egress_cidrs)


def test_rule_names_are_unique_because_they_become_resource_names() -> None:
    names = [rule.name for rule in rules.host_ingress(TREASURY)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("source", "port", "passes"),
    [
        ("10.71.1.1", 22, True),  # own operators
        ("10.71.2.1", 22, False),  # another agency's operators
        ("10.64.0.10", 26656, True),  # a peer
        ("10.64.0.10", 22, False),  # a peer has no business with ssh
        ("10.70.0.80", 40000, True),  # a reply of the mirror
        ("52.95.0.1", 40000, True),  # a reply of the object store
        ("203.0.113.9", 26656, False),  # a stranger
        ("203.0.113.9", 8443, False),
        ("203.0.113.9", 22, False),
    ],
)
def test_the_acl_lets_in_what_the_zone_needs(source: str, port: int, passes: bool) -> None:
    ingress, _ = rules.acl_rules(ENVIRONMENT, TREASURY)
    assert acl_allows(ingress, source, port) is passes


@pytest.mark.parametrize(
    ("target", "port", "passes"),
    [
        ("10.64.0.10", 26656, True),
        ("10.70.0.80", 80, True),
        ("10.71.1.1", 50000, True),  # a reply to the operators
        ("203.0.113.9", 26656, False),
        ("203.0.113.9", 80, False),
    ],
)
def test_the_acl_lets_out_what_the_zone_needs(target: str, port: int, passes: bool) -> None:
    _, egress = rules.acl_rules(ENVIRONMENT, TREASURY)
    assert acl_allows(egress, target, port) is passes


def test_acl_lists_fit_the_clouds_limit_with_unique_numbers() -> None:
    for entries in rules.acl_rules(ENVIRONMENT, TREASURY):
        assert len({entry.number for entry in entries}) == len(entries) <= 20
        assert all(isinstance(entry.cidr, IPv4Network) for entry in entries)
