"""Route 53 Resolver DNS Firewall: domain lists, rule groups, rules, associations with VPCs, a VPC's setting."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, ResourceType, as_set
from gchain.sandbox.provider.services.ec2 import tag_list, tags_of
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_GONE = "ResourceNotFoundException"


def _bare(name: Any) -> str:
    return str(name).rstrip(".").lower()


def _same_domains(left: Any, right: Any) -> bool:
    return as_set([_bare(name) for name in left or []], [_bare(name) for name in right or []])


class _Tagged(ResourceType):
    """A type whose tags are read and written by its ARN."""

    taggable = True

    def tags(self, op: Operation, arn: str) -> dict[str, str]:
        return tags_of(op.call("route53resolver.list_tags_for_resource", ResourceArn=arn))

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        if removed:
            op.call("route53resolver.untag_resource", ResourceArn=state["arn"], TagKeys=removed)
        if tags:
            op.call("route53resolver.tag_resource", ResourceArn=state["arn"], Tags=tag_list(tags))


class DomainList(_Tagged):
    type_name = "aws:route53/resolverFirewallDomainList:ResolverFirewallDomainList"
    inputs = (
        Input("name", replace=True, autoname=True),
        Input("domains", equal=_same_domains),
    )
    outputs = ("arn",)

    def create(self, op: Operation, new: Properties) -> str:
        answer = op.call(
            "route53resolver.create_firewall_domain_list",
            CreatorRequestId=uuid.uuid4().hex,
            Name=new["name"],
            Tags=tag_list(new["tagsAll"]) or None,
        )
        return str(answer["FirewallDomainList"]["Id"])

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        if new.get("domains"):
            _set_domains(op, identity, "ADD", new["domains"])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        if change.now.get("domains"):
            _set_domains(op, identity, "REPLACE", change.now["domains"])
        elif change.state.get("domains"):
            _set_domains(op, identity, "REMOVE", change.state["domains"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        found = op.find("route53resolver.get_firewall_domain_list", _GONE, FirewallDomainListId=identity)
        if found is None:
            return None
        live = found["FirewallDomainList"]
        domains = op.call("route53resolver.list_firewall_domains", FirewallDomainListId=identity)["Domains"]
        return {
            "name": live["Name"],
            "arn": live["Arn"],
            "domains": [_bare(name) for name in domains],
            "tags": self.tags(op, live["Arn"]),
        }

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("route53resolver.delete_firewall_domain_list", _GONE, FirewallDomainListId=identity)


def _set_domains(op: Operation, identity: str, operation: str, domains: list[str]) -> None:
    op.call(
        "route53resolver.update_firewall_domains", FirewallDomainListId=identity, Operation=operation, Domains=domains
    )


class RuleGroup(_Tagged):
    type_name = "aws:route53/resolverFirewallRuleGroup:ResolverFirewallRuleGroup"
    inputs = (Input("name", replace=True, autoname=True),)
    outputs = ("arn", "ownerId", "shareStatus")

    def create(self, op: Operation, new: Properties) -> str:
        answer = op.call(
            "route53resolver.create_firewall_rule_group",
            CreatorRequestId=uuid.uuid4().hex,
            Name=new["name"],
            Tags=tag_list(new["tagsAll"]) or None,
        )
        return str(answer["FirewallRuleGroup"]["Id"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        found = op.find("route53resolver.get_firewall_rule_group", _GONE, FirewallRuleGroupId=identity)
        if found is None:
            return None
        live = found["FirewallRuleGroup"]
        return {
            "name": live["Name"],
            "arn": live["Arn"],
            "ownerId": live["OwnerId"],
            "shareStatus": live["ShareStatus"],
            "tags": self.tags(op, live["Arn"]),
        }

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("route53resolver.delete_firewall_rule_group", _GONE, FirewallRuleGroupId=identity)


_RULE = (
    *("name", "action", "priority", "blockResponse", "blockOverrideDomain", "blockOverrideDnsType"),
    *("blockOverrideTtl", "firewallDomainRedirectionAction"),
)


class Rule(ResourceType):
    """A rule of a group; its id is `<group>:<domain list>`. The list cannot change: it is what the API names it by."""

    type_name = "aws:route53/resolverFirewallRule:ResolverFirewallRule"
    delete_before_replace = True
    inputs = (
        Input("name", replace=True, autoname=True),
        Input("action", required=True),
        Input("priority", required=True),
        Input("blockResponse"),
        Input("blockOverrideDomain"),
        Input("blockOverrideDnsType"),
        Input("blockOverrideTtl"),
        Input("firewallDomainListId", required=True, replace=True),
        Input("firewallDomainRedirectionAction", default="INSPECT_REDIRECTION_DOMAIN"),
        Input("firewallRuleGroupId", required=True, replace=True),
        Input("qType", replace=True),
    )

    def create(self, op: Operation, new: Properties) -> str:
        op.call(
            "route53resolver.create_firewall_rule",
            CreatorRequestId=uuid.uuid4().hex,
            **_rule_key(new),
            **_rule_values(new),
        )
        return f"{new['firewallRuleGroupId']}:{new['firewallDomainListId']}"

    def update(self, op: Operation, identity: str, change: Change) -> None:
        op.call("route53resolver.update_firewall_rule", **_rule_key(change.now), **_rule_values(change.now))

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        group, _, domains = identity.partition(":")
        found = op.find("route53resolver.list_firewall_rules", _GONE, FirewallRuleGroupId=group)
        for rule in (found or {}).get("FirewallRules", ()):
            if rule.get("FirewallDomainListId") == domains and rule.get("Qtype") == known.get("qType"):
                values = {name: rule.get(name[:1].upper() + name[1:]) for name in _RULE}
                return {
                    **values,
                    "firewallRuleGroupId": group,
                    "firewallDomainListId": domains,
                    "qType": rule.get("Qtype"),
                }
        return None

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("route53resolver.delete_firewall_rule", _GONE, **_rule_key(state))


def _rule_key(rule: Properties) -> dict[str, Any]:
    return {
        "FirewallRuleGroupId": rule["firewallRuleGroupId"],
        "FirewallDomainListId": rule["firewallDomainListId"],
        "Qtype": rule.get("qType"),
    }


def _rule_values(rule: Properties) -> dict[str, Any]:
    numbers = ("priority", "blockOverrideTtl")
    given = {name: rule[name] for name in _RULE if rule.get(name) is not None}
    return {name[:1].upper() + name[1:]: int(value) if name in numbers else value for name, value in given.items()}


class Association(_Tagged):
    """Like the real provider, this one does not take protection off by itself: the cloud refuses the delete."""

    type_name = "aws:route53/resolverFirewallRuleGroupAssociation:ResolverFirewallRuleGroupAssociation"
    delete_before_replace = True
    inputs = (
        Input("name", autoname=True),
        Input("firewallRuleGroupId", required=True, replace=True),
        Input("vpcId", required=True, replace=True),
        Input("priority", required=True),
        Input("mutationProtection", default="DISABLED"),
    )
    outputs = ("arn",)

    def create(self, op: Operation, new: Properties) -> str:
        answer = op.call(
            "route53resolver.associate_firewall_rule_group",
            CreatorRequestId=uuid.uuid4().hex,
            FirewallRuleGroupId=new["firewallRuleGroupId"],
            VpcId=new["vpcId"],
            Name=new["name"],
            Priority=int(new["priority"]),
            MutationProtection=new["mutationProtection"],
            Tags=tag_list(new["tagsAll"]) or None,
        )
        return str(answer["FirewallRuleGroupAssociation"]["Id"])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        op.call(
            "route53resolver.update_firewall_rule_group_association",
            FirewallRuleGroupAssociationId=identity,
            Name=change.now["name"],
            Priority=int(change.now["priority"]),
            MutationProtection=change.now["mutationProtection"],
        )

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        action = "route53resolver.get_firewall_rule_group_association"
        found = op.find(action, _GONE, FirewallRuleGroupAssociationId=identity)
        if found is None:
            return None
        live = found["FirewallRuleGroupAssociation"]
        return {
            "name": live["Name"],
            "arn": live["Arn"],
            "firewallRuleGroupId": live["FirewallRuleGroupId"],
            "vpcId": live["VpcId"],
            "priority": live["Priority"],
            "mutationProtection": live["MutationProtection"],
            "tags": self.tags(op, live["Arn"]),
        }

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        action = "route53resolver.disassociate_firewall_rule_group"
        op.find(action, _GONE, FirewallRuleGroupAssociationId=identity)


class Config(ResourceType):
    """The setting of a VPC; deleting it sets the default again, and goes with the VPC."""

    type_name = "aws:route53/resolverFirewallConfig:ResolverFirewallConfig"
    delete_before_replace = True
    inputs = (
        Input("resourceId", required=True, replace=True),
        Input("firewallFailOpen", default="DISABLED"),
    )
    outputs = ("ownerId",)

    def create(self, op: Operation, new: Properties) -> str:
        return _set_config(op, new["resourceId"], new["firewallFailOpen"])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        _set_config(op, change.now["resourceId"], change.now["firewallFailOpen"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        for live in op.call("route53resolver.list_firewall_configs")["FirewallConfigs"]:
            if live["Id"] == identity:
                return {
                    "resourceId": live["ResourceId"],
                    "firewallFailOpen": live["FirewallFailOpen"],
                    "ownerId": live["OwnerId"],
                }
        return None

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        action = "route53resolver.update_firewall_config"
        op.find(action, _GONE, ResourceId=state["resourceId"], FirewallFailOpen="DISABLED")


def _set_config(op: Operation, vpc: str, fail_open: str) -> str:
    answer = op.call("route53resolver.update_firewall_config", ResourceId=vpc, FirewallFailOpen=fail_open)
    return str(answer["FirewallConfig"]["Id"])


TYPES = (DomainList(), RuleGroup(), Rule(), Association(), Config())
