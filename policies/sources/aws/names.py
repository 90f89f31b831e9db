"""Names of an account: resolver rules, DNS Firewall, and the records of its zones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.graph import Resource
from policies.sources.aws.account import Account
from policies.sources.aws.listing import Listing

__all__ = ["COLLECTORS", "GLOBAL_COLLECTORS"]

_SERVICE = "route53resolver"


def domain_lists(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    """The account's own lists with their names; the service keeps the names of those that AWS manages to itself."""
    for each in account.pages(_SERVICE, region, "list_firewall_domain_lists", "FirewallDomainLists"):
        if each.get("ManagedOwnerName"):
            continue
        of_list = {"FirewallDomainListId": each["Id"]}
        names = account.pages(_SERVICE, region, "list_firewall_domains", "Domains", **of_list)
        properties = {"name": each.get("Name"), "domains": [_name(name) for name in names]}
        yield account.resource(
            "aws:route53/resolverFirewallDomainList:ResolverFirewallDomainList", each["Id"], region, properties
        )


def _name(listed: Any) -> Any:
    return listed.rstrip(".") if isinstance(listed, str) else listed


def firewall_rules(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for group in account.pages(_SERVICE, region, "list_firewall_rule_groups", "FirewallRuleGroups"):
        yield account.resource(
            "aws:route53/resolverFirewallRuleGroup:ResolverFirewallRuleGroup",
            group["Id"],
            region,
            {"name": group.get("Name")},
        )
        of_group = {"FirewallRuleGroupId": group["Id"]}
        for rule in account.pages(_SERVICE, region, "list_firewall_rules", "FirewallRules", **of_group):
            yield account.resource(
                "aws:route53/resolverFirewallRule:ResolverFirewallRule",
                f"{group['Id']}/{rule['Priority']}",
                region,
                {
                    "firewallRuleGroupId": group["Id"],
                    "firewallDomainListId": rule.get("FirewallDomainListId"),
                    "dnsThreatProtection": rule.get("DnsThreatProtection"),
                    "action": rule.get("Action"),
                    "priority": rule.get("Priority"),
                    "qType": rule.get("Qtype"),
                },
            )


def firewalls(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    """Which rule groups filter a VPC's queries, and what happens to them when DNS Firewall cannot answer."""
    operation = "list_firewall_rule_group_associations"
    for each in account.pages(_SERVICE, region, operation, "FirewallRuleGroupAssociations"):
        if each.get("Status") == "DELETING" or each.get("VpcId") in skip:
            continue
        properties = {
            "firewallRuleGroupId": each.get("FirewallRuleGroupId"),
            "vpcId": each.get("VpcId"),
            "priority": each.get("Priority"),
        }
        kind = "aws:route53/resolverFirewallRuleGroupAssociation:ResolverFirewallRuleGroupAssociation"
        yield account.resource(kind, each["Id"], region, properties)
    for vpc in account.pages("ec2", region, "describe_vpcs", "Vpcs"):
        if vpc["VpcId"] in skip or vpc.get("OwnerId", account.number) != account.number:
            continue  # one that another account shares is that account's to filter
        # Asked for each VPC: the list of settings leaves out those that nobody ever changed.
        found = account.client(_SERVICE, region).get_firewall_config(ResourceId=vpc["VpcId"])["FirewallConfig"]
        yield account.resource(
            "aws:route53/resolverFirewallConfig:ResolverFirewallConfig",
            found["Id"],
            region,
            {"resourceId": found.get("ResourceId"), "firewallFailOpen": found.get("FirewallFailOpen")},
        )


def records(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for zone in account.pages("route53", region, "list_hosted_zones", "HostedZones"):
        identifier = zone["Id"].rpartition("/")[2]
        listed = account.pages(
            "route53", region, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=identifier
        )
        for each in listed:
            suffix = f"/{each['SetIdentifier']}" if each.get("SetIdentifier") else ""
            name = f"{identifier}/{each['Name']}/{each['Type']}{suffix}"
            yield account.resource("aws:route53/record:Record", name, None, _record(each))


def _record(each: Any) -> dict[str, Any]:
    alias, nearby = each.get("AliasTarget"), each.get("GeoProximityLocation")
    return {
        "type": each["Type"],
        "records": [value["Value"] for value in each.get("ResourceRecords") or ()],
        "aliases": [{"name": alias["DNSName"], "zoneId": alias.get("HostedZoneId")}] if alias else [],
        "latencyRoutingPolicies": [{"region": each["Region"]}] if each.get("Region") else [],
        "geoproximityRoutingPolicy": nearby
        and {"awsRegion": nearby.get("AWSRegion"), "localZoneGroup": nearby.get("LocalZoneGroup")},
        "failoverRoutingPolicies": [{"type": each["Failover"]}] if each.get("Failover") else [],
    }


COLLECTORS = {
    ("aws:route53/resolverRule:ResolverRule",): Listing(
        "aws:route53/resolverRule:ResolverRule",
        "route53resolver",
        "list_resolver_rules",
        "ResolverRules",
        "Id",
        {
            "ruleType": "RuleType",
            "domainName": "DomainName",
            "targetIps": lambda item: [
                {"ip": each.get("Ip"), "ipv6": each.get("Ipv6")} for each in item.get("TargetIps") or ()
            ],
        },
    ),
    ("aws:route53/resolverFirewallDomainList:ResolverFirewallDomainList",): domain_lists,
    (
        "aws:route53/resolverFirewallRuleGroup:ResolverFirewallRuleGroup",
        "aws:route53/resolverFirewallRule:ResolverFirewallRule",
    ): firewall_rules,
    (
        "aws:route53/resolverFirewallRuleGroupAssociation:ResolverFirewallRuleGroupAssociation",
        "aws:route53/resolverFirewallConfig:ResolverFirewallConfig",
    ): firewalls,
}
GLOBAL_COLLECTORS = {("aws:route53/record:Record",): records}
