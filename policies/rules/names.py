"""Names: whom the zone's resolvers ask, which names they ask for, and what the zone's records answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from policies.graph import Resource
from policies.places import endpoint_faults, network_faults, region_faults
from policies.relations import children_of
from policies.rule import Context, Rule
from policies.view import UnknownValue, View

RES_090 = Rule(
    "RES-090",
    remedy="Forward to zone addresses; associate each VPC with a DNS Firewall that allows names of the zone, blocks "
    "all others and fails closed.",
)
_DOMAINS = "aws:route53/resolverFirewallDomainList:ResolverFirewallDomainList"
_GROUP = "aws:route53/resolverFirewallRuleGroup:ResolverFirewallRuleGroup"
_RULE = "aws:route53/resolverFirewallRule:ResolverFirewallRule"
_ASSOCIATION = "aws:route53/resolverFirewallRuleGroupAssociation:ResolverFirewallRuleGroupAssociation"
_CONFIG = "aws:route53/resolverFirewallConfig:ResolverFirewallConfig"
_EVERY_NAME = "*"


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


@RES_090.on(_CONFIG)
def dns_firewall_fails_closed(configuration: View, at: Context) -> Iterator[str]:
    if configuration.required("firewallFailOpen") != "DISABLED":
        yield f"firewallFailOpen is {configuration.text('firewallFailOpen')}"


@RES_090.related("aws:ec2/vpc:Vpc")
def vpc_has_a_dns_firewall(vpc: Resource, at: Context) -> Iterator[str]:
    groups = _owned(vpc.physical_id, _ASSOCIATION, "vpcId", "aws:ec2/vpc:Vpc", at)
    if not groups:
        yield "the VPC has no DNS Firewall: its resolver asks the public DNS for any name"
        return
    if not children_of(vpc, at, "resourceId", _CONFIG):
        yield "nothing says that the VPC's DNS Firewall fails closed"
    yield from _open_names(_filter_rules(groups, at), at)


class _FilterRule(NamedTuple):
    """A rule as a query meets it: by the priority of its group in the VPC, then by its own in the group."""

    group: int
    priority: int
    view: View


def _filter_rules(associations: list[View], at: Context) -> list[_FilterRule]:
    found = []
    for association in associations:
        group, order = association.required("firewallRuleGroupId"), _priority(association)
        rules = _owned(group, _RULE, "firewallRuleGroupId", _GROUP, at)
        found += [_FilterRule(order, _priority(rule), rule) for rule in rules]
    return sorted(found, key=lambda rule: rule[:2])


def _owned(owner: str | None, kind: str, name: str, owners: str, at: Context) -> list[View]:
    """The resources of type `kind` whose property `name` is `owner`, all of them.

    Raises:
        UnknownValue: the owner is in no stack or listing, or one of them has an owner that is not, and may be this one.
    """
    known = {each.physical_id for each in at.graph.of_type(owners)}
    by_owner, unsure = at.graph.owned(kind, name)
    if unsure or owner not in known or not by_owner.keys() <= known:
        raise UnknownValue(f"whose each {kind.rpartition(':')[2]} is, is not known")
    return [at.view(each) for each in by_owner.get(owner or "", ())]


def _priority(view: View) -> int:
    if (priority := view.number("priority")) is None:
        raise UnknownValue("the priority of a DNS Firewall rule or rule group is not set")
    return priority


def _open_names(rules: list[_FilterRule], at: Context) -> Iterator[str]:
    """What a query could ask for outside the zone before a rule blocks every name: the first rule that fits decides."""
    for rule in rules:
        action, names = rule.view.required("action"), _names(rule.view, at)
        if action == "BLOCK":
            if _EVERY_NAME in names and not rule.view.text("qType"):
                return
        elif action not in ("ALLOW", "ALERT"):
            raise UnknownValue(f"action {action!r} is none that DNS Firewall has")
        elif rule.view.text("dnsThreatProtection"):
            yield "names that look like a tunnel are answered and only reported"
        else:
            for name in names:
                yield from _name_faults(name, at)
    yield "the last rule does not block every name: what no rule names is answered"


def _names(rule: View, at: Context) -> list[str]:
    if rule.text("dnsThreatProtection"):
        return []
    wanted = rule.required("firewallDomainListId")
    for listed in at.graph.of_type(_DOMAINS):
        if listed.physical_id == wanted:
            return at.view(listed).texts("domains")
    raise UnknownValue(f"DNS Firewall domain list {wanted} is in no stack or listing")


def _name_faults(name: str, at: Context) -> Iterator[str]:
    if name == _EVERY_NAME:
        yield "a rule lets every name be asked for"
    else:
        yield from endpoint_faults(at, name, "an allowed name")


RES_091 = Rule("RES-091", remedy="Let every record and alias answer with an address or name of the zone.")
_ADDRESSES = ("A", "AAAA")
_NAMES = ("CNAME", "MX", "SRV", "PTR", "HTTPS", "SVCB")
_TEXTS = ("TXT", "SOA", "CAA", "DS", "SPF", "NAPTR", "TLSA", "SSHFP")
_CLOUD_DELEGATION = ".awsdns-"


@RES_091.on("aws:route53/record:Record")
def record_answers_with_the_zone(record: View, at: Context) -> Iterator[str]:
    kind, values = _kind(record), record.texts("records")
    for value in values:
        yield from _answer_faults(kind, value, at)
    for alias in record.children("aliases"):
        yield from endpoint_faults(at, alias.required("name"), "an alias")
    if not values and not list(record.children("aliases")):
        raise UnknownValue("the record has neither values nor an alias")
    yield from _routing_faults(record, at)


@RES_091.on("aws:route53/recordsExclusive:RecordsExclusive")
def records_of_the_whole_zone_answer_with_the_zone(zone: View, at: Context) -> Iterator[str]:
    for record in zone.children("resourceRecordSets"):
        kind, alias = _kind(record), record.child("aliasTarget")
        values = [each.required("value") for each in record.children("resourceRecords")]
        for value in values:
            yield from _answer_faults(kind, value, at)
        if alias is not None:
            yield from endpoint_faults(at, alias.required("dnsName"), "an alias")
        if not values and alias is None:
            raise UnknownValue("a record has neither values nor an alias")
        yield from region_faults(at, record.text("region"), "a latency routing region")
        if (nearby := record.child("geoproximityLocation")) is not None:
            yield from _proximity_faults(nearby, at)


def _kind(record: View) -> str:
    if (kind := record.required("type")) not in (*_ADDRESSES, *_NAMES, *_TEXTS, "NS"):
        raise UnknownValue(f"record type {kind!r} is none that Route 53 has")
    return kind


def _answer_faults(kind: str, value: str, at: Context) -> Iterator[str]:
    if kind in _ADDRESSES:
        yield from network_faults(at, value, f"a {kind} record")
    elif kind in _NAMES or (kind == "NS" and _CLOUD_DELEGATION not in value):
        yield from endpoint_faults(at, value.split()[-1] if value.split() else value, f"a {kind} record")


def _routing_faults(record: View, at: Context) -> Iterator[str]:
    for policy in record.children("latencyRoutingPolicies"):
        yield from region_faults(at, policy.required("region"), "a latency routing region")
    if (nearby := record.child("geoproximityRoutingPolicy")) is not None:
        yield from _proximity_faults(nearby, at)
    for failover in record.children("failoverRoutingPolicies"):
        if failover.required("type") not in ("PRIMARY", "SECONDARY"):
            raise UnknownValue("a failover routing type is neither PRIMARY nor SECONDARY")


def _proximity_faults(nearby: View, at: Context) -> Iterator[str]:
    yield from region_faults(at, nearby.text("awsRegion"), "a geoproximity region")
    if group := nearby.text("localZoneGroup"):
        yield f"requests are routed to Local Zone group {group}"
