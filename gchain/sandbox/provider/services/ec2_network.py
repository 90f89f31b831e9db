"""VPCs, DHCP options and subnets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, member_name
from gchain.sandbox.provider.services.ec2 import Ec2Object, Ec2Setting
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]


class Vpc(Ec2Object):
    type_name = "aws:ec2/vpc:Vpc"
    noun = "vpc"
    create_action, created = "create_vpc", ("Vpc", "VpcId")
    described = ("describe_vpcs", "VpcIds", "Vpcs")
    deleted = ("delete_vpc", "VpcId")
    gone = ("InvalidVpcID.NotFound",)
    shown = ("ownerId",)
    inputs = (
        Input("cidrBlock", required=True, replace=True),
        Input("instanceTenancy", default="default", replace=True),
        Input("enableDnsSupport", member=None, default=True),
        Input("enableDnsHostnames", member=None, default=False),
        Input("enableNetworkAddressUsageMetrics", member=None, default=False),
        Input("assignGeneratedIpv6CidrBlock", member=None, default=False),
    )
    outputs = (
        "arn",
        "ownerId",
        "mainRouteTableId",
        "defaultRouteTableId",
        "defaultSecurityGroupId",
        "defaultNetworkAclId",
    )
    _ATTRIBUTES = ("enableDnsSupport", "enableDnsHostnames", "enableNetworkAddressUsageMetrics")

    def verify(self, inputs: Properties) -> dict[str, str]:
        if inputs.get("assignGeneratedIpv6CidrBlock") is True:
            return {"assignGeneratedIpv6CidrBlock": "the sandbox has no IPv6"}
        return {}

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        created_with = {
            "enableDnsSupport": True,
            "enableDnsHostnames": False,
            "enableNetworkAddressUsageMetrics": False,
        }
        self._set(op, identity, new, [name for name in self._ATTRIBUTES if new.get(name) != created_with[name]])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        self._set(op, identity, change.now, [name for name in self._ATTRIBUTES if change.touches(name)])

    @staticmethod
    def _set(op: Operation, identity: str, new: Properties, names: list[str]) -> None:
        for name in names:
            op.call("ec2.modify_vpc_attribute", VpcId=identity, **{member_name(name): {"Value": bool(new.get(name))}})

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        # Not dhcpOptionsId: the association says it, and here it would look like drift of the VPC.
        result: Properties = {"assignGeneratedIpv6CidrBlock": False}
        for name in self._ATTRIBUTES:
            answer = op.call("ec2.describe_vpc_attribute", VpcId=identity, Attribute=name)
            result[name] = answer.get(member_name(name), {}).get("Value", False)
        return result | self._default_parts(op, identity)

    @staticmethod
    def _default_parts(op: Operation, identity: str) -> Properties:
        def of_vpc(name: str, value: str) -> list[dict[str, Any]]:
            return [{"Name": "vpc-id", "Values": [identity]}, {"Name": name, "Values": [value]}]

        tables = op.call("ec2.describe_route_tables", Filters=of_vpc("association.main", "true"))["RouteTables"]
        groups = op.call("ec2.describe_security_groups", Filters=of_vpc("group-name", "default"))["SecurityGroups"]
        acls = op.call("ec2.describe_network_acls", Filters=of_vpc("default", "true"))["NetworkAcls"]
        main = tables[0]["RouteTableId"] if tables else None
        return {
            "mainRouteTableId": main,
            "defaultRouteTableId": main,
            "defaultSecurityGroupId": groups[0]["GroupId"] if groups else None,
            "defaultNetworkAclId": acls[0]["NetworkAclId"] if acls else None,
        }


class VpcDhcpOptions(Ec2Object):
    type_name = "aws:ec2/vpcDhcpOptions:VpcDhcpOptions"
    noun = "dhcp-options"
    create_action, created = "create_dhcp_options", ("DhcpOptions", "DhcpOptionsId")
    described = ("describe_dhcp_options", "DhcpOptionsIds", "DhcpOptions")
    deleted = ("delete_dhcp_options", "DhcpOptionsId")
    gone = ("InvalidDhcpOptionID.NotFound", "InvalidDhcpOptionsID.NotFound", "InvalidDhcpOptionsId.NotFound")
    tags_at_create = False
    inputs = (
        Input("domainName", member=None, replace=True),
        Input("domainNameServers", member=None, replace=True),
        Input("ntpServers", member=None, replace=True),
    )
    outputs = ("arn", "ownerId")
    _KEYS: ClassVar = {
        "domainName": "domain-name",
        "domainNameServers": "domain-name-servers",
        "ntpServers": "ntp-servers",
    }

    def arguments(self, op: Operation, new: Properties) -> Properties:
        chosen = {key: new[name] for name, key in self._KEYS.items() if new.get(name)}
        return {
            "DhcpConfigurations": [
                {"Key": key, "Values": value if isinstance(value, list) else [value]} for key, value in chosen.items()
            ]
        }

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        options = {
            item["Key"]: [value["Value"] for value in item["Values"]] for item in live.get("DhcpConfigurations") or []
        }
        names = options.get("domain-name")
        return {
            "domainName": names[0] if names else None,
            "domainNameServers": options.get("domain-name-servers"),
            "ntpServers": options.get("ntp-servers"),
            "ownerId": op.account,
        }


class VpcDhcpOptionsAssociation(Ec2Setting):
    """Which DHCP options a VPC uses; deleting it goes back to the region's default options."""

    type_name = "aws:ec2/vpcDhcpOptionsAssociation:VpcDhcpOptionsAssociation"
    inputs = (Input("vpcId", required=True, replace=True), Input("dhcpOptionsId", required=True, replace=True))

    def create(self, op: Operation, new: Properties) -> str:
        op.call("ec2.associate_dhcp_options", VpcId=new["vpcId"], DhcpOptionsId=new["dhcpOptionsId"])
        return f"{new['dhcpOptionsId']}-{new['vpcId']}"

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        options, _, vpc = identity.rpartition("-vpc-")
        answer = op.find("ec2.describe_vpcs", Vpc.gone, VpcIds=[f"vpc-{vpc}"])
        if answer is None or answer["Vpcs"][0].get("DhcpOptionsId") != options:
            return None
        return {"vpcId": f"vpc-{vpc}", "dhcpOptionsId": options}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("ec2.associate_dhcp_options", Vpc.gone, VpcId=state["vpcId"], DhcpOptionsId="default")


class Subnet(Ec2Object):
    type_name = "aws:ec2/subnet:Subnet"
    noun = "subnet"
    create_action, created = "create_subnet", ("Subnet", "SubnetId")
    described = ("describe_subnets", "SubnetIds", "Subnets")
    deleted = ("delete_subnet", "SubnetId")
    gone = ("InvalidSubnetID.NotFound",)
    shown = ("ownerId",)
    delete_before_replace = True  # two subnets of one VPC cannot overlap
    inputs = (
        Input("vpcId", required=True, replace=True),
        Input("cidrBlock", required=True, replace=True),
        Input("availabilityZone", replace=True, computed=True),
        Input("availabilityZoneId", replace=True, computed=True),
        Input("mapPublicIpOnLaunch", member=None, default=False),
        Input("assignIpv6AddressOnCreation", member=None, default=False),
        Input("enableDns64", member=None, default=False),
        Input("privateDnsHostnameTypeOnLaunch", member=None, computed=True),
        Input("enableResourceNameDnsARecordOnLaunch", member=None, default=False),
        Input("enableResourceNameDnsAaaaRecordOnLaunch", member=None, default=False),
    )
    outputs = ("arn", "ownerId")
    _SWITCHES = ("mapPublicIpOnLaunch", "assignIpv6AddressOnCreation", "enableDns64")
    _DNS: ClassVar = {
        "privateDnsHostnameTypeOnLaunch": "HostnameType",
        "enableResourceNameDnsARecordOnLaunch": "EnableResourceNameDnsARecord",
        "enableResourceNameDnsAaaaRecordOnLaunch": "EnableResourceNameDnsAAAARecord",
    }

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        # The local cloud takes the first subnet of a zone for a default one, which gives out public addresses.
        names = [name for name in (*self._SWITCHES, *self._DNS) if new.get(name) not in (None, False)]
        self._set(op, identity, new, list(dict.fromkeys([*names, "mapPublicIpOnLaunch"])))

    def update(self, op: Operation, identity: str, change: Change) -> None:
        self._set(op, identity, change.now, [name for name in (*self._SWITCHES, *self._DNS) if change.touches(name)])

    @staticmethod
    def _set(op: Operation, identity: str, new: Properties, names: list[str]) -> None:
        for name in names:
            member = member_name(name).replace("AaaaRecord", "AAAARecord")
            value = new[name] if name == "privateDnsHostnameTypeOnLaunch" else {"Value": bool(new.get(name))}
            op.call("ec2.modify_subnet_attribute", SubnetId=identity, **{member: value})

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        dns = live.get("PrivateDnsNameOptionsOnLaunch") or {}
        result: Properties = {name: live.get(member_name(name), False) for name in self._SWITCHES}
        result |= {name: dns.get(member, False) for name, member in self._DNS.items()}
        result["privateDnsHostnameTypeOnLaunch"] = dns.get("HostnameType")
        return result


TYPES = (Vpc(), VpcDhcpOptions(), VpcDhcpOptionsAssociation(), Subnet())
