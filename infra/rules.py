"""Which packets may pass: rule lists by CIDR, computed without Pulumi.

Security groups hold the exact ports. Network ACLs are the second, stateless layer: they know which *networks* may
talk at all and must let replies through. Rules name CIDRs only, because a security-group reference does not cross a
region.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from gchain.environment import Environment, Member

__all__ = ["AclRule", "Rule", "acl_rules", "host_egress", "host_ingress", "peer_egress", "peer_ingress"]

PEER_PORTS = {26656: "ledger peers", 8443: "node API"}
OPERATOR_PORTS = {22: "administration", 8080: "status page", 8443: "node API", 9100: "host metrics"}
MIRROR_PORT = 80
HTTPS = 443
_EPHEMERAL = (32768, 60999)  # Linux's range for outgoing connections; no service of a host listens in it
_UNPRIVILEGED = (1024, 65535)


@dataclass(frozen=True)
class Rule:
    """One allowed flow of TCP: the network at the other end and the port on the listening side.

    `name` is a stable label, unique in its list: it becomes the resource's name.
    """

    name: str
    cidr: IPv4Network
    port: int
    description: str


@dataclass(frozen=True)
class AclRule:
    """One allowed flow of a network ACL; `number` orders the list."""

    number: int
    cidr: IPv4Network
    from_port: int
    to_port: int


def host_ingress(member: Member) -> list[Rule]:
    """What reaches a member's hosts before any peer is known: its own operators and its own other hosts."""
    operators = [
        Rule(f"operator-{port}", member.operator_cidr, port, f"{text} from the agency's own network")
        for port, text in OPERATOR_PORTS.items()
    ]
    return operators + peer_ingress(member)


def host_egress(environment: Environment, member: Member) -> list[Rule]:
    """Where a member's hosts may connect before any peer is known; the object store's prefix list comes on top."""
    return [
        Rule("services-80", environment.zone.services_cidr, MIRROR_PORT, "package mirror of the zone"),
        Rule("endpoints-443", member.vpc_cidr, HTTPS, "cloud API by endpoints in the VPC"),
        *peer_egress(member),
    ]


def peer_ingress(peer: Member) -> list[Rule]:
    return [Rule(f"{peer.name}-{port}", peer.vpc_cidr, port, f"{t} from {peer.name}") for port, t in PEER_PORTS.items()]


def peer_egress(peer: Member) -> list[Rule]:
    return [Rule(f"{peer.name}-{port}", peer.vpc_cidr, port, f"{t} of {peer.name}") for port, t in PEER_PORTS.items()]


def acl_rules(environment: Environment, member: Member) -> tuple[list[AclRule], list[AclRule]]:
    """Ingress and egress of the subnets' network ACL; whatever no rule names is dropped.

    The members' VPCs, the agency's own network and the zone's services may talk to unprivileged ports (services and
    replies). The object store answers from addresses that no ACL can name: requests go out to port 443, and only
    replies to outgoing connections come back; no route leads anywhere but to the gateway endpoint.
    """
    everyone = IPv4Network("0.0.0.0/0")
    networks = [*(peer.vpc_cidr for peer in environment.consortium.members), environment.zone.services_cidr]
    ingress = [
        (member.operator_cidr, 22, 22),
        (member.vpc_cidr, HTTPS, HTTPS),
        *_each([member.operator_cidr, *networks], _UNPRIVILEGED),
        (everyone, *_EPHEMERAL),
    ]
    egress = [
        (environment.zone.services_cidr, MIRROR_PORT, MIRROR_PORT),
        *_each([member.operator_cidr, *networks], _UNPRIVILEGED),
        (everyone, HTTPS, HTTPS),
    ]
    return _numbered(ingress), _numbered(egress)


def _each(networks: Iterable[IPv4Network], ports: tuple[int, int]) -> list[tuple[IPv4Network, int, int]]:
    return [(network, *ports) for network in networks]


def _numbered(flows: Sequence[tuple[IPv4Network, int, int]]) -> list[AclRule]:
    return [AclRule(100 + 10 * index, *flow) for index, flow in enumerate(flows)]
