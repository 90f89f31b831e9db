"""Read the cloud over its API, as the cloud company: one account and region at a time, into `CloudState`.

A part (one account in one region) is read again only when a call changed something there; parts merge into one state.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from gchain.sandbox.accounts import Company
from gchain.sandbox.network.state import (
    AclEntry,
    CloudState,
    Instance,
    Interface,
    NetworkAcl,
    Peering,
    Permission,
    Route,
    SecurityGroup,
    Subnet,
    Volume,
    Vpc,
    Zone,
)

__all__ = ["merge", "read_part", "read_peerings", "read_zones"]

_CARRIED_RECORDS = ("A", "AAAA", "CNAME", "TXT", "SRV", "MX", "PTR")


@dataclass(frozen=True)
class _Reader:
    ec2: Any
    account: str
    region: str

    def all(self, operation: str, key: str, **given: Any) -> list[dict[str, Any]]:
        if not self.ec2.can_paginate(operation):
            return list(getattr(self.ec2, operation)(**given)[key])
        return [each for page in self.ec2.get_paginator(operation).paginate(**given) for each in page[key]]


def read_part(company: Company, account: str, region: str) -> CloudState:
    """Everything that concerns the network and the hosts of one account in one region; default VPCs do not count."""
    reader = _Reader(company.client("ec2", account, region), account, region)
    vpcs = [each for each in reader.all("describe_vpcs", "Vpcs") if not each.get("IsDefault")]
    if not vpcs:
        return CloudState()
    known = {each["VpcId"] for each in vpcs}
    subnets = [each for each in reader.all("describe_subnets", "Subnets") if each["VpcId"] in known]
    acls = [each for each in reader.all("describe_network_acls", "NetworkAcls") if each["VpcId"] in known]
    interfaces = [
        each for each in reader.all("describe_network_interfaces", "NetworkInterfaces") if each["VpcId"] in known
    ]
    groups = [each for each in reader.all("describe_security_groups", "SecurityGroups") if each["VpcId"] in known]
    return CloudState(
        vpcs=_keyed(_vpcs(reader, vpcs)),
        subnets=_keyed(_subnets(subnets, reader.all("describe_route_tables", "RouteTables"), acls)),
        peerings=_keyed(_peerings(reader)),
        acls=_keyed(_acl(each) for each in acls),
        groups=_keyed(_group(each) for each in groups),
        interfaces=_keyed(_interface(each) for each in interfaces),
        instances=_keyed(_instances(reader, {each["SubnetId"] for each in subnets})),
    )


def _keyed(values: Iterable[Any]) -> dict[str, Any]:
    return {value.id: value for value in values}


def _vpcs(reader: _Reader, vpcs: list[dict[str, Any]]) -> list[Vpc]:
    gateways = {
        attachment["VpcId"]: gateway["VpnGatewayId"]
        for gateway in reader.all("describe_vpn_gateways", "VpnGateways")
        if gateway.get("State") != "deleted"
        for attachment in gateway.get("VpcAttachments", [])
        if attachment.get("State") == "attached"
    }
    options = {each["DhcpOptionsId"]: _dhcp(each) for each in reader.all("describe_dhcp_options", "DhcpOptions")}
    return [_vpc(reader, each, gateways, options.get(each.get("DhcpOptionsId", ""), {})) for each in vpcs]


def _dhcp(options: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {
        each["Key"]: tuple(value["Value"] for value in each.get("Values", []))
        for each in options.get("DhcpConfigurations", [])
    }


def _vpc(reader: _Reader, vpc: dict[str, Any], gateways: dict[str, str], options: dict[str, tuple[str, ...]]) -> Vpc:
    cidrs = [
        each["CidrBlock"]
        for each in vpc.get("CidrBlockAssociationSet", [])
        if each["CidrBlockState"]["State"] == "associated"
    ]
    return Vpc(
        id=vpc["VpcId"],
        account=reader.account,
        region=reader.region,
        cidrs=tuple(cidrs or [vpc["CidrBlock"]]),
        gateway=gateways.get(vpc["VpcId"], ""),
        name_servers=options.get("domain-name-servers", ()),
        domain=next(iter(options.get("domain-name", ())), ""),
        time_servers=options.get("ntp-servers", ()),
    )


def _subnets(subnets: list[dict[str, Any]], tables: list[dict[str, Any]], acls: list[dict[str, Any]]) -> list[Subnet]:
    """Each subnet with the routes and the ACL that apply: its own association, else the VPC's main or default one."""
    own, main = {}, {}
    for table in tables:
        for association in table.get("Associations", []):
            if association.get("Main"):
                main[table["VpcId"]] = _routes(table)
            elif association.get("SubnetId"):
                own[association["SubnetId"]] = _routes(table)
    lists = {each["SubnetId"]: acl["NetworkAclId"] for acl in acls for each in acl.get("Associations", [])}
    defaults = {acl["VpcId"]: acl["NetworkAclId"] for acl in acls if acl.get("IsDefault")}
    return [
        Subnet(
            id=each["SubnetId"],
            vpc=each["VpcId"],
            cidr=each["CidrBlock"],
            zone=each["AvailabilityZone"],
            routes=own.get(each["SubnetId"], main.get(each["VpcId"], ())),
            acl=lists.get(each["SubnetId"], defaults.get(each["VpcId"], "")),
        )
        for each in subnets
    ]


def _routes(table: dict[str, Any]) -> tuple[Route, ...]:
    found = []
    for route in table.get("Routes", []):
        if "DestinationCidrBlock" in route and route.get("State", "active") == "active":
            target = route.get("VpcPeeringConnectionId") or route.get("GatewayId") or "elsewhere"
            found.append(Route(route["DestinationCidrBlock"], target))
    return tuple(found)


def _peerings(reader: _Reader) -> list[Peering]:
    return [
        Peering(each["VpcPeeringConnectionId"], each["RequesterVpcInfo"]["VpcId"], each["AccepterVpcInfo"]["VpcId"])
        for each in reader.all("describe_vpc_peering_connections", "VpcPeeringConnections")
        if each["Status"]["Code"] == "active"
    ]


def _acl(acl: dict[str, Any]) -> NetworkAcl:
    return NetworkAcl(acl["NetworkAclId"], tuple(_entry(each) for each in acl["Entries"] if "CidrBlock" in each))


def _entry(entry: dict[str, Any]) -> AclEntry:
    ports = entry.get("PortRange")
    return AclEntry(
        number=entry["RuleNumber"],
        egress=entry["Egress"],
        allow=entry["RuleAction"] == "allow",
        protocol=str(entry["Protocol"]),
        cidr=entry["CidrBlock"],
        ports=(ports["From"], ports["To"]) if ports and "From" in ports else None,
    )


def _group(group: dict[str, Any]) -> SecurityGroup:
    return SecurityGroup(
        id=group["GroupId"],
        vpc=group["VpcId"],
        ingress=tuple(_permission(each) for each in group.get("IpPermissions", [])),
        egress=tuple(_permission(each) for each in group.get("IpPermissionsEgress", [])),
    )


def _permission(permission: dict[str, Any]) -> Permission:
    first, last = permission.get("FromPort"), permission.get("ToPort")
    return Permission(
        protocol=str(permission["IpProtocol"]),
        ports=(first, last) if first is not None and last is not None else None,
        cidrs=tuple(sorted(each["CidrIp"] for each in permission.get("IpRanges", []))),
        groups=tuple(sorted(each["GroupId"] for each in permission.get("UserIdGroupPairs", []))),
    )


def _interface(interface: dict[str, Any]) -> Interface:
    return Interface(
        id=interface["NetworkInterfaceId"],
        subnet=interface["SubnetId"],
        address=interface["PrivateIpAddress"],
        groups=tuple(sorted(each["GroupId"] for each in interface.get("Groups", []))),
        instance=(interface.get("Attachment") or {}).get("InstanceId", ""),
    )


def _instances(reader: _Reader, subnets: set[str]) -> list[Instance]:
    found = [
        each
        for reservation in reader.all("describe_instances", "Reservations")
        for each in reservation["Instances"]
        if each.get("SubnetId") in subnets and each["State"]["Name"] not in ("terminated", "shutting-down")
    ]
    if not found:
        return []
    keys = {
        each["KeyName"]: each.get("PublicKey", "")
        for each in reader.all("describe_key_pairs", "KeyPairs", IncludePublicKey=True)
    }
    sizes = {each["VolumeId"]: each["Size"] for each in reader.all("describe_volumes", "Volumes")}
    return [_instance(reader, each, keys, sizes) for each in found]


def _instance(reader: _Reader, instance: dict[str, Any], keys: dict[str, str], sizes: dict[str, int]) -> Instance:
    tags = {each["Key"]: each["Value"] for each in instance.get("Tags", [])}
    return Instance(
        id=instance["InstanceId"],
        account=reader.account,
        region=reader.region,
        state=instance["State"]["Name"],
        subnet=instance["SubnetId"],
        address=instance["PrivateIpAddress"],
        name=tags.get("Name", ""),
        public_key=keys.get(instance.get("KeyName", ""), ""),
        user_data=_user_data(reader, instance["InstanceId"]),
        image=instance.get("ImageId", ""),
        data_volumes=_data_volumes(instance, sizes),
    )


def _user_data(reader: _Reader, instance_id: str) -> str:
    answer = reader.ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
    encoded = answer.get("UserData", {}).get("Value", "")
    return base64.b64decode(encoded).decode() if encoded else ""


def _data_volumes(instance: dict[str, Any], sizes: dict[str, int]) -> tuple[Volume, ...]:
    return tuple(
        Volume(each["Ebs"]["VolumeId"], sizes[each["Ebs"]["VolumeId"]], each["DeviceName"])
        for each in instance.get("BlockDeviceMappings", [])
        if each["DeviceName"] not in (instance.get("RootDeviceName"), "/dev/sda1", "/dev/xvda")
        and each["Ebs"]["VolumeId"] in sizes
    )


def read_zones(company: Company, account: str, region: str) -> tuple[Zone, ...]:
    """The private hosted zones of an account, with the VPCs that see them."""
    route53 = company.client("route53", account, region)
    zones = route53.get_paginator("list_hosted_zones").paginate()
    private = [each for page in zones for each in page["HostedZones"] if each.get("Config", {}).get("PrivateZone")]
    return tuple(_zone(route53, each) for each in private)


def _zone(route53: Any, zone: dict[str, Any]) -> Zone:
    vpcs = route53.get_hosted_zone(Id=zone["Id"]).get("VPCs", [])
    pages = route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone["Id"])
    records = {
        (each["Name"].lower().rstrip("."), each["Type"]): tuple(value["Value"] for value in each["ResourceRecords"])
        for page in pages
        for each in page["ResourceRecordSets"]
        if each["Type"] in _CARRIED_RECORDS and each.get("ResourceRecords")
    }
    return Zone(zone["Name"].lower().rstrip("."), frozenset(each["VPCId"] for each in vpcs), records)


def read_peerings(company: Company, account: str, region: str, part: CloudState) -> CloudState:
    """A part with its peerings read again: the other side may have accepted or deleted one."""
    if not part.vpcs:
        return part
    reader = _Reader(company.client("ec2", account, region), account, region)
    return replace(part, peerings=_keyed(_peerings(reader)))


def merge(parts: Iterable[CloudState], zones: Iterable[Zone]) -> CloudState:
    """One state of all parts; ids are unique. A peering counts while both of its sides see it active."""
    whole = CloudState(zones=tuple(zones))
    seen: Counter[str] = Counter()
    for part in parts:
        for name in ("vpcs", "subnets", "peerings", "acls", "groups", "interfaces", "instances"):
            getattr(whole, name).update(getattr(part, name))
        seen.update(part.peerings.keys())
    for peering in list(whole.peerings.values()):
        sides = [whole.vpcs.get(peering.requester), whole.vpcs.get(peering.accepter)]
        owners = {(side.account, side.region) for side in sides if side is not None}
        if None in sides or seen[peering.id] != len(owners):
            del whole.peerings[peering.id]
    return whole
