"""Routes, and the gateways that lead out of a VPC."""

from __future__ import annotations

from collections.abc import Iterator

from policies.errors import SourceError
from policies.graph import Resource
from policies.sources.aws.account import Account
from policies.sources.aws.listing import Listing

__all__ = ["COLLECTORS"]

_GONE = {"deleted", "deleting", "failed"}
_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
_TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "EgressOnlyInternetGatewayId",
    "CarrierGatewayId",
    "InstanceId",
    "NetworkInterfaceId",
    "LocalGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "CoreNetworkArn",
    "OdbNetworkArn",
)
"""Where a route goes to, and through what: each has one of both (EC2 API, Route)."""


def routes(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for table in account.pages("ec2", region, "describe_route_tables", "RouteTables"):
        if table["VpcId"] in skip:
            continue
        for route in table.each("Routes"):
            destination = next((route[f"{name}?"] for name in _DESTINATIONS if route[f"{name}?"]), None)
            if destination is None or not any(route[f"{name}?"] for name in _TARGETS):
                raise SourceError("DescribeRouteTables: a route without a destination or a target that is known")
            yield account.resource(
                "aws:ec2/route:Route",
                f"{table['RouteTableId']}/{destination}",
                region,
                {
                    "gatewayId": route["GatewayId?"],
                    "natGatewayId": route["NatGatewayId?"],
                    "egressOnlyGatewayId": route["EgressOnlyInternetGatewayId?"],
                    "carrierGatewayId": route["CarrierGatewayId?"],
                    "destinationIpv6CidrBlock": route["DestinationIpv6CidrBlock?"],
                },
            )


def internet_gateways(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for gateway in account.pages("ec2", region, "describe_internet_gateways", "InternetGateways"):
        vpcs_ = [each["VpcId"] for each in gateway.each("Attachments")]
        if vpcs_ and set(vpcs_) <= skip:
            continue
        yield account.resource(
            "aws:ec2/internetGateway:InternetGateway",
            gateway["InternetGatewayId"],
            region,
            {"vpcId": vpcs_[0] if vpcs_ else None},
        )


def egress_only_gateways(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    operation, key = "describe_egress_only_internet_gateways", "EgressOnlyInternetGateways"
    for gateway in account.pages("ec2", region, operation, key):
        attachments = gateway.each("Attachments")
        yield account.resource(
            "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",
            gateway["EgressOnlyInternetGatewayId"],
            region,
            {"vpcId": attachments[0]["VpcId"] if attachments else None},
        )


COLLECTORS = {
    ("aws:ec2/route:Route",): routes,
    (
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/internetGatewayAttachment:InternetGatewayAttachment",
    ): internet_gateways,
    ("aws:ec2/natGateway:NatGateway",): Listing(
        "aws:ec2/natGateway:NatGateway",
        "ec2",
        "describe_nat_gateways",
        "NatGateways",
        "NatGatewayId",
        {"vpcId": "VpcId?", "connectivityType": "ConnectivityType?"},
        only=lambda gateway: gateway["State?"] not in _GONE,
    ),
    ("aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",): egress_only_gateways,
    ("aws:ec2/carrierGateway:CarrierGateway",): Listing(
        "aws:ec2/carrierGateway:CarrierGateway",
        "ec2",
        "describe_carrier_gateways",
        "CarrierGateways",
        "CarrierGatewayId",
        {"vpcId": "VpcId?"},
    ),
}
