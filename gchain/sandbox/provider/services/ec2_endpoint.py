"""VPC endpoints, flow logs, and the switch that keeps a region's VPCs off the internet."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from gchain.errors import CloudError
from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, as_set, same_document
from gchain.sandbox.provider.services.ec2 import Ec2Object, Ec2Setting, tag_list
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_NO_ENDPOINT = ("InvalidVpcEndpointId.NotFound",)


class VpcEndpoint(Ec2Object):
    type_name = "aws:ec2/vpcEndpoint:VpcEndpoint"
    noun = "vpc-endpoint"
    create_action, created = "create_vpc_endpoint", ("VpcEndpoint", "VpcEndpointId")
    described = ("describe_vpc_endpoints", "VpcEndpointIds", "VpcEndpoints")
    deleted = ("delete_vpc_endpoints", "VpcEndpointIds")
    gone = _NO_ENDPOINT
    shown = ("ownerId", "state", "requesterManaged", "networkInterfaceIds")
    inputs = (
        Input("vpcId", required=True, replace=True),
        Input("serviceName", required=True, replace=True),
        Input("vpcEndpointType", default="Gateway", replace=True),
        Input("policy", member="PolicyDocument", computed=True, equal=same_document),
        Input("routeTableIds", computed=True, when_given=True, equal=as_set),
        Input("subnetIds", computed=True, when_given=True, equal=as_set),
        Input("securityGroupIds", member=None, computed=True, when_given=True, equal=as_set),
        Input("privateDnsEnabled", computed=True),
        Input("ipAddressType", computed=True, write_only=True),
        Input("autoAccept", member=None, write_only=True),
    )
    outputs = ("arn", "ownerId", "state", "requesterManaged", "networkInterfaceIds", "dnsEntries", "prefixListId")
    _LISTS = ("routeTableIds", "subnetIds", "securityGroupIds")

    def arguments(self, op: Operation, new: Properties) -> Properties:
        return {"SecurityGroupIds": new.get("securityGroupIds")}

    def lives(self, live: Mapping[str, Any]) -> bool:
        return str(live.get("State", "")).lower() not in ("deleted", "deleting")

    def update(self, op: Operation, identity: str, change: Change) -> None:
        arguments: Properties = {}
        if change.touches("policy"):
            policy = change.now.get("policy")
            arguments |= {"PolicyDocument": policy} if policy else {"ResetPolicy": True}
        if change.touches("privateDnsEnabled"):
            arguments["PrivateDnsEnabled"] = bool(change.now.get("privateDnsEnabled"))
        for name in self._LISTS:
            if change.touches(name):
                arguments |= _moves(name, change.before.get(name) or [], change.now.get(name) or [])
        if arguments:
            op.call("ec2.modify_vpc_endpoint", VpcEndpointId=identity, **arguments)

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        entries = [
            {"dnsName": entry.get("DnsName"), "hostedZoneId": entry.get("HostedZoneId")}
            for entry in live.get("DnsEntries") or []
        ]
        groups = [group["GroupId"] for group in live.get("Groups") or []]
        return {"dnsEntries": entries, "securityGroupIds": groups, "prefixListId": _prefix_list(op, live)}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        if self.describe(op, identity):  # moto crashes on deleting one that it lists as deleted
            op.find("ec2.delete_vpc_endpoints", self.gone, VpcEndpointIds=[identity])


def _moves(name: str, before: list[str], now: list[str]) -> dict[str, list[str]]:
    """`routeTableIds` becomes AddRouteTableIds and RemoveRouteTableIds, each only when something moves."""
    member = name[:1].upper() + name[1:]
    moves = {
        f"Add{member}": [item for item in now if item not in before],
        f"Remove{member}": [item for item in before if item not in now],
    }
    return {key: items for key, items in moves.items() if items}


def _prefix_list(op: Operation, live: Mapping[str, Any]) -> str | None:
    """The prefix list of a gateway endpoint's service."""
    if live.get("VpcEndpointType") != "Gateway":
        return None
    filters = [{"Name": "prefix-list-name", "Values": [live["ServiceName"]]}]
    lists = op.call("ec2.describe_managed_prefix_lists", Filters=filters).get("PrefixLists") or []
    return next((str(item["PrefixListId"]) for item in lists if item["PrefixListName"] == live["ServiceName"]), None)


class VpcEndpointRouteTableAssociation(Ec2Setting):
    type_name = "aws:ec2/vpcEndpointRouteTableAssociation:VpcEndpointRouteTableAssociation"
    inputs = (Input("vpcEndpointId", required=True, replace=True), Input("routeTableId", required=True, replace=True))

    def create(self, op: Operation, new: Properties) -> str:
        endpoint, table = new["vpcEndpointId"], new["routeTableId"]
        op.call("ec2.modify_vpc_endpoint", VpcEndpointId=endpoint, AddRouteTableIds=[table])
        return f"a-{endpoint}{zlib.crc32(table.encode())}"

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        live = VpcEndpoint().describe(op, known["vpcEndpointId"])
        if live is None or known["routeTableId"] not in (live.get("RouteTableIds") or []):
            return None
        return {"vpcEndpointId": known["vpcEndpointId"], "routeTableId": known["routeTableId"]}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        if self.read(op, identity, state):
            table = state["routeTableId"]
            op.call("ec2.modify_vpc_endpoint", VpcEndpointId=state["vpcEndpointId"], RemoveRouteTableIds=[table])


class FlowLog(Ec2Object):
    """Flow logs of one VPC, subnet or network interface, into a log group or a bucket."""

    type_name = "aws:ec2/flowLog:FlowLog"
    noun = "vpc-flow-log"
    described = ("describe_flow_logs", "FlowLogIds", "FlowLogs")
    deleted = ("delete_flow_logs", "FlowLogIds")
    gone = ("InvalidFlowLogId.NotFound",)
    inputs = (
        Input("vpcId", member=None, replace=True),
        Input("subnetId", member=None, replace=True),
        Input("eniId", member=None, replace=True),
        Input("trafficType", replace=True),
        Input("logDestinationType", default="cloud-watch-logs", replace=True),
        Input("logDestination", member=None, replace=True, computed=True),
        Input("iamRoleArn", member="DeliverLogsPermissionArn", replace=True),
        Input("logFormat", replace=True, computed=True),
        Input("maxAggregationInterval", default=600, replace=True),
    )
    outputs = ("arn",)
    _OBJECTS = (("vpcId", "VPC", "vpc-"), ("subnetId", "Subnet", "subnet-"), ("eniId", "NetworkInterface", "eni-"))

    def verify(self, inputs: Properties) -> dict[str, str]:
        names = [name for name, _, _ in self._OBJECTS]
        if sum(bool(inputs.get(name)) for name in names) != 1:
            return {"vpcId": f"{self.type_name} needs exactly one of {', '.join(names)}"}
        return {}

    def create(self, op: Operation, new: Properties) -> str:
        name, kind, _ = next(item for item in self._OBJECTS if new.get(item[0]))
        tags = [{"ResourceType": self.noun, "Tags": tag_list(new["tagsAll"])}] if new["tagsAll"] else None
        answer = op.call(
            "ec2.create_flow_logs",
            ResourceIds=[new[name]],
            ResourceType=kind,
            TrafficType=new.get("trafficType"),
            LogDestinationType=new["logDestinationType"],
            DeliverLogsPermissionArn=new.get("iamRoleArn"),
            LogFormat=new.get("logFormat"),
            MaxAggregationInterval=new["maxAggregationInterval"],
            TagSpecifications=tags,
            **_destination(new),
        )
        for failed in answer.get("Unsuccessful") or []:
            raise _undelivered(self.type_name, failed)
        return str(answer["FlowLogIds"][0])

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        resource = live.get("ResourceId", "")
        objects = {name: resource if resource.startswith(prefix) else None for name, _, prefix in self._OBJECTS}
        group = live.get("LogGroupName")
        destination = op.arn("logs", f"log-group:{group}") if group else live.get("LogDestination")
        return {**objects, "logDestination": destination}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("ec2.delete_flow_logs", self.gone, FlowLogIds=[identity])


def _destination(new: Properties) -> dict[str, str]:
    """A log group is handed over by name: moto marks one that is named by its ARN as failed."""
    destination = new.get("logDestination")
    if not destination:
        return {}
    if new["logDestinationType"] == "cloud-watch-logs":
        return {"LogGroupName": destination.partition(":log-group:")[2].removesuffix(":*")}
    return {"LogDestination": destination}


def _undelivered(type_name: str, failed: Mapping[str, Any]) -> CloudError:
    reason = failed.get("Error", {})
    return CloudError(f"{type_name} of {failed.get('ResourceId')}: {reason.get('Code')}: {reason.get('Message')}")


class VpcBlockPublicAccessOptions(Ec2Setting):
    """One switch an account and region; deleting it turns the block off."""

    type_name = "aws:ec2/vpcBlockPublicAccessOptions:VpcBlockPublicAccessOptions"
    inputs = (Input("internetGatewayBlockMode", required=True),)
    outputs = ("awsAccountId", "awsRegion")

    def create(self, op: Operation, new: Properties) -> str:
        self._set(op, new["internetGatewayBlockMode"])
        return op.region

    @staticmethod
    def _set(op: Operation, mode: str) -> None:
        op.call("ec2.modify_vpc_block_public_access_options", InternetGatewayBlockMode=mode)

    def update(self, op: Operation, identity: str, change: Change) -> None:
        self._set(op, change.now["internetGatewayBlockMode"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        live = op.call("ec2.describe_vpc_block_public_access_options")["VpcBlockPublicAccessOptions"]
        return {
            "internetGatewayBlockMode": live["InternetGatewayBlockMode"],
            "awsAccountId": op.account,
            "awsRegion": op.region,
        }

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        self._set(op, "off")


TYPES = (VpcEndpoint(), VpcEndpointRouteTableAssociation(), FlowLog(), VpcBlockPublicAccessOptions())
