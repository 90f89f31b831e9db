"""VPCs and all that carries packets: one collector a resource type, each stating every attribute that rules read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.graph import Resource
from policies.sources.aws.account import Account, tags_of

__all__ = ["COLLECTORS", "unused_default_vpcs"]

_VPC = "aws:ec2/vpc:Vpc"
_GONE = {"deleted", "deleting", "rejected", "expired", "failed"}


def _ec2(account: Account, region: str, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
    return account.pages("ec2", region, operation, key, **arguments)


def unused_default_vpcs(account: Account, region: str) -> set[str]:
    """Default VPCs that nothing is in: the cloud makes one in every region, and they are none of the ledger's."""
    defaults = {vpc["VpcId"] for vpc in _ec2(account, region, "describe_vpcs", "Vpcs") if vpc.get("IsDefault")}
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
            for block in vpc.get("Ipv6CidrBlockAssociationSet") or ()
            if block.get("Ipv6CidrBlockState", {}).get("State") not in _GONE | {"disassociated"}
        ]
        first = blocks[0] if blocks else {}
        yield account.resource(
            _VPC,
            vpc["VpcId"],
            region,
            {
                "cidrBlock": vpc["CidrBlock"],
                "ipv6CidrBlock": first.get("Ipv6CidrBlock"),
                "assignGeneratedIpv6CidrBlock": bool(first),
                "ipv6IpamPoolId": first.get("Ipv6PoolId") if first.get("Ipv6Pool") == "IPAM Managed" else None,
                "ipv6CidrBlockNetworkBorderGroup": first.get("NetworkBorderGroup"),
                "dhcpOptionsId": vpc.get("DhcpOptionsId"),
                "tags": tags_of(vpc),
            },
        )


def subnets(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for subnet in _ec2(account, region, "describe_subnets", "Subnets"):
        if subnet["VpcId"] in skip:
            continue
        blocks = [each["Ipv6CidrBlock"] for each in subnet.get("Ipv6CidrBlockAssociationSet") or ()]
        yield account.resource(
            "aws:ec2/subnet:Subnet",
            subnet["SubnetId"],
            region,
            {
                "vpcId": subnet["VpcId"],
                "availabilityZone": subnet["AvailabilityZone"],
                "availabilityZoneId": subnet.get("AvailabilityZoneId"),
                "outpostArn": subnet.get("OutpostArn"),
                "mapPublicIpOnLaunch": bool(subnet.get("MapPublicIpOnLaunch")),
                "ipv6CidrBlock": blocks[0] if blocks else None,
                "ipv6Native": bool(subnet.get("Ipv6Native")),
                "assignIpv6AddressOnCreation": bool(subnet.get("AssignIpv6AddressOnCreation")),
                "enableDns64": bool(subnet.get("EnableDns64")),
                "tags": tags_of(subnet),
            },
        )


def security_groups(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for group in _ec2(account, region, "describe_security_groups", "SecurityGroups"):
        if group.get("VpcId") in skip:
            continue
        default = group["GroupName"] == "default"
        kind = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup" if default else "aws:ec2/securityGroup:SecurityGroup"
        yield account.resource(
            kind,
            group["GroupId"],
            region,
            {
                "name": group["GroupName"],
                "vpcId": group.get("VpcId"),
                "ingress": [_permission(each) for each in group.get("IpPermissions") or ()],
                "egress": [_permission(each) for each in group.get("IpPermissionsEgress") or ()],
                "tags": tags_of(group),
            },
        )


def _permission(rule: Any) -> dict[str, Any]:
    return {
        "protocol": rule.get("IpProtocol"),
        "cidrBlocks": [each["CidrIp"] for each in rule.get("IpRanges") or ()],
        "ipv6CidrBlocks": [each["CidrIpv6"] for each in rule.get("Ipv6Ranges") or ()],
        "prefixListIds": [each["PrefixListId"] for each in rule.get("PrefixListIds") or ()],
    }


def routes(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for table in _ec2(account, region, "describe_route_tables", "RouteTables"):
        if table.get("VpcId") in skip:
            continue
        for index, route in enumerate(table.get("Routes") or ()):
            destination = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock") or str(index)
            yield account.resource(
                "aws:ec2/route:Route",
                f"{table['RouteTableId']}/{destination}",
                region,
                {
                    "gatewayId": route.get("GatewayId"),
                    "natGatewayId": route.get("NatGatewayId"),
                    "egressOnlyGatewayId": route.get("EgressOnlyInternetGatewayId"),
                    "carrierGatewayId": route.get("CarrierGatewayId"),
                    "destinationIpv6CidrBlock": route.get("DestinationIpv6CidrBlock"),
                },
            )


def internet_gateways(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for gateway in _ec2(account, region, "describe_internet_gateways", "InternetGateways"):
        vpcs_ = [each["VpcId"] for each in gateway.get("Attachments") or ()]
        if vpcs_ and set(vpcs_) <= skip:
            continue
        yield account.resource(
            "aws:ec2/internetGateway:InternetGateway",
            gateway["InternetGatewayId"],
            region,
            {"vpcId": vpcs_[0] if vpcs_ else None},
        )


def nat_gateways(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for gateway in _ec2(account, region, "describe_nat_gateways", "NatGateways"):
        if gateway.get("State") not in _GONE:
            yield account.resource(
                "aws:ec2/natGateway:NatGateway",
                gateway["NatGatewayId"],
                region,
                {"vpcId": gateway.get("VpcId"), "connectivityType": gateway.get("ConnectivityType")},
            )


def egress_only_gateways(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    operation, key = "describe_egress_only_internet_gateways", "EgressOnlyInternetGateways"
    for gateway in _ec2(account, region, operation, key):
        attachments = gateway.get("Attachments") or [{}]
        yield account.resource(
            "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",
            gateway["EgressOnlyInternetGatewayId"],
            region,
            {"vpcId": attachments[0].get("VpcId")},
        )


def carrier_gateways(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for gateway in _ec2(account, region, "describe_carrier_gateways", "CarrierGateways"):
        yield account.resource(
            "aws:ec2/carrierGateway:CarrierGateway",
            gateway["CarrierGatewayId"],
            region,
            {"vpcId": gateway.get("VpcId")},
        )


def endpoints(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for endpoint in _ec2(account, region, "describe_vpc_endpoints", "VpcEndpoints"):
        if str(endpoint.get("State", "")).lower() not in _GONE:
            yield account.resource(
                "aws:ec2/vpcEndpoint:VpcEndpoint",
                endpoint["VpcEndpointId"],
                region,
                {
                    "vpcId": endpoint["VpcId"],
                    "serviceName": endpoint["ServiceName"],
                    "serviceRegion": endpoint.get("ServiceRegion"),
                    "vpcEndpointType": endpoint.get("VpcEndpointType"),
                    "policy": endpoint.get("PolicyDocument"),
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
                "supportedRegions": [each["Region"] for each in service.get("SupportedRegions") or ()],
                "allowedPrincipals": [each["Principal"] for each in allowed],
            },
        )


def peerings(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for peering in _ec2(account, region, "describe_vpc_peering_connections", "VpcPeeringConnections"):
        if peering.get("Status", {}).get("Code") in _GONE:
            continue
        sides = [peering["RequesterVpcInfo"], peering["AccepterVpcInfo"]]
        own = next((s for s in sides if s.get("OwnerId") == account.number and s.get("Region") == region), sides[0])
        other = sides[1] if own is sides[0] else sides[0]
        yield account.resource(
            "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
            peering["VpcPeeringConnectionId"],
            region,
            {
                "vpcId": own.get("VpcId"),
                "peerVpcId": other.get("VpcId"),
                "peerRegion": other.get("Region"),
                "peerOwnerId": other.get("OwnerId"),
            },
        )


def dhcp_options(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for options in _ec2(account, region, "describe_dhcp_options", "DhcpOptions"):
        settings = {
            each["Key"]: [value["Value"] for value in each["Values"]]
            for each in options.get("DhcpConfigurations") or ()
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
                "trafficType": log.get("TrafficType"),
                "logDestinationType": log.get("LogDestinationType"),
                "logDestination": log.get("LogDestination"),
                "logGroupName": log.get("LogGroupName"),
                "deliverCrossAccountRole": log.get("DeliverCrossAccountRole"),
            },
        )


def addresses(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for address in _ec2(account, region, "describe_addresses", "Addresses"):
        yield account.resource(
            "aws:ec2/eip:Eip",
            address.get("AllocationId") or address["PublicIp"],
            region,
            {
                "instance": address.get("InstanceId"),
                "networkInterface": address.get("NetworkInterfaceId"),
                "networkBorderGroup": address.get("NetworkBorderGroup"),
            },
        )


def block_public_access(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    found = account.client("ec2", region).describe_vpc_block_public_access_options()
    options = found["VpcBlockPublicAccessOptions"]
    yield account.resource(
        "aws:ec2/vpcBlockPublicAccessOptions:VpcBlockPublicAccessOptions",
        "options",
        region,
        {"internetGatewayBlockMode": options.get("InternetGatewayBlockMode")},
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
    ("aws:ec2/route:Route",): routes,
    (
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/internetGatewayAttachment:InternetGatewayAttachment",
    ): internet_gateways,
    ("aws:ec2/natGateway:NatGateway",): nat_gateways,
    ("aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",): egress_only_gateways,
    ("aws:ec2/carrierGateway:CarrierGateway",): carrier_gateways,
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
