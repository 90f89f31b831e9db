"""A member's closed network: three private subnets, no gateway to the internet, every flow by CIDR rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from gchain.environment import Environment, Member
from infra import documents, rules
from infra.addresses import SubnetPlan
from infra.components.component import Component, as_json

__all__ = ["Network", "NetworkArgs", "allow", "record"]


@dataclass(frozen=True)
class NetworkArgs:
    """`subnets` come from `infra.addresses`; `endpoints` are service names such as `kms`."""

    environment: Environment
    member: Member
    subnets: Sequence[SubnetPlan]
    endpoints: Sequence[str]


class Network(Component):
    """VPC, subnets, routes, filters, endpoints, DHCP options and the private DNS zone."""

    def __init__(self, name: str, args: NetworkArgs, options: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, options)
        self._args = args
        self._owner = args.member.name
        self.vpc = aws.ec2.Vpc(
            self._owner,
            cidr_block=str(args.member.vpc_cidr),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            opts=self.child(),
        )
        aws.ec2.DefaultSecurityGroup(f"{self._owner}-default-closed", vpc_id=self.vpc.id, opts=self.child())
        self.subnets = [self._subnet(plan) for plan in args.subnets]
        self.route_table = self._routes()
        self._acl()
        self.hosts_group = self._group("hosts", "ledger hosts")
        self.endpoints_group = self._group("endpoints", "cloud API endpoints", closed=True)
        self._dhcp()
        self._endpoints()
        self._filters()
        self.zone = self._zone()
        self.register_outputs({"vpc_id": self.vpc.id, "subnet_ids": [subnet.id for subnet in self.subnets]})

    def _subnet(self, plan: SubnetPlan) -> aws.ec2.Subnet:
        # By zone id, not name: a name may mean another place in another agency's account.
        return aws.ec2.Subnet(
            f"{self._owner}-{plan.az_id}",
            vpc_id=self.vpc.id,
            cidr_block=str(plan.cidr),
            availability_zone_id=plan.az_id,
            map_public_ip_on_launch=False,
            assign_ipv6_address_on_creation=False,
            opts=self.child(),
        )

    def _routes(self) -> aws.ec2.RouteTable:
        """One table for all subnets: everything beyond the VPC goes to the agency's VPN gateway or to a peer."""
        table = aws.ec2.RouteTable(f"{self._owner}-private", vpc_id=self.vpc.id, opts=self.child())
        for plan, subnet in zip(self._args.subnets, self.subnets, strict=True):
            label = f"{self._owner}-{plan.az_id}"
            aws.ec2.RouteTableAssociation(label, subnet_id=subnet.id, route_table_id=table.id, opts=self.child())
        gateway = aws.ec2.VpnGateway(f"{self._owner}-vpn", opts=self.child())
        attached = aws.ec2.VpnGatewayAttachment(
            f"{self._owner}-vpn", vpc_id=self.vpc.id, vpn_gateway_id=gateway.id, opts=self.child()
        )
        beyond = {
            "operator": self._args.member.operator_cidr,
            "services": self._args.environment.zone.services_cidr,
        }
        for name, cidr in beyond.items():
            aws.ec2.Route(
                f"{self._owner}-{name}",
                route_table_id=table.id,
                destination_cidr_block=str(cidr),
                gateway_id=gateway.id,
                opts=self.child(depends_on=[attached]),
            )
        return table

    def _acl(self) -> None:
        ingress, egress = rules.acl_rules(self._args.environment, self._args.member)
        aws.ec2.NetworkAcl(
            self._owner,
            vpc_id=self.vpc.id,
            subnet_ids=[subnet.id for subnet in self.subnets],
            ingress=[aws.ec2.NetworkAclIngressArgs(**_acl_entry(rule)) for rule in ingress],
            egress=[aws.ec2.NetworkAclEgressArgs(**_acl_entry(rule)) for rule in egress],
            opts=self.child(),
        )

    def _group(self, purpose: str, description: str, *, closed: bool = False) -> aws.ec2.SecurityGroup:
        """A group whose rules are resources of their own; a `closed` one says inline that nothing goes out."""
        return aws.ec2.SecurityGroup(
            f"{self._owner}-{purpose}",
            name=f"{self._owner}-{purpose}",
            description=f"{description} of {self._owner}; rules are resources of their own",
            vpc_id=self.vpc.id,
            egress=[] if closed else None,
            revoke_rules_on_delete=True,
            opts=self.child(),
        )

    def _dhcp(self) -> None:
        zone = self._args.environment.zone
        dhcp = aws.ec2.VpcDhcpOptions(
            self._owner,
            domain_name=f"{self._owner}.{zone.domain}",
            domain_name_servers=[str(server) for server in zone.dns_servers],
            ntp_servers=[str(server) for server in zone.ntp_servers],
            opts=self.child(),
        )
        aws.ec2.VpcDhcpOptionsAssociation(self._owner, vpc_id=self.vpc.id, dhcp_options_id=dhcp.id, opts=self.child())

    def _endpoints(self) -> None:
        zone, region = self._args.environment.zone, self._args.member.region
        policy = as_json(documents.endpoint_policy(zone.organization_id))
        self.object_store = aws.ec2.VpcEndpoint(
            f"{self._owner}-s3",
            vpc_id=self.vpc.id,
            service_name=f"com.amazonaws.{region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[self.route_table.id],
            policy=policy,
            opts=self.child(),
        )
        for service in self._args.endpoints:
            aws.ec2.VpcEndpoint(
                f"{self._owner}-{service}",
                vpc_id=self.vpc.id,
                service_name=f"com.amazonaws.{region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[subnet.id for subnet in self.subnets],
                security_group_ids=[self.endpoints_group.id],
                policy=policy,
                opts=self.child(),
            )

    def _filters(self) -> None:
        environment, member = self._args.environment, self._args.member
        hosts = self.hosts_group.id
        allow(self, f"{self._owner}-in", hosts, rules.host_ingress(member), ingress=True)
        allow(self, f"{self._owner}-out", hosts, rules.host_egress(environment, member), ingress=False)
        https = rules.Rule("vpc-443", member.vpc_cidr, rules.HTTPS, "cloud API from hosts of the VPC")
        allow(self, f"{self._owner}-endpoints-in", self.endpoints_group.id, [https], ingress=True)
        aws.vpc.SecurityGroupEgressRule(
            f"{self._owner}-out-s3",
            security_group_id=hosts,
            ip_protocol="tcp",
            from_port=rules.HTTPS,
            to_port=rules.HTTPS,
            prefix_list_id=self.object_store.prefix_list_id,
            description="object store by its gateway endpoint",
            opts=self.child(),
        )

    def _zone(self) -> aws.route53.Zone:
        zone = self._args.environment.zone
        hosted = aws.route53.Zone(
            self._owner,
            name=zone.domain,
            comment=f"private names of {self._owner}",
            force_destroy=False,
            vpcs=[aws.route53.ZoneVpcArgs(vpc_id=self.vpc.id, vpc_region=self._args.member.region)],
            opts=self.child(),
        )
        for mirror in zone.mirrors:
            address = mirror.url.removeprefix("http://").removeprefix("https://").partition("/")[0].partition(":")[0]
            record(self, f"{self._owner}-{mirror.name}", hosted, mirror.name, address)
        return hosted


def record(parent: Component, label: str, zone: aws.route53.Zone, name: str, address: pulumi.Input[str]) -> None:
    """A host name that resolves inside the VPC only."""
    aws.route53.Record(label, zone_id=zone.zone_id, name=name, type="A", ttl=60, records=[address], opts=parent.child())


def allow(
    parent: Component, prefix: str, group: pulumi.Input[str], flows: Iterable[rules.Rule], *, ingress: bool
) -> None:
    """One rule resource for each flow: a rule that is added or taken away leaves the others alone."""
    kind = aws.vpc.SecurityGroupIngressRule if ingress else aws.vpc.SecurityGroupEgressRule
    for flow in flows:
        kind(
            f"{prefix}-{flow.name}",
            security_group_id=group,
            ip_protocol="tcp",
            from_port=flow.port,
            to_port=flow.port,
            cidr_ipv4=str(flow.cidr),
            description=flow.description,
            opts=parent.child(),
        )


def _acl_entry(rule: rules.AclRule) -> dict[str, Any]:
    return {
        "rule_no": rule.number,
        "protocol": "tcp",
        "action": "allow",
        "cidr_block": str(rule.cidr),
        "from_port": rule.from_port,
        "to_port": rule.to_port,
    }
