"""VPC peering: the requester's half, the accepter's half, and the options of either side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gchain.errors import CloudError
from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input
from gchain.sandbox.provider.services.ec2 import Ec2Object, Ec2Setting
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_GONE = ("InvalidVpcPeeringConnectionID.NotFound", "InvalidVpcPeeringConnectionId.NotFound")
_ENDED = {"deleted", "deleting", "rejected", "failed", "expired"}
_SIDE = (Input("allowRemoteVpcDnsResolution", default=False),)
_SIDES = {"accepter": "AccepterVpcInfo", "requester": "RequesterVpcInfo"}


def _options(side: Mapping[str, Any] | None) -> dict[str, bool] | None:
    return {"AllowDnsResolutionFromRemoteVpc": bool(side.get("allowRemoteVpcDnsResolution"))} if side else None


def _set_options(op: Operation, identity: str, new: Properties) -> None:
    accepter, requester = _options(new.get("accepter")), _options(new.get("requester"))
    if accepter or requester:
        op.call(
            "ec2.modify_vpc_peering_connection_options",
            VpcPeeringConnectionId=identity,
            AccepterPeeringConnectionOptions=accepter,
            RequesterPeeringConnectionOptions=requester,
        )


def _live_options(live: Mapping[str, Any]) -> Properties:
    def of(side: str) -> dict[str, Any]:
        options = live.get(side, {}).get("PeeringOptions") or {}
        return {"allowRemoteVpcDnsResolution": options.get("AllowDnsResolutionFromRemoteVpc", False)}

    return {name: of(member) for name, member in _SIDES.items()}


def _accept(op: Operation, identity: str, live: Mapping[str, Any]) -> None:
    if live["Status"]["Code"] == "pending-acceptance":
        op.call("ec2.accept_vpc_peering_connection", VpcPeeringConnectionId=identity)


def _own_tags(op: Operation, identity: str) -> dict[str, str]:
    """Each side has tags of its own; moto's description of a connection shows everybody those of the requester."""
    filters = [{"Name": "resource-id", "Values": [identity]}]
    return {tag["Key"]: tag["Value"] for tag in op.call("ec2.describe_tags", Filters=filters)["Tags"]}


class VpcPeeringConnection(Ec2Object):
    """The half that the requester makes."""

    type_name = "aws:ec2/vpcPeeringConnection:VpcPeeringConnection"
    noun = "vpc-peering-connection"
    create_action = "create_vpc_peering_connection"
    created = ("VpcPeeringConnection", "VpcPeeringConnectionId")
    described = ("describe_vpc_peering_connections", "VpcPeeringConnectionIds", "VpcPeeringConnections")
    deleted = ("delete_vpc_peering_connection", "VpcPeeringConnectionId")
    gone = _GONE
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("vpcId", required=True, replace=True),
        Input("peerVpcId", required=True, replace=True),
        Input("peerOwnerId", replace=True, computed=True),
        Input("peerRegion", replace=True, computed=True),
        Input("autoAccept", member=None, write_only=True),
        Input("accepter", member=None, computed=True, when_given=True, fields=_SIDE),
        Input("requester", member=None, computed=True, when_given=True, fields=_SIDE),
    )
    outputs: ClassVar[tuple[str, ...]] = ("acceptStatus",)

    def verify(self, inputs: Properties) -> dict[str, str]:
        if inputs.get("autoAccept") and inputs.get("peerRegion"):
            return {"autoAccept": "a peering with another region is accepted over there: leave autoAccept out"}
        return {}

    def lives(self, live: Mapping[str, Any]) -> bool:
        return live["Status"]["Code"] not in _ENDED

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        super().settle(op, identity, new)
        if new.get("autoAccept"):
            _accept(op, identity, self.describe(op, identity) or {})
        _set_options(op, identity, new)

    def update(self, op: Operation, identity: str, change: Change) -> None:
        self.settle(op, identity, change.now | {"tagsAll": {}})

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        result = super().read(op, identity, known)
        if result is not None:
            del result["arn"]  # the real type has none
        return result

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        mine, other = live["RequesterVpcInfo"], live["AccepterVpcInfo"]
        if other.get("OwnerId") == op.account != mine.get("OwnerId"):
            mine, other = other, mine
        return {
            "tags": _own_tags(op, identity),
            "vpcId": mine.get("VpcId"),
            "peerVpcId": other.get("VpcId"),
            "peerOwnerId": other.get("OwnerId"),
            "peerRegion": other.get("Region"),
            "acceptStatus": live["Status"]["Code"],
            **_live_options(live),
        }


class VpcPeeringConnectionAccepter(VpcPeeringConnection):
    """The half of the account or region that was asked; deleting it leaves the connection to the requester."""

    type_name = "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter"
    inputs = (
        Input("vpcPeeringConnectionId", required=True, replace=True),
        Input("autoAccept", member=None, write_only=True),
        Input("accepter", member=None, computed=True, when_given=True, fields=_SIDE),
        Input("requester", member=None, computed=True, when_given=True, fields=_SIDE),
    )
    outputs = ("acceptStatus", "vpcId", "peerVpcId", "peerOwnerId", "peerRegion")
    tags_at_create = False

    def create(self, op: Operation, new: Properties) -> str:
        identity = str(new["vpcPeeringConnectionId"])
        if self.describe(op, identity) is None:
            raise CloudError(f"{identity}: no such peering connection in {op.region} that {op.account} can see")
        return identity

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        """Nothing, as in the real provider."""


class PeeringConnectionOptions(Ec2Setting):
    type_name = "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions"
    inputs = (
        Input("vpcPeeringConnectionId", required=True, replace=True),
        Input("accepter", computed=True, when_given=True, fields=_SIDE),
        Input("requester", computed=True, when_given=True, fields=_SIDE),
    )

    def create(self, op: Operation, new: Properties) -> str:
        _set_options(op, new["vpcPeeringConnectionId"], new)
        return str(new["vpcPeeringConnectionId"])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        _set_options(op, identity, change.now)

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        live = VpcPeeringConnection().describe(op, identity)
        return {"vpcPeeringConnectionId": identity, **_live_options(live)} if live else None

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        """Nothing, as in the real provider: the options live and die with the connection."""


TYPES = (VpcPeeringConnection(), VpcPeeringConnectionAccepter(), PeeringConnectionOptions())
