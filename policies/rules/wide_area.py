"""Wide-area paths: transit, private lines and tunnels lead to the zone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.documents import json_object
from policies.graph import Resource
from policies.places import account_faults, network_faults, region_faults
from policies.rule import Context, Rule
from policies.view import UnknownValue, View

RES_081 = Rule("RES-081", remedy="Peer with transit gateways of zone accounts; name zone regions as edge locations.")


@RES_081.on(
    "aws:ec2transitgateway/peeringAttachment:PeeringAttachment",
    "aws:ec2transitgateway/peeringAttachmentAccepter:PeeringAttachmentAccepter",
)
def transit_gateways_peer_inside(peering: View, at: Context) -> Iterator[str]:
    yield from region_faults(at, peering.required("peerRegion"), "peerRegion")
    yield from account_faults(at, peering.text("peerAccountId"), "peerAccountId")


@RES_081.on("aws:networkmanager/coreNetwork:CoreNetwork")
def core_network_has_zone_edges(network: View, at: Context) -> Iterator[str]:
    for region in network.texts("basePolicyRegions"):
        yield from region_faults(at, region, "a base policy region")
    yield from _edge_faults(network.value("basePolicyDocument"), at)


@RES_081.on("aws:networkmanager/coreNetworkPolicyAttachment:CoreNetworkPolicyAttachment")
def attached_policy_has_zone_edges(attachment: View, at: Context) -> Iterator[str]:
    attachment.required("policyDocument")
    yield from _edge_faults(attachment.value("policyDocument"), at)


def _edge_faults(document: Any, at: Context) -> Iterator[str]:
    if not document:
        return
    configuration = json_object(document, "the core network policy").get("core-network-configuration")
    edges = configuration.get("edge-locations") if isinstance(configuration, Mapping) else None
    if not isinstance(edges, list):
        raise UnknownValue("the core network policy names no edge locations")
    for edge in edges:
        location = edge.get("location") if isinstance(edge, Mapping) else None
        if not isinstance(location, str):
            raise UnknownValue("an edge location of the core network policy is not known")
        yield from region_faults(at, location, "an edge location")


RES_082 = Rule("RES-082", remedy="End lines and tunnels at sites of the zone file; turn VPN acceleration off.")


@RES_082.on("aws:directconnect/gateway:Gateway")
def line_gateway_is_the_zones(gateway: View, at: Context) -> Iterator[str]:
    yield from account_faults(at, gateway.text("ownerAccountId"), f"the owner of gateway {gateway.text('name') or ''}")


@RES_082.on("aws:directconnect/gatewayAssociation:GatewayAssociation")
def line_joins_zone_gateways(association: View, at: Context) -> Iterator[str]:
    yield from account_faults(at, association.text("associatedGatewayOwnerAccountId"), "the joined gateway's owner")
    for prefix in association.texts("allowedPrefixes"):
        yield from network_faults(at, prefix, "an announced prefix")


@RES_082.on("aws:directconnect/connection:Connection")
def line_ends_at_a_zone_site(connection: View, at: Context) -> Iterator[str]:
    if (location := connection.required("location")) not in at.zone.direct_connect_locations:
        yield f"the line ends at {location}, which is not a location of the zone"


@RES_082.on("aws:ec2/customerGateway:CustomerGateway")
def tunnel_ends_at_a_zone_site(gateway: View, at: Context) -> Iterator[str]:
    address = gateway.required("ipAddress")
    if not at.zone.ends_tunnel_at(address):
        yield f"a tunnel may end at {address}, which is not a site of the zone"


@RES_082.on("aws:ec2/vpnConnection:VpnConnection")
def tunnel_takes_no_detour(connection: View, at: Context) -> Iterator[str]:
    connection.required("customerGatewayId")
    if connection.flag("enableAcceleration"):
        yield "enableAcceleration is true: packets enter at edge locations abroad"


@RES_082.related("aws:ec2/vpnConnection:VpnConnection")
def end_of_the_tunnel_is_known(connection: Resource, at: Context) -> Iterator[str]:
    known = {gateway.physical_id for gateway in at.graph.of_type("aws:ec2/customerGateway:CustomerGateway")}
    if (gateway := at.view(connection).required("customerGatewayId")) not in known:
        raise UnknownValue(f"customer gateway {gateway} is in no stack or listing")
    yield from ()
