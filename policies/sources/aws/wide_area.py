"""Wide-area paths, shares, listeners, firewalls and watchers of an account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from policies.graph import Resource
from policies.sources.aws.account import Account
from policies.sources.aws.listing import Listing

__all__ = ["COLLECTORS", "GLOBAL_COLLECTORS", "all_regions"]

_GONE = {"deleted", "deleting", "rejected", "failed"}


def all_regions(account: Account) -> list[dict[str, Any]]:
    """Every region of the partition, enabled or not, with what the account says of it."""
    found = account.pages("ec2", account.home_region, "describe_regions", "Regions", AllRegions=True)
    return [{"name": each.text("RegionName"), "opt_status": each.text("OptInStatus")} for each in found]


def account_regions(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for each in all_regions(account):
        enabled = each["opt_status"] != "not-opted-in"
        properties = {"regionName": each["name"], "enabled": enabled}
        yield account.resource("aws:account/region:Region", each["name"], None, properties)


def transit_peerings(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    operation, key = "describe_transit_gateway_peering_attachments", "TransitGatewayPeeringAttachments"
    for each in account.pages("ec2", region, operation, key):
        if each["State?"] in _GONE:
            continue
        sides = [each["RequesterTgwInfo"], each["AccepterTgwInfo"]]
        own = next((s for s in sides if s["OwnerId"] == account.number and s["Region"] == region), sides[0])
        other = sides[1] if own is sides[0] else sides[0]
        yield account.resource(
            "aws:ec2transitgateway/peeringAttachment:PeeringAttachment",
            each["TransitGatewayAttachmentId"],
            region,
            {
                "peerRegion": other["Region"],
                "peerAccountId": other["OwnerId"],
                "peerTransitGatewayId": other["TransitGatewayId"],
            },
        )


def core_networks(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    # Network Manager has one endpoint, in us-west-2 (its endpoints and quotas page).
    for each in account.pages("networkmanager", "us-west-2", "list_core_networks", "CoreNetworks"):
        identifier = each["CoreNetworkId"]
        found = account.ask("networkmanager", "us-west-2", "get_core_network_policy", CoreNetworkId=identifier)
        document = found["CoreNetworkPolicy.PolicyDocument"]
        properties = {"basePolicyRegions": [], "basePolicyDocument": document}
        yield account.resource("aws:networkmanager/coreNetwork:CoreNetwork", identifier, None, properties)


def line_gateways(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    operation, key = "describe_direct_connect_gateways", "directConnectGateways"
    for gateway in account.pages("directconnect", region, operation, key):
        identifier = gateway["directConnectGatewayId"]
        yield account.resource(
            "aws:directconnect/gateway:Gateway",
            identifier,
            None,
            {"name": gateway["directConnectGatewayName?"], "ownerAccountId": gateway["ownerAccount"]},
        )
        operation, key = "describe_direct_connect_gateway_associations", "directConnectGatewayAssociations"
        for each in account.pages("directconnect", region, operation, key, directConnectGatewayId=identifier):
            prefixes = [prefix["cidr"] for prefix in each.each("allowedPrefixesToDirectConnectGateway?")]
            yield account.resource(
                "aws:directconnect/gatewayAssociation:GatewayAssociation",
                each["associationId"],
                None,
                {
                    "dxGatewayId": identifier,
                    "associatedGatewayId": each["associatedGateway?.id"],
                    "associatedGatewayOwnerAccountId": each["associatedGateway?.ownerAccount"],
                    "allowedPrefixes": prefixes,
                },
            )


def listeners(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for balancer in account.pages("elbv2", region, "describe_load_balancers", "LoadBalancers"):
        of_balancer = {"LoadBalancerArn": balancer["LoadBalancerArn"]}
        for each in account.pages("elbv2", region, "describe_listeners", "Listeners", **of_balancer):
            properties = {"protocol": each["Protocol"], "sslPolicy": each["SslPolicy?"]}
            yield account.resource("aws:lb/listener:Listener", each["ListenerArn"], region, properties)


def hubs(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    try:
        found = account.ask("securityhub", region, "describe_hub")
    except ClientError as error:
        if error.response["Error"]["Code"] in ("InvalidAccessException", "ResourceNotFoundException"):
            return  # what Security Hub answers where it is not enabled
        raise
    yield account.resource("aws:securityhub/account:Account", found["HubArn"], region, {})


def detectors(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for identifier in account.names("guardduty", region, "list_detectors", "DetectorIds"):
        enabled = account.ask("guardduty", region, "get_detector", DetectorId=identifier)["Status"] == "ENABLED"
        yield account.resource("aws:guardduty/detector:Detector", identifier, region, {"enable": enabled})


def inspectors(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    found = account.ask("inspector2", region, "batch_get_account_status", accountIds=[account.number])
    for each in found.each("accounts"):
        states = each["resourceState"].members()
        on = [kind.upper() for kind, state in states.items() if state["status"] == "ENABLED"]
        if on:
            properties = {"accountIds": [each["accountId"]], "resourceTypes": sorted(on)}
            yield account.resource("aws:inspector2/enabler:Enabler", each["accountId"], region, properties)


def firewall_policies(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for each in account.pages("network-firewall", region, "list_firewall_policies", "FirewallPolicies"):
        found = account.ask("network-firewall", region, "describe_firewall_policy", FirewallPolicyArn=each["Arn"])
        policy = found["FirewallPolicy"]
        properties = {
            "statefulDefaultActions": policy.texts("StatefulDefaultActions?"),
            "statefulEngineOptions": {
                "ruleOrder": policy["StatefulEngineOptions?.RuleOrder?"],
                "streamExceptionPolicy": policy["StatefulEngineOptions?.StreamExceptionPolicy?"],
            },
            "statelessDefaultActions": policy.texts("StatelessDefaultActions"),
            "statelessFragmentDefaultActions": policy.texts("StatelessFragmentDefaultActions"),
        }
        kind = "aws:networkfirewall/firewallPolicy:FirewallPolicy"
        yield account.resource(kind, each["Arn"], region, {"firewallPolicy": properties})


def firewall_logs(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for each in account.pages("network-firewall", region, "list_firewalls", "Firewalls"):
        arn = each["FirewallArn"]
        found = account.ask("network-firewall", region, "describe_logging_configuration", FirewallArn=arn)
        targets = [
            {
                "logType": target["LogType"],
                "logDestinationType": target["LogDestinationType"],
                "logDestination": target["LogDestination"].plain,
            }
            for target in found.each("LoggingConfiguration?.LogDestinationConfigs")
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
        only=lambda item: item["connectionState?"] not in ("deleted", "rejected"),
    ),
    ("aws:ec2/customerGateway:CustomerGateway",): Listing(
        "aws:ec2/customerGateway:CustomerGateway",
        "ec2",
        "describe_customer_gateways",
        "CustomerGateways",
        "CustomerGatewayId",
        {"ipAddress": "IpAddress?"},
        only=lambda item: item["State?"] not in _GONE,
    ),
    ("aws:ec2/vpnConnection:VpnConnection",): Listing(
        "aws:ec2/vpnConnection:VpnConnection",
        "ec2",
        "describe_vpn_connections",
        "VpnConnections",
        "VpnConnectionId",
        {
            "customerGatewayId": "CustomerGatewayId?",
            "enableAcceleration": lambda item: item.flag("Options.EnableAcceleration"),
        },
        only=lambda item: item["State?"] not in _GONE,
    ),
    ("aws:ram/resourceShare:ResourceShare",): Listing(
        "aws:ram/resourceShare:ResourceShare",
        "ram",
        "get_resource_shares",
        "resourceShares",
        "resourceShareArn",
        {"name": "name", "allowExternalPrincipals": "allowExternalPrincipals"},
        {"resourceOwner": "SELF"},
        only=lambda item: item.text("status").lower() not in _GONE,
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
        {"recordingGroup": lambda item: {"allSupported": item.flag("recordingGroup.allSupported")}},
    ),
    ("aws:cfg/recorderStatus:RecorderStatus",): Listing(
        "aws:cfg/recorderStatus:RecorderStatus",
        "config",
        "describe_configuration_recorder_status",
        "ConfigurationRecordersStatus",
        "name",
        {"isEnabled": lambda item: item.flag("recording")},
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
