"""Route tables, routes, their associations, and VPN gateways."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from gchain.errors import CloudError
from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, as_set, as_text
from gchain.sandbox.provider.services.ec2 import Ec2Object, Ec2Setting
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_NO_TABLE = ("InvalidRouteTableID.NotFound", "InvalidRouteTableId.NotFound")
_NO_GATEWAY = ("InvalidVpnGatewayID.NotFound",)

# Where a route may lead: property of pulumi-aws to member of the API. A gateway endpoint is answered as GatewayId.
_TARGETS = {
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "transitGatewayId": "TransitGatewayId",
    "vpcEndpointId": "VpcEndpointId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}


def _target(route: Mapping[str, Any]) -> dict[str, str]:
    """The one target of a route, as a parameter of the API."""
    return {member: route[name] for name, member in _TARGETS.items() if route.get(name)}


def _live_target(route: Mapping[str, Any]) -> dict[str, str]:
    target = {name: route[member] for name, member in _TARGETS.items() if route.get(member)}
    if target.get("gatewayId", "").startswith("vpce-"):
        target["vpcEndpointId"] = target.pop("gatewayId")
    return target


def _describe_table(op: Operation, identity: str) -> dict[str, Any] | None:
    answer = op.find("ec2.describe_route_tables", _NO_TABLE, RouteTableIds=[identity])
    tables = (answer or {}).get("RouteTables") or []
    return tables[0] if tables else None


class RouteTable(Ec2Object):
    """A route table; `routes` owns all its routes when given, and leaves them alone when absent."""

    type_name = "aws:ec2/routeTable:RouteTable"
    noun = "route-table"
    create_action, created = "create_route_table", ("RouteTable", "RouteTableId")
    described = ("describe_route_tables", "RouteTableIds", "RouteTables")
    deleted = ("delete_route_table", "RouteTableId")
    gone = _NO_TABLE
    shown = ("ownerId",)
    inputs = (
        Input("vpcId", required=True, replace=True),
        Input(
            "routes",
            member=None,
            computed=True,
            when_given=True,
            equal=as_set,
            fields=(Input("cidrBlock", required=True), *(Input(name) for name in _TARGETS)),
        ),
    )
    outputs = ("arn", "ownerId")

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        self._converge(op, identity, new.get("routes") or [])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        self._converge(op, identity, change.now.get("routes") or [])

    def _converge(self, op: Operation, identity: str, wanted: list[dict[str, Any]]) -> None:
        live = {route["cidrBlock"]: route for route in _own_routes(self.describe(op, identity) or {})}
        named = {route["cidrBlock"]: route for route in wanted}
        for cidr in live.keys() - named.keys():
            op.call("ec2.delete_route", RouteTableId=identity, DestinationCidrBlock=cidr)
        for cidr, route in named.items():
            if route != live.get(cidr):
                action = "replace_route" if cidr in live else "create_route"
                op.call(f"ec2.{action}", RouteTableId=identity, DestinationCidrBlock=cidr, **_target(route))

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        return {"routes": _own_routes(live)}


def _own_routes(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The routes that somebody made: not the VPC's own, not those of gateway endpoints."""
    return [
        {"cidrBlock": route["DestinationCidrBlock"], **_live_target(route)}
        for route in table.get("Routes") or []
        if route.get("DestinationCidrBlock") and route.get("GatewayId") != "local"
    ]


class Route(Ec2Setting):
    type_name = "aws:ec2/route:Route"
    inputs = (
        Input("routeTableId", required=True, replace=True),
        Input("destinationCidrBlock", required=True, replace=True),
        *(Input(name, member=member) for name, member in _TARGETS.items()),
    )
    outputs = ("origin", "state")
    delete_before_replace = True

    def verify(self, inputs: Properties) -> dict[str, str]:
        given = [name for name in _TARGETS if inputs.get(name)]
        if len(given) != 1:
            found = ", ".join(given) or "none"
            return {"gatewayId": f"{self.type_name} needs exactly one of {', '.join(_TARGETS)}; found {found}"}
        return {}

    def create(self, op: Operation, new: Properties) -> str:
        table, cidr = new["routeTableId"], new["destinationCidrBlock"]
        if _find_route(op, table, cidr):
            raise CloudError(f"route table {table} already has a route to {cidr}")
        op.call("ec2.create_route", RouteTableId=table, DestinationCidrBlock=cidr, **_target(new))
        return f"r-{table}{zlib.crc32(cidr.encode())}"

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        table, cidr = known.get("routeTableId"), known.get("destinationCidrBlock")
        if not table or not cidr:  # import: <route table>_<destination>
            table, _, cidr = identity.partition("_")
        route = _find_route(op, table, cidr)
        if route is None:
            return None
        return {
            "id": f"r-{table}{zlib.crc32(cidr.encode())}",
            "routeTableId": table,
            "destinationCidrBlock": cidr,
            "origin": route.get("Origin"),
            "state": route.get("State"),
            **_live_target(route),
        }

    def update(self, op: Operation, identity: str, change: Change) -> None:
        now = change.now
        where = {"RouteTableId": now["routeTableId"], "DestinationCidrBlock": now["destinationCidrBlock"]}
        op.call("ec2.replace_route", **where, **_target(now))

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find(
            "ec2.delete_route",
            (*_NO_TABLE, "InvalidRoute.NotFound"),
            RouteTableId=state["routeTableId"],
            DestinationCidrBlock=state["destinationCidrBlock"],
        )


def _find_route(op: Operation, table: str, cidr: str) -> dict[str, Any] | None:
    routes = (_describe_table(op, table) or {}).get("Routes") or []
    return next((route for route in routes if route.get("DestinationCidrBlock") == cidr), None)


class RouteTableAssociation(Ec2Setting):
    type_name = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    inputs = (
        Input("routeTableId", required=True, replace=True),
        Input("subnetId", replace=True),
        Input("gatewayId", replace=True),
    )
    delete_before_replace = True  # a subnet has one table at a time

    def verify(self, inputs: Properties) -> dict[str, str]:
        if bool(inputs.get("subnetId")) == bool(inputs.get("gatewayId")):
            return {"subnetId": f"{self.type_name} needs exactly one of subnetId, gatewayId"}
        return {}

    def create(self, op: Operation, new: Properties) -> str:
        answer = op.call(
            "ec2.associate_route_table",
            RouteTableId=new["routeTableId"],
            SubnetId=new.get("subnetId"),
            GatewayId=new.get("gatewayId"),
        )
        return str(answer["AssociationId"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        found = _find_association(op, identity)
        if found is None:
            return None
        return {
            "routeTableId": found["RouteTableId"],
            "subnetId": found.get("SubnetId"),
            "gatewayId": found.get("GatewayId"),
        }

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("ec2.disassociate_route_table", "InvalidAssociationID.NotFound", AssociationId=identity)


def _find_association(op: Operation, identity: str) -> dict[str, Any] | None:
    filters = [{"Name": "association.route-table-association-id", "Values": [identity]}]
    for table in op.call("ec2.describe_route_tables", Filters=filters)["RouteTables"]:
        for association in table.get("Associations") or []:
            if association["RouteTableAssociationId"] == identity:
                return dict(association) | {"RouteTableId": table["RouteTableId"]}
    return None


class MainRouteTableAssociation(Ec2Setting):
    """Which table is the main one of a VPC; deleting it goes back to the table that was."""

    type_name = "aws:ec2/mainRouteTableAssociation:MainRouteTableAssociation"
    inputs = (Input("vpcId", required=True, replace=True), Input("routeTableId", required=True, replace=True))
    outputs = ("originalRouteTableId",)

    def create(self, op: Operation, new: Properties) -> str:
        table, association = _main_association(op, new["vpcId"])
        new["originalRouteTableId"] = table
        return self._replace(op, association, new["routeTableId"])

    @staticmethod
    def _replace(op: Operation, association: str, table: str) -> str:
        answer = op.call("ec2.replace_route_table_association", AssociationId=association, RouteTableId=table)
        return str(answer["NewAssociationId"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        table, association = _main_association(op, known["vpcId"])
        if association != identity:
            return None
        original = known.get("originalRouteTableId")
        return {"vpcId": known["vpcId"], "routeTableId": table, "originalRouteTableId": original}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        _, association = _main_association(op, state["vpcId"])
        if association == identity:
            self._replace(op, identity, state["originalRouteTableId"])


def _main_association(op: Operation, vpc: str) -> tuple[str, str]:
    """The main table of a VPC and the id of its association."""
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    for table in op.call("ec2.describe_route_tables", Filters=filters)["RouteTables"]:
        for association in table.get("Associations") or []:
            if association.get("Main"):
                return str(table["RouteTableId"]), str(association["RouteTableAssociationId"])
    raise CloudError(f"{vpc} has no main route table")


class VpnGateway(Ec2Object):
    type_name = "aws:ec2/vpnGateway:VpnGateway"
    noun = "vpn-gateway"
    create_action, created = "create_vpn_gateway", ("VpnGateway", "VpnGatewayId")
    described = ("describe_vpn_gateways", "VpnGatewayIds", "VpnGateways")
    deleted = ("delete_vpn_gateway", "VpnGatewayId")
    gone = _NO_GATEWAY
    inputs = (
        Input("vpcId", member=None, computed=True, when_given=True),
        Input("amazonSideAsn", member=None, replace=True, computed=True, equal=as_text),
        Input("availabilityZone", replace=True, computed=True),
    )
    outputs = ("arn",)

    def arguments(self, op: Operation, new: Properties) -> Properties:
        asn = new.get("amazonSideAsn")
        return {"Type": "ipsec.1"} | ({"AmazonSideAsn": int(asn)} if asn else {})

    def lives(self, live: Mapping[str, Any]) -> bool:
        return live.get("State") != "deleted"

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        if new.get("vpcId"):
            op.call("ec2.attach_vpn_gateway", VpnGatewayId=identity, VpcId=new["vpcId"])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        if change.before.get("vpcId"):
            op.call("ec2.detach_vpn_gateway", VpnGatewayId=identity, VpcId=change.before["vpcId"])
        self.settle(op, identity, change.now)

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        asn = live.get("AmazonSideAsn")
        return {"vpcId": _attached_vpc(live), "amazonSideAsn": str(asn) if asn else None}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        live = self.describe(op, identity)
        if live and (vpc := _attached_vpc(live)):
            op.call("ec2.detach_vpn_gateway", VpnGatewayId=identity, VpcId=vpc)
        super().delete(op, identity, state)


def _attached_vpc(gateway: Mapping[str, Any]) -> str | None:
    attachments = gateway.get("VpcAttachments") or []
    return next((item["VpcId"] for item in attachments if item.get("State") == "attached"), None)


class VpnGatewayAttachment(Ec2Setting):
    type_name = "aws:ec2/vpnGatewayAttachment:VpnGatewayAttachment"
    inputs = (Input("vpcId", required=True, replace=True), Input("vpnGatewayId", required=True, replace=True))

    def create(self, op: Operation, new: Properties) -> str:
        op.call("ec2.attach_vpn_gateway", VpnGatewayId=new["vpnGatewayId"], VpcId=new["vpcId"])
        key = f"{new['vpcId']}-{new['vpnGatewayId']}"
        return f"vpn-attachment-{zlib.crc32(key.encode()):x}"

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find("ec2.describe_vpn_gateways", _NO_GATEWAY, VpnGatewayIds=[known["vpnGatewayId"]])
        gateways = (answer or {}).get("VpnGateways") or []
        if not gateways or _attached_vpc(gateways[0]) != known["vpcId"]:
            return None
        return {"vpcId": known["vpcId"], "vpnGatewayId": known["vpnGatewayId"]}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        gone = (*_NO_GATEWAY, "InvalidVpnGatewayAttachment.NotFound", "InvalidVpcID.NotFound")
        op.find("ec2.detach_vpn_gateway", gone, VpnGatewayId=state["vpnGatewayId"], VpcId=state["vpcId"])


TYPES = (
    RouteTable(),
    Route(),
    RouteTableAssociation(),
    MainRouteTableAssociation(),
    VpnGateway(),
    VpnGatewayAttachment(),
)
