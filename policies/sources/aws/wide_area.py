"""Wide-area paths, shares, listeners, firewalls and watchers of an account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from policies.graph import Resource
from policies.sources.aws.account import Account
from policies.sources.aws.listing import Listing, at_path

__all__ = ["COLLECTORS", "GLOBAL_COLLECTORS", "all_regions"]

_GONE = {"deleted", "deleting", "rejected", "failed"}


def all_regions(account: Account) -> list[dict[str, Any]]:
    """Every region of the partition, enabled or not, with what the account says of it."""
    found = account.client("ec2", account.home_region).describe_regions(AllRegions=True)["Regions"]
    return [{"name": each["RegionName"], "opt_status": each.get("OptInStatus")} for each in found]


def account_regions(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for each in all_regions(account):
        enabled = each["opt_status"] != "not-opted-in"
        properties = {"regionName": each["name"], "enabled": enabled}
        yield account.resource("aws:account/region:Region", each["name"], None, properties)


def transit_peerings(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    operation, key = "describe_transit_gateway_peering_attachments", "TransitGatewayPeeringAttachments"
    for each in account.pages("ec2", region, operation, key):
        if each.get("State") in _GONE:
            continue
        sides = [each.get("RequesterTgwInfo") or {}, each.get("AccepterTgwInfo") or {}]
        own = next((s for s in sides if s.get("OwnerId") == account.number and s.get("Region") == region), sides[0])
        other = sides[1] if own is sides[0] else sides[0]
        yield account.resource(
            "aws:ec2transitgateway/peeringAttachment:PeeringAttachment",
            each["TransitGatewayAttachmentId"],
            region,
            {
                "peerRegion": other.get("Region"),
                "peerAccountId": other.get("OwnerId"),
                "peerTransitGatewayId": other.get("TransitGatewayId"),
            },
        )


def core_networks(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    # Network Manager has one endpoint, in us-west-2 (its endpoints and quotas page).
    client = account.client("networkmanager", "us-west-2")
    for each in account.pages("networkmanager", "us-west-2", "list_core_networks", "CoreNetworks"):
        identifier = each["CoreNetworkId"]
        policy = client.get_core_network_policy(CoreNetworkId=identifier)["CoreNetworkPolicy"]["PolicyDocument"]
        properties = {"basePolicyRegions": [], "basePolicyDocument": policy}
        yield account.resource("aws:networkmanager/coreNetwork:CoreNetwork", identifier, None, properties)


def line_gateways(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    client = account.client("directconnect", region)
    for gateway in client.describe_direct_connect_gateways()["directConnectGateways"]:
        identifier = gateway["directConnectGatewayId"]
        yield account.resource(
            "aws:directconnect/gateway:Gateway",
            identifier,
            None,
            {"name": gateway.get("directConnectGatewayName"), "ownerAccountId": gateway.get("ownerAccount")},
        )
        found = client.describe_direct_connect_gateway_associations(directConnectGatewayId=identifier)
        for each in found["directConnectGatewayAssociations"]:
            prefixes = [prefix["cidr"] for prefix in each.get("allowedPrefixesToDirectConnectGateway") or ()]
            yield account.resource(
                "aws:directconnect/gatewayAssociation:GatewayAssociation",
                each["associationId"],
                None,
                {
                    "dxGatewayId": identifier,
                    "associatedGatewayId": at_path(each, "associatedGateway.id"),
                    "associatedGatewayOwnerAccountId": at_path(each, "associatedGateway.ownerAccount"),
                    "allowedPrefixes": prefixes,
                },
            )


def listeners(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for balancer in account.pages("elbv2", region, "describe_load_balancers", "LoadBalancers"):
        of_balancer = {"LoadBalancerArn": balancer["LoadBalancerArn"]}
        for each in account.pages("elbv2", region, "describe_listeners", "Listeners", **of_balancer):
            properties = {"protocol": each.get("Protocol"), "sslPolicy": each.get("SslPolicy")}
            yield account.resource("aws:lb/listener:Listener", each["ListenerArn"], region, properties)


def hubs(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    try:
        found = account.client("securityhub", region).describe_hub()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("InvalidAccessException", "ResourceNotFoundException"):
            return  # what Security Hub answers where it is not enabled
        raise
    yield account.resource("aws:securityhub/account:Account", found["HubArn"], region, {})


def detectors(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    client = account.client("guardduty", region)
    for identifier in account.pages("guardduty", region, "list_detectors", "DetectorIds"):
        enabled = client.get_detector(DetectorId=identifier)["Status"] == "ENABLED"
        yield account.resource("aws:guardduty/detector:Detector", identifier, region, {"enable": enabled})


def inspectors(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    found = account.client("inspector2", region).batch_get_account_status(accountIds=[account.number])["accounts"]
    for each in found:
        on = [kind.upper() for kind, state in each["resourceState"].items() if state.get("status") == "ENABLED"]
        if on:
            properties = {"accountIds": [each["accountId"]], "resourceTypes": sorted(on)}
            yield account.resource("aws:inspector2/enabler:Enabler", each["accountId"], region, properties)


def firewall_policies(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    client = account.client("network-firewall", region)
    for each in account.pages("network-firewall", region, "list_firewall_policies", "FirewallPolicies"):
        policy = client.describe_firewall_policy(FirewallPolicyArn=each["Arn"])["FirewallPolicy"]
        options = policy.get("StatefulEngineOptions") or {}
        properties = {
            "statefulDefaultActions": policy.get("StatefulDefaultActions") or [],
            "statefulEngineOptions": {
                "ruleOrder": options.get("RuleOrder"),
                "streamExceptionPolicy": options.get("StreamExceptionPolicy"),
            },
            "statelessDefaultActions": policy.get("StatelessDefaultActions") or [],
            "statelessFragmentDefaultActions": policy.get("StatelessFragmentDefaultActions") or [],
        }
        kind = "aws:networkfirewall/firewallPolicy:FirewallPolicy"
        yield account.resource(kind, each["Arn"], region, {"firewallPolicy": properties})


def firewall_logs(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    client = account.client("network-firewall", region)
    for each in account.pages("network-firewall", region, "list_firewalls", "Firewalls"):
        arn = each["FirewallArn"]
        found = client.describe_logging_configuration(FirewallArn=arn).get("LoggingConfiguration") or {}
        targets = [
            {
                "logType": target.get("LogType"),
                "logDestinationType": target.get("LogDestinationType"),
                "logDestination": target.get("LogDestination") or {},
            }
            for target in found.get("LogDestinationConfigs") or ()
        ]
        yield account.resource(
            "aws:networkfirewall/loggingConfiguration:LoggingConfiguration",
            arn,
            region,
            {"firewallArn": arn, "loggingConfiguration": {"logDestinationConfigs": targets}},
        )


COLLECTORS = {
    (
        "aws:ec2transitgateway/peeringAttachment:PeeringAttachment",
        "aws:ec2transitgateway/peeringAttachmentAccepter:PeeringAttachmentAccepter",
    ): transit_peerings,
    ("aws:directconnect/connection:Connection",): Listing(
        "aws:directconnect/connection:Connection",
        "directconnect",
        "describe_connections",
        "connections",
        "connectionId",
        {"location": "location"},
        only=lambda item: item.get("connectionState") not in ("deleted", "rejected"),
    ),
    ("aws:ec2/customerGateway:CustomerGateway",): Listing(
        "aws:ec2/customerGateway:CustomerGateway",
        "ec2",
        "describe_customer_gateways",
        "CustomerGateways",
        "CustomerGatewayId",
        {"ipAddress": "IpAddress"},
        only=lambda item: item.get("State") not in _GONE,
    ),
    ("aws:ec2/vpnConnection:VpnConnection",): Listing(
        "aws:ec2/vpnConnection:VpnConnection",
        "ec2",
        "describe_vpn_connections",
        "VpnConnections",
        "VpnConnectionId",
        {
            "customerGatewayId": "CustomerGatewayId",
            "enableAcceleration": lambda item: bool(at_path(item, "Options.EnableAcceleration")),
        },
        only=lambda item: item.get("State") not in _GONE,
    ),
    ("aws:ram/resourceShare:ResourceShare",): Listing(
        "aws:ram/resourceShare:ResourceShare",
        "ram",
        "get_resource_shares",
        "resourceShares",
        "resourceShareArn",
        {"name": "name", "allowExternalPrincipals": "allowExternalPrincipals"},
        {"resourceOwner": "SELF"},
        only=lambda item: str(item.get("status", "")).lower() not in _GONE,
    ),
    ("aws:ram/principalAssociation:PrincipalAssociation",): Listing(
        "aws:ram/principalAssociation:PrincipalAssociation",
        "ram",
        "get_resource_share_associations",
        "resourceShareAssociations",
        lambda item: f"{item['resourceShareArn']}/{item['associatedEntity']}",
        {"resourceShareArn": "resourceShareArn", "principal": "associatedEntity"},
        {"associationType": "PRINCIPAL"},
    ),
    ("aws:lb/listener:Listener",): listeners,
    ("aws:guardduty/detector:Detector",): detectors,
    ("aws:securityhub/account:Account",): hubs,
    ("aws:cfg/recorder:Recorder",): Listing(
        "aws:cfg/recorder:Recorder",
        "config",
        "describe_configuration_recorders",
        "ConfigurationRecorders",
        "name",
        {"recordingGroup": lambda item: {"allSupported": bool(at_path(item, "recordingGroup.allSupported"))}},
    ),
    ("aws:cfg/recorderStatus:RecorderStatus",): Listing(
        "aws:cfg/recorderStatus:RecorderStatus",
        "config",
        "describe_configuration_recorder_status",
        "ConfigurationRecordersStatus",
        "name",
        {"isEnabled": lambda item: bool(item.get("recording"))},
    ),
    ("aws:inspector2/enabler:Enabler",): inspectors,
    ("aws:networkfirewall/firewallPolicy:FirewallPolicy",): firewall_policies,
    ("aws:networkfirewall/loggingConfiguration:LoggingConfiguration",): firewall_logs,
}
GLOBAL_COLLECTORS = {
    ("aws:account/region:Region",): account_regions,
    (
        "aws:networkmanager/coreNetwork:CoreNetwork",
        "aws:networkmanager/coreNetworkPolicyAttachment:CoreNetworkPolicyAttachment",
    ): core_networks,
    ("aws:directconnect/gateway:Gateway", "aws:directconnect/gatewayAssociation:GatewayAssociation"): line_gateways,
}
