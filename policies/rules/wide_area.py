"""Wide-area paths and names: transit, private lines, tunnels, resolvers and records lead to the zone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from policies.documents import json_object
from policies.graph import Resource
from policies.outcomes import Stage
from policies.places import account_faults, endpoint_faults, network_faults, region_faults
from policies.relations import children_of
from policies.rule import Context, Rule, Verdict
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


RES_090 = Rule(
    "RES-090",
    remedy="Forward to zone addresses; give every VPC a DNS Firewall whose last rule blocks all names, and that fails "
    "closed.",
)
_FIREWALL_RULE = "aws:route53/resolverFirewallRule:ResolverFirewallRule"
_FIREWALL_CONFIG = "aws:route53/resolverFirewallConfig:ResolverFirewallConfig"


@RES_090.on("aws:route53/resolverRule:ResolverRule")
def names_are_asked_inside(rule: View, at: Context) -> Iterator[str]:
    for target in rule.children("targetIps"):
        addresses = [address for name in ("ip", "ipv6") if (address := target.text(name))]
        if not addresses:
            raise UnknownValue("a forwarding target has no address")
        for address in addresses:
            if address not in at.zone.dns_servers:
                yield from network_faults(at, address, f"a resolver for {rule.text('domainName') or 'names'}")
    if (kind := rule.required("ruleType")) not in ("FORWARD", "SYSTEM", "RECURSIVE", "DELEGATE"):
        raise UnknownValue(f"ruleType {kind!r} is none that Route 53 Resolver has")


@RES_090.on(_FIREWALL_CONFIG)
def dns_firewall_fails_closed(configuration: View, at: Context) -> Iterator[str]:
    if configuration.required("firewallFailOpen") != "DISABLED":
        yield f"firewallFailOpen is {configuration.text('firewallFailOpen')}"


@RES_090.whole(Stage.PLAN, Stage.STATE, Stage.LIVE)
def last_firewall_rule_blocks(at: Context) -> Iterator[Verdict]:
    groups: dict[str, list[tuple[int, Resource]]] = defaultdict(list)
    for rule in at.graph.of_type(_FIREWALL_RULE):
        view = at.view(rule)
        group, priority = view.required("firewallRuleGroupId"), view.number("priority")
        if priority is None:
            raise UnknownValue("priority of a firewall rule is not set")
        view.required("firewallDomainListId")
        groups[group].append((priority, rule))
    for rules in groups.values():
        last = max(rules, key=lambda each: each[0])[1]
        action = at.view(last).required("action")
        faults = [] if action == "BLOCK" else [f"the last rule's action is {action}: what no rule names is answered"]
        yield Verdict(last.id, faults)


@RES_090.related("aws:ec2/vpc:Vpc")
def vpc_has_a_dns_firewall(vpc: Resource, at: Context) -> Iterator[str]:
    if not children_of(vpc, at, "resourceId", _FIREWALL_CONFIG):
        yield "the VPC has no DNS Firewall: its resolver asks the public DNS for any name"


RES_091 = Rule("RES-091", remedy="Let every record and alias answer with an address or name of the zone.")
_ADDRESSES = ("A", "AAAA")
_NAMES = ("CNAME", "MX", "SRV", "PTR", "HTTPS", "SVCB")
_TEXTS = ("TXT", "SOA", "CAA", "DS", "SPF", "NAPTR", "TLSA", "SSHFP")
_CLOUD_DELEGATION = ".awsdns-"


@RES_091.on("aws:route53/record:Record")
def record_answers_with_the_zone(record: View, at: Context) -> Iterator[str]:
    kind, values = record.required("type"), record.texts("records")
    if kind not in (*_ADDRESSES, *_NAMES, *_TEXTS, "NS"):
        raise UnknownValue(f"record type {kind!r} is none that Route 53 has")
    for value in values:
        yield from _answer_faults(kind, value, at)
    for alias in record.children("aliases"):
        yield from endpoint_faults(at, alias.required("name"), "an alias")
    if not values and not list(record.children("aliases")):
        raise UnknownValue("the record has neither values nor an alias")
    yield from _routing_faults(record, at)


def _answer_faults(kind: str, value: str, at: Context) -> Iterator[str]:
    if kind in _ADDRESSES:
        yield from network_faults(at, value, f"a {kind} record")
    elif kind in _NAMES or (kind == "NS" and _CLOUD_DELEGATION not in value):
        yield from endpoint_faults(at, value.split()[-1] if value.split() else value, f"a {kind} record")


def _routing_faults(record: View, at: Context) -> Iterator[str]:
    for policy in record.children("latencyRoutingPolicies"):
        yield from region_faults(at, policy.required("region"), "a latency routing region")
    if (nearby := record.child("geoproximityRoutingPolicy")) is not None:
        yield from region_faults(at, nearby.text("awsRegion"), "a geoproximity region")
        if group := nearby.text("localZoneGroup"):
            yield f"requests are routed to Local Zone group {group}"
    for failover in record.children("failoverRoutingPolicies"):
        if failover.required("type") not in ("PRIMARY", "SECONDARY"):
            raise UnknownValue("a failover routing type is neither PRIMARY nor SECONDARY")
