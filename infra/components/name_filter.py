"""Which names a VPC's resolver may ask for: it reaches the public DNS past every filter of packets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.component import Component

__all__ = ["NameFilter", "NameFilterArgs", "cloud_names", "zone_names"]

_INSPECT, _TRUST = "INSPECT_REDIRECTION_DOMAIN", "TRUST_REDIRECTION_DOMAIN"
_SUFFIXES = {"aws-eusc": "amazonaws.eu", "aws-iso": "c2s.ic.gov", "aws-iso-b": "sc2s.sgov.gov"}
_SUFFIX = "amazonaws.com"


def zone_names(domain: str, mirrors: Sequence[str]) -> list[str]:
    """The zone's domain, all below it, and its mirrors."""
    within = [name for name in mirrors if not name.endswith(f".{domain}")]
    return [domain, f"*.{domain}", *sorted(within)]


def cloud_names(partition: str, region: str, services: Sequence[str]) -> list[str]:
    """The names of the cloud's API that the VPC has endpoints for: in the member's region, and no other name."""
    suffix = f"{region}.{_SUFFIXES.get(partition, _SUFFIX)}"
    return [*(f"{service}.{suffix}" for service in sorted(services)), f"s3.{suffix}", f"*.s3.{suffix}"]


@dataclass(frozen=True)
class NameFilterArgs:
    """`zone` and `cloud` are names as DNS Firewall takes them; `protect` keeps the filter from being taken off."""

    owner: str
    vpc_id: pulumi.Input[str]
    zone: Sequence[str]
    cloud: Sequence[str]
    protect: bool


class NameFilter(Component):
    """DNS Firewall of one VPC (catalogue rule RES-090): the zone's names, the endpoints' names, then nothing."""

    def __init__(self, name: str, args: NameFilterArgs, options: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, options)
        group = aws.route53.ResolverFirewallRuleGroup(args.owner, name=f"gchain-{args.owner}", opts=self.child())
        # A bucket's name is an alias of other names of the same service, which no list of ours could follow.
        rules = [
            self._rule(args.owner, group, "zone", args.zone, 100, redirected=_INSPECT),
            self._rule(args.owner, group, "cloud", args.cloud, 200, redirected=_TRUST),
            self._rule(args.owner, group, "rest", ["*"], 300, redirected=_INSPECT, block=True),
        ]
        aws.route53.ResolverFirewallConfig(
            args.owner, resource_id=args.vpc_id, firewall_fail_open="DISABLED", opts=self.child()
        )
        aws.route53.ResolverFirewallRuleGroupAssociation(
            args.owner,
            name=f"gchain-{args.owner}",
            firewall_rule_group_id=group.id,
            vpc_id=args.vpc_id,
            priority=101,
            mutation_protection="ENABLED" if args.protect else "DISABLED",
            opts=self.child(depends_on=rules),
        )
        self.register_outputs({"rule_group_id": group.id})

    def _rule(
        self,
        owner: str,
        group: aws.route53.ResolverFirewallRuleGroup,
        label: str,
        names: Sequence[str],
        priority: int,
        *,
        redirected: str,
        block: bool = False,
    ) -> pulumi.Resource:
        listed = aws.route53.ResolverFirewallDomainList(
            f"{owner}-{label}", name=f"gchain-{owner}-{label}", domains=list(names), opts=self.child()
        )
        return aws.route53.ResolverFirewallRule(
            f"{owner}-{label}",
            name=f"gchain-{owner}-{label}",
            firewall_rule_group_id=group.id,
            firewall_domain_list_id=listed.id,
            firewall_domain_redirection_action=redirected,
            action="BLOCK" if block else "ALLOW",
            block_response="NXDOMAIN" if block else None,
            priority=priority,
            opts=self.child(),
        )
