"""Own halves of the peering connections to the other members (round 2).

For two members the one whose name sorts first requests and the other accepts, so both know their part without talking.
Members run round 2 in the order of their names: whoever accepts finds the request in the requester's signed facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

import pulumi
import pulumi_aws as aws

from gchain.environment import Member
from infra import rules
from infra.components.component import Component
from infra.components.network import allow, record

__all__ = ["PeerPlan", "Peering", "PeeringArgs"]


@dataclass(frozen=True)
class PeerPlan:
    """Another member: who it is by the consortium's file; by its signed facts its VPC, its request to us, its hosts."""

    member: Member
    vpc_id: str
    request: str | None = None
    hosts: Mapping[str, IPv4Address] = field(default_factory=dict)


@dataclass(frozen=True)
class PeeringArgs:
    member: Member
    vpc_id: pulumi.Input[str]
    route_table_id: pulumi.Input[str]
    group: pulumi.Input[str]
    zone: aws.route53.Zone
    peers: Sequence[PeerPlan]


class Peering(Component):
    """Connections, routes, openings and the peers' host names; `requested` are our own requests' ids by member."""

    def __init__(self, name: str, args: PeeringArgs, options: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, options)
        self.requested: dict[str, pulumi.Output[str]] = {}
        for peer in args.peers:
            self._peer(args, peer)
        self.register_outputs({"requested": self.requested})

    def _peer(self, args: PeeringArgs, peer: PeerPlan) -> None:
        name = f"{args.member.name}-{peer.member.name}"
        connection = self._request(args, peer, name) if requests(args.member, peer.member) else self._accept(peer, name)
        if connection is None:
            return
        aws.ec2.Route(
            name,
            route_table_id=args.route_table_id,
            destination_cidr_block=str(peer.member.vpc_cidr),
            vpc_peering_connection_id=connection,
            opts=self.child(),
        )
        for host, address in peer.hosts.items():
            record(self, f"{args.member.name}-{host}", args.zone, host, str(address))
        allow(self, f"{args.member.name}-in", args.group, rules.peer_ingress(peer.member), ingress=True)
        allow(self, f"{args.member.name}-out", args.group, rules.peer_egress(peer.member), ingress=False)

    def _request(self, args: PeeringArgs, peer: PeerPlan, name: str) -> pulumi.Output[str]:
        connection = aws.ec2.VpcPeeringConnection(
            name,
            vpc_id=args.vpc_id,
            peer_vpc_id=peer.vpc_id,
            peer_owner_id=peer.member.account,
            peer_region=peer.member.region,
            auto_accept=False,
            opts=self.child(),
        )
        self.requested[peer.member.name] = connection.id
        return connection.id

    def _accept(self, peer: PeerPlan, name: str) -> pulumi.Output[str] | None:
        if peer.request is None:
            pulumi.log.warn(f"{peer.member.name} has not requested peering yet: run round 2 again after it did", self)
            return None
        accepted = aws.ec2.VpcPeeringConnectionAccepter(
            name, vpc_peering_connection_id=peer.request, auto_accept=True, opts=self.child()
        )
        return accepted.vpc_peering_connection_id


def requests(member: Member, peer: Member) -> bool:
    """Whether `member` is the one of the two that asks."""
    return member.name < peer.name
