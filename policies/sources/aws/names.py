"""Names of an account: resolver rules, DNS Firewall, and the records of its zones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.errors import SourceError
from policies.graph import Resource
from policies.sources.aws.account import Account
from policies.sources.aws.answer import Answer
from policies.sources.aws.listing import Listing

__all__ = ["COLLECTORS", "GLOBAL_COLLECTORS"]

_SERVICE = "route53resolver"


def domain_lists(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    """The account's own lists with their names; the service keeps the names of those that AWS manages to itself."""
    for each in account.pages(_SERVICE, region, "list_firewall_domain_lists", "FirewallDomainLists"):
        if each["ManagedOwnerName?"]:
            continue
        of_list = {"FirewallDomainListId": each["Id"]}
        names = account.names(_SERVICE, region, "list_firewall_domains", "Domains", **of_list)
        properties = {"name": each["Name"], "domains": [name.rstrip(".") for name in names]}
        yield account.resource(
            "aws:route53/resolverFirewallDomainList:ResolverFirewallDomainList", each["Id"], region, properties
        )


def firewall_rules(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for group in account.pages(_SERVICE, region, "list_firewall_rule_groups", "FirewallRuleGroups"):
        yield account.resource(
            "aws:route53/resolverFirewallRuleGroup:ResolverFirewallRuleGroup",
            group["Id"],
            region,
            {"name": group["Name"]},
        )
        of_group = {"FirewallRuleGroupId": group["Id"]}
        for rule in account.pages(_SERVICE, region, "list_firewall_rules", "FirewallRules", **of_group):
            yield account.resource(
                "aws:route53/resolverFirewallRule:ResolverFirewallRule",
                f"{group['Id']}/{rule['Priority']}",
                region,
                {
                    "firewallRuleGroupId": group["Id"],
                    "firewallDomainListId": rule["FirewallDomainListId?"],
                    "dnsThreatProtection": rule["DnsThreatProtection?"],
                    "action": rule["Action"],
                    "priority": rule["Priority"],
                    "qType": rule["Qtype?"],
                },
            )


def firewalls(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    """Which rule groups filter a VPC's queries, and what happens to them when DNS Firewall cannot answer."""
    operation = "list_firewall_rule_group_associations"
    for each in account.pages(_SERVICE, region, operation, "FirewallRuleGroupAssociations"):
        if each["Status?"] == "DELETING" or each["VpcId"] in skip:
            continue
        properties = {
            "firewallRuleGroupId": each["FirewallRuleGroupId"],
            "vpcId": each["VpcId"],
            "priority": each["Priority"],
        }
        kind = "aws:route53/resolverFirewallRuleGroupAssociation:ResolverFirewallRuleGroupAssociation"
        yield account.resource(kind, each["Id"], region, properties)
    for vpc in account.pages("ec2", region, "describe_vpcs", "Vpcs"):
        if vpc["VpcId"] in skip or vpc["OwnerId"] != account.number:
            continue  # one that another account shares is that account's to filter
        # Asked for each VPC: the list of settings leaves out those that nobody ever changed.
        found = account.ask(_SERVICE, region, "get_firewall_config", ResourceId=vpc["VpcId"])["FirewallConfig"]
        yield account.resource(
            "aws:route53/resolverFirewallConfig:ResolverFirewallConfig",
            found["Id"],
            region,
            {"resourceId": found["ResourceId"], "firewallFailOpen": found["FirewallFailOpen"]},
        )


def records(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for zone in account.pages("route53", region, "list_hosted_zones", "HostedZones"):
        identifier = zone.text("Id").rpartition("/")[2]
        listed = account.pages(
            "route53", region, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=identifier
        )
        for each in listed:
            suffix = f"/{each['SetIdentifier']}" if each["SetIdentifier?"] else ""
            name = f"{identifier}/{each['Name']}/{each['Type']}{suffix}"
            yield account.resource("aws:route53/record:Record", name, None, _record(each))


def _record(each: Answer) -> dict[str, Any]:
    if "ResourceRecords" not in each and "AliasTarget" not in each:
        raise SourceError("ListResourceRecordSets: a record has neither values nor an alias")
    alias, nearby = each["AliasTarget?"], each["GeoProximityLocation?"]
    return {
        "type": each["Type"],
        "records": [value["Value"] for value in each.each("ResourceRecords?")],
        "aliases": [{"name": alias["DNSName"], "zoneId": alias["HostedZoneId?"]}] if alias else [],
        "latencyRoutingPolicies": [{"region": each["Region"]}] if each["Region?"] else [],
        "geoproximityRoutingPolicy": nearby
        and {"awsRegion": nearby["AWSRegion?"], "localZoneGroup": nearby["LocalZoneGroup?"]},
        "failoverRoutingPolicies": [{"type": each["Failover"]}] if each["Failover?"] else [],
    }


def _targets(rule: Answer) -> list[Answer]:
    return rule.each("TargetIps" if rule["RuleType"] == "FORWARD" else "TargetIps?")


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
            "targetIps": lambda item: [{"ip": each["Ip?"], "ipv6": each["Ipv6?"]} for each in _targets(item)],
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
