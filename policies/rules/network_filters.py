"""Network filters: what may pass, by address family, direction and name."""

from __future__ import annotations

from collections.abc import Iterator

from policies.graph import Resource
from policies.outcomes import Stage
from policies.places import host_of, is_loopback, network_faults
from policies.rule import Context, NotJudged, Rule
from policies.view import UnknownValue, View

RES_086 = Rule("RES-086", remedy="Remove IPv6 blocks and routes, or cover them in the zone's network policy.")


@RES_086.on("aws:ec2/vpc:Vpc")
def vpc_has_no_ipv6(vpc: View, at: Context) -> Iterator[str]:
    if vpc.flag("assignGeneratedIpv6CidrBlock"):
        yield "assignGeneratedIpv6CidrBlock is true"
    yield from _ipv6_faults(vpc, at, "ipv6CidrBlock")
    if vpc.text("ipv6IpamPoolId"):
        yield f"ipv6IpamPoolId is {vpc.text('ipv6IpamPoolId')}"


@RES_086.on("aws:ec2/vpcIpv6CidrBlockAssociation:VpcIpv6CidrBlockAssociation")
def vpc_gains_no_ipv6(association: View, at: Context) -> Iterator[str]:
    block = association.text("ipv6CidrBlock")
    if not block:
        yield f"an IPv6 block is associated with {association.text('vpcId')}"
    yield from network_faults(at, block, "ipv6CidrBlock")


@RES_086.on("aws:ec2/subnet:Subnet")
def subnet_has_no_ipv6(subnet: View, at: Context) -> Iterator[str]:
    yield from _ipv6_faults(subnet, at, "ipv6CidrBlock")
    for name in ("ipv6Native", "assignIpv6AddressOnCreation", "enableDns64"):
        if subnet.flag(name):
            yield f"{name} is true"


@RES_086.on("aws:ec2/route:Route")
def route_has_no_ipv6(route: View, at: Context) -> Iterator[str]:
    yield from _ipv6_faults(route, at, "destinationIpv6CidrBlock")


@RES_086.on("aws:ec2/routeTable:RouteTable", "aws:ec2/defaultRouteTable:DefaultRouteTable")
def table_has_no_ipv6(table: View, at: Context) -> Iterator[str]:
    for route in table.children("routes"):
        yield from _ipv6_faults(route, at, "ipv6CidrBlock")


def _ipv6_faults(view: View, at: Context, name: str) -> Iterator[str]:
    yield from network_faults(at, view.text(name), name)


RES_087 = Rule(
    "RES-087", remedy="Open egress to zone CIDRs, zone prefix lists or security groups; remove the open rule."
)
_GROUP = "aws:ec2/securityGroup:SecurityGroup"
_EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"


@RES_087.on(_GROUP)
def inline_egress_stays_in_the_zone(group: View, at: Context) -> Iterator[str]:
    for rule in group.children("egress"):
        for name in ("cidrBlocks", "ipv6CidrBlocks"):
            for cidr in rule.texts(name):
                yield from network_faults(at, cidr, "an egress rule")


@RES_087.on(_EGRESS)
def egress_stays_in_the_zone(rule: View, at: Context) -> Iterator[str]:
    targets = [rule.text(name) for name in ("cidrIpv4", "cidrIpv6")]
    if not any([*targets, rule.text("prefixListId"), rule.text("referencedSecurityGroupId")]):
        raise UnknownValue("the egress rule names no destination")
    for cidr in targets:
        yield from network_faults(at, cidr, "an egress rule")


@RES_087.on(_RULE)
def attached_egress_stays_in_the_zone(rule: View, at: Context) -> Iterator[str]:
    direction = rule.required("type")
    if direction == "ingress":
        raise NotJudged
    if direction != "egress":
        raise UnknownValue(f"type is {direction}, neither ingress nor egress")
    for name in ("cidrBlocks", "ipv6CidrBlocks"):
        for cidr in rule.texts(name):
            yield from network_faults(at, cidr, "an egress rule")


@RES_087.related(_GROUP)
def implicit_egress_is_gone(group: Resource, at: Context) -> Iterator[str]:
    # Judged over the whole stack: a group's egress may be declared inline or by rules of their own.
    if at.stage is Stage.PLAN and "egress" not in group.properties and not _has_own_egress(group, at):
        yield "no egress is declared, inline or as a rule of its own, so AWS's implicit rule to 0.0.0.0/0 stays"


def _has_own_egress(group: Resource, at: Context) -> bool:
    names = {group.id, group.physical_id, group.properties.get("id")} - {None}
    return any(rule.properties.get("securityGroupId") in names for rule in at.graph.of_type(_EGRESS))


RES_089 = Rule("RES-089", remedy="Name AmazonProvidedDNS and 169.254.169.123, or DNS and NTP servers of the zone.")
_PROVIDED = {"AmazonProvidedDNS", "169.254.169.253", "169.254.169.123", "fd00:ec2::253", "fd00:ec2::123"}


@RES_089.on("aws:ec2/vpcDhcpOptions:VpcDhcpOptions")
def options_name_zone_servers(options: View, at: Context) -> Iterator[str]:
    names = options.texts("domainNameServers")
    times = options.texts("ntpServers")
    if not names:
        yield "no domainNameServers are handed out"
    yield from _server_faults(names, at, "a DNS server")
    yield from _server_faults(times, at, "an NTP server")


@RES_089.each_host
def host_asks_zone_servers(host: View, at: Context) -> Iterator[str]:
    names = host.need("resolver").texts("nameservers")
    times = host.need("chrony").texts("sources")
    if not names or not times:
        raise UnknownValue("the host has no resolver or no time source")
    yield from _server_faults([name for name in names if not is_loopback(name)], at, "a DNS server")
    yield from _server_faults(times, at, "an NTP server")


def _server_faults(servers: list[str], at: Context, what: str) -> Iterator[str]:
    known = _PROVIDED | at.zone.dns_servers | at.zone.ntp_servers
    for server in servers:
        if server not in known and not at.zone.has_network(server):
            yield f"{what} is {server}, outside the zone"


RES_093 = Rule("RES-093", remedy="Point package sources, indexes and registries at the zone's mirrors.")


@RES_093.each_host
def packages_come_from_the_zone(host: View, at: Context) -> Iterator[str]:
    sources = [source.required("uri") for source in host.need("apt").children("sources")]
    indexes = host.need("pip").texts("index_urls")
    registries = host.need("container").texts("registries")
    licences = host.need("licence").texts("servers")
    for address in [*sources, *indexes, *registries, *licences]:
        yield from _mirror_faults(address, at)


@RES_093.each_host
def time_and_names_come_from_the_zone(host: View, at: Context) -> Iterator[str]:
    yield from host_asks_zone_servers(host, at)


def _mirror_faults(address: str, at: Context) -> Iterator[str]:
    if address.startswith(("file:", "copy:", "cdrom:")) or address.startswith("/"):
        return
    host = host_of(address)
    if host not in at.zone.mirrors and not at.zone.has_network(host) and not is_loopback(address):
        yield f"{address} is not a mirror of the zone"
