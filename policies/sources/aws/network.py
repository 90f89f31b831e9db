"""VPCs and what stands in them: one collector a resource type, each stating every attribute that rules read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.errors import SourceError
from policies.graph import Resource
from policies.sources.aws.account import Account, tags_of
from policies.sources.aws.answer import Answer

__all__ = ["COLLECTORS", "unused_default_vpcs"]

_VPC = "aws:ec2/vpc:Vpc"
_GONE = {"deleted", "deleting", "rejected", "expired", "failed"}


def _ec2(account: Account, region: str, operation: str, key: str, **arguments: Any) -> Iterator[Answer]:
    return account.pages("ec2", region, operation, key, **arguments)


def unused_default_vpcs(account: Account, region: str) -> set[str]:
    """Default VPCs that nothing is in: the cloud makes one in every region, and they are none of the ledger's."""
    defaults = {vpc["VpcId"] for vpc in _ec2(account, region, "describe_vpcs", "Vpcs") if vpc["IsDefault?"]}
    if not defaults:
        return set()
    used = {each["VpcId"] for each in _ec2(account, region, "describe_network_interfaces", "NetworkInterfaces")}
    return defaults - used


def vpcs(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for vpc in _ec2(account, region, "describe_vpcs", "Vpcs"):
        if vpc["VpcId"] in skip:
            continue
        blocks = [
            block
            for block in vpc.each("Ipv6CidrBlockAssociationSet?")
            if block["Ipv6CidrBlockState.State"] not in _GONE | {"disassociated"}
        ]
        first = blocks[0] if blocks else Answer({}, "")
        yield account.resource(
            _VPC,
            vpc["VpcId"],
            region,
            {
                "cidrBlock": vpc["CidrBlock"],
                "ipv6CidrBlock": first["Ipv6CidrBlock?"],
                "assignGeneratedIpv6CidrBlock": bool(blocks),
                "ipv6IpamPoolId": first["Ipv6PoolId?"] if first["Ipv6Pool?"] == "IPAM Managed" else None,
                "ipv6CidrBlockNetworkBorderGroup": first["NetworkBorderGroup?"],
                "dhcpOptionsId": vpc["DhcpOptionsId"],
                "tags": tags_of(vpc),
            },
        )


def subnets(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for subnet in _ec2(account, region, "describe_subnets", "Subnets"):
        if subnet["VpcId"] in skip:
            continue
        blocks = [each["Ipv6CidrBlock"] for each in subnet.each("Ipv6CidrBlockAssociationSet")]
        yield account.resource(
            "aws:ec2/subnet:Subnet",
            subnet["SubnetId"],
            region,
            {
                "vpcId": subnet["VpcId"],
                "availabilityZone": subnet["AvailabilityZone"],
                "availabilityZoneId": subnet["AvailabilityZoneId"],
                "outpostArn": subnet["OutpostArn?"],
                "mapPublicIpOnLaunch": subnet.flag("MapPublicIpOnLaunch"),
                "ipv6CidrBlock": blocks[0] if blocks else None,
                "ipv6Native": subnet.flag("Ipv6Native"),
                "assignIpv6AddressOnCreation": subnet.flag("AssignIpv6AddressOnCreation"),
                "enableDns64": subnet.flag("EnableDns64"),
                "tags": tags_of(subnet),
            },
        )


def security_groups(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for group in _ec2(account, region, "describe_security_groups", "SecurityGroups"):
        if group["VpcId"] in skip:
            continue
        default = group["GroupName"] == "default"
        kind = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup" if default else "aws:ec2/securityGroup:SecurityGroup"
        yield account.resource(
            kind,
            group["GroupId"],
            region,
            {
                "name": group["GroupName"],
                "vpcId": group["VpcId"],
                "ingress": [_permission(each) for each in group.each("IpPermissions")],
                "egress": [_permission(each) for each in group.each("IpPermissionsEgress")],
                "tags": tags_of(group),
            },
        )


def _permission(rule: Answer) -> dict[str, Any]:
    return {
        "protocol": rule["IpProtocol"],
        "cidrBlocks": [each["CidrIp"] for each in rule.each("IpRanges")],
        "ipv6CidrBlocks": [each["CidrIpv6"] for each in rule.each("Ipv6Ranges")],
        "prefixListIds": [each["PrefixListId"] for each in rule.each("PrefixListIds")],
    }


def _service(endpoint: Answer) -> str:
    """`com.amazonaws.<region>.<service>` and the like: the region is told by its place between the dots."""
    if "." not in (name := endpoint.text("ServiceName")):
        raise SourceError("DescribeVpcEndpoints: ServiceName is not the name of a service")
    return name


def endpoints(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for endpoint in _ec2(account, region, "describe_vpc_endpoints", "VpcEndpoints"):
        if endpoint.text("State").lower() not in _GONE:
            yield account.resource(
                "aws:ec2/vpcEndpoint:VpcEndpoint",
                endpoint["VpcEndpointId"],
                region,
                {
                    "vpcId": endpoint["VpcId"],
                    "serviceName": _service(endpoint),
                    "serviceRegion": endpoint["ServiceRegion?"],
                    "vpcEndpointType": endpoint["VpcEndpointType"],
                    "policy": endpoint["PolicyDocument?"],
                },
            )


def endpoint_services(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    operation = "describe_vpc_endpoint_service_configurations"
    for service in _ec2(account, region, operation, "ServiceConfigurations"):
        identifier = service["ServiceId"]
        operation = "describe_vpc_endpoint_service_permissions"
        allowed = _ec2(account, region, operation, "AllowedPrincipals", ServiceId=identifier)
        yield account.resource(
            "aws:ec2/vpcEndpointService:VpcEndpointService",
            identifier,
            region,
            {
                "supportedRegions": [each["Region"] for each in service.each("SupportedRegions?")],
                "allowedPrincipals": [each["Principal"] for each in allowed],
            },
        )


def peerings(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for peering in _ec2(account, region, "describe_vpc_peering_connections", "VpcPeeringConnections"):
        if peering["Status.Code"] in _GONE:
            continue
        sides = [peering["RequesterVpcInfo"], peering["AccepterVpcInfo"]]
        own = next((s for s in sides if s["OwnerId"] == account.number and s["Region"] == region), sides[0])
        other = sides[1] if own is sides[0] else sides[0]
        yield account.resource(
            "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
            peering["VpcPeeringConnectionId"],
            region,
            {
                "vpcId": own["VpcId"],
                "peerVpcId": other["VpcId"],
                "peerRegion": other["Region"],
                "peerOwnerId": other["OwnerId"],
            },
        )


def dhcp_options(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for options in _ec2(account, region, "describe_dhcp_options", "DhcpOptions"):
        settings = {
            each.text("Key"): [value["Value"] for value in each.each("Values")]
            for each in options.each("DhcpConfigurations")
        }
        yield account.resource(
            "aws:ec2/vpcDhcpOptions:VpcDhcpOptions",
            options["DhcpOptionsId"],
            region,
            {
                "domainNameServers": settings.get("domain-name-servers", []),
                "ntpServers": settings.get("ntp-servers", []),
            },
        )


def flow_logs(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for log in _ec2(account, region, "describe_flow_logs", "FlowLogs"):
        yield account.resource(
            "aws:ec2/flowLog:FlowLog",
            log["FlowLogId"],
            region,
            {
                "vpcId": log["ResourceId"],
                "trafficType": log["TrafficType"],
                "logDestinationType": log["LogDestinationType"],
                "logDestination": log["LogDestination?"],
                "logGroupName": log["LogGroupName?"],
                "deliverCrossAccountRole": log["DeliverCrossAccountRole?"],
            },
        )


def addresses(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for address in _ec2(account, region, "describe_addresses", "Addresses"):
        attached = address["InstanceId?"] or address["NetworkInterfaceId?"]
        if "AssociationId" in address and not attached:
            raise SourceError("DescribeAddresses: an address in use does not say by what")
        yield account.resource(
            "aws:ec2/eip:Eip",
            address["AllocationId?"] or address["PublicIp"],
            region,
            {
                "instance": address["InstanceId?"],
                "networkInterface": address["NetworkInterfaceId?"],
                "networkBorderGroup": address["NetworkBorderGroup?"],
            },
        )


def block_public_access(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    found = account.ask("ec2", region, "describe_vpc_block_public_access_options")
    options = found["VpcBlockPublicAccessOptions"]
    yield account.resource(
        "aws:ec2/vpcBlockPublicAccessOptions:VpcBlockPublicAccessOptions",
        "options",
        region,
        {"internetGatewayBlockMode": options["InternetGatewayBlockMode"]},
    )


COLLECTORS = {
    ("aws:ec2/vpc:Vpc", "aws:ec2/vpcIpv6CidrBlockAssociation:VpcIpv6CidrBlockAssociation"): vpcs,
    ("aws:ec2/subnet:Subnet",): subnets,
    (
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    ): security_groups,
    ("aws:ec2/vpcEndpoint:VpcEndpoint", "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy"): endpoints,
    ("aws:ec2/vpcEndpointService:VpcEndpointService",): endpoint_services,
    (
        "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
        "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter",
    ): peerings,
    ("aws:ec2/vpcDhcpOptions:VpcDhcpOptions",): dhcp_options,
    ("aws:ec2/flowLog:FlowLog",): flow_logs,
    ("aws:ec2/eip:Eip",): addresses,
    ("aws:ec2/vpcBlockPublicAccessOptions:VpcBlockPublicAccessOptions",): block_public_access,
}
"""Types that each collector answers for: separate rule types show up within their group, and so on."""
