"""Network ACLs: stateless rules by number, which subnet uses which, and the default one of a VPC."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gchain.errors import CloudError
from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, as_set
from gchain.sandbox.provider.services.ec2 import Ec2Object, Ec2Setting
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_NO_ACL = ("InvalidNetworkAclID.NotFound", "InvalidRouteTableID.NotFound")  # the second is how moto calls it
_LAST = 32767  # the deny entry that every ACL ends with, which nobody can change
_PROTOCOLS = {"all": "-1", "icmp": "1", "tcp": "6", "udp": "17", "icmpv6": "58"}

_ENTRY = (
    Input("ruleNo", required=True),
    Input("action", required=True),
    Input("protocol", required=True),
    Input("fromPort", required=True),
    Input("toPort", required=True),
    Input("cidrBlock"),
    Input("ipv6CidrBlock"),
    Input("icmpType"),
    Input("icmpCode"),
)


def _number(protocol: Any) -> str:
    return _PROTOCOLS.get(str(protocol).lower(), str(protocol))


def _same_protocol(left: Any, right: Any) -> bool:
    return _number(left) == _number(right)


def _bare(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without what the cloud does not keep: moto loses ICMP types, and protocol -1 has no ports."""
    kept = ("ruleNo", "action", "fromPort", "toPort", "cidrBlock", "ipv6CidrBlock")
    result = {name: entry.get(name) or 0 if name.endswith("Port") else entry.get(name) for name in kept}
    return result | {"action": str(entry["action"]).lower(), "protocol": _number(entry["protocol"])}


def _same_entries(left: Any, right: Any) -> bool:
    return as_set([_bare(entry) for entry in left or []], [_bare(entry) for entry in right or []])


def _parameters(acl: str, egress: bool, entry: Mapping[str, Any]) -> dict[str, Any]:
    protocol = _number(entry["protocol"])
    result: dict[str, Any] = {
        "NetworkAclId": acl,
        "Egress": egress,
        "RuleNumber": entry["ruleNo"],
        "Protocol": protocol,
        "RuleAction": str(entry["action"]).lower(),
        "CidrBlock": entry.get("cidrBlock"),
        "Ipv6CidrBlock": entry.get("ipv6CidrBlock"),
    }
    if protocol in ("6", "17"):
        result["PortRange"] = {"From": int(entry.get("fromPort") or 0), "To": int(entry.get("toPort") or 0)}
    if protocol in ("1", "58"):
        result["IcmpTypeCode"] = {"Type": int(entry.get("icmpType") or 0), "Code": int(entry.get("icmpCode") or 0)}
    return result


def _entries(live: Mapping[str, Any], egress: bool) -> list[dict[str, Any]]:
    found = [entry for entry in live.get("Entries") or [] if entry["Egress"] == egress and entry["RuleNumber"] != _LAST]
    return [
        {
            "ruleNo": entry["RuleNumber"],
            "action": entry["RuleAction"],
            "protocol": entry["Protocol"],
            "fromPort": (entry.get("PortRange") or {}).get("From", 0),
            "toPort": (entry.get("PortRange") or {}).get("To", 0),
            "cidrBlock": entry.get("CidrBlock"),
            "ipv6CidrBlock": entry.get("Ipv6CidrBlock"),
        }
        for entry in found
    ]


def _describe(op: Operation, identity: str) -> dict[str, Any] | None:
    answer = op.find("ec2.describe_network_acls", _NO_ACL, NetworkAclIds=[identity])
    acls = (answer or {}).get("NetworkAcls") or []
    return acls[0] if acls else None


def _acl_of_subnet(op: Operation, subnet: str) -> tuple[dict[str, Any], str]:
    """The ACL that a subnet uses and the id of the association."""
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    for acl in op.call("ec2.describe_network_acls", Filters=filters)["NetworkAcls"]:
        for association in acl["Associations"]:
            if association["SubnetId"] == subnet:
                return acl, str(association["NetworkAclAssociationId"])
    raise CloudError(f"{subnet} has no network ACL: it does not exist")


def _associate(op: Operation, subnet: str, acl: str) -> str:
    current, association = _acl_of_subnet(op, subnet)
    if current["NetworkAclId"] == acl:
        return association
    answer = op.call("ec2.replace_network_acl_association", AssociationId=association, NetworkAclId=acl)
    return str(answer["NewAssociationId"])


def _default_acl(op: Operation, vpc: str) -> str:
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "default", "Values": ["true"]}]
    return str(op.call("ec2.describe_network_acls", Filters=filters)["NetworkAcls"][0]["NetworkAclId"])


def _associated(live: Mapping[str, Any]) -> list[str]:
    return [item["SubnetId"] for item in live.get("Associations") or []]


class NetworkAcl(Ec2Object):
    """An ACL; `ingress`, `egress` and `subnetIds` own all entries and subnets when given."""

    type_name = "aws:ec2/networkAcl:NetworkAcl"
    noun = "network-acl"
    create_action, created = "create_network_acl", ("NetworkAcl", "NetworkAclId")
    described = ("describe_network_acls", "NetworkAclIds", "NetworkAcls")
    deleted = ("delete_network_acl", "NetworkAclId")
    gone = _NO_ACL
    shown: ClassVar[tuple[str, ...]] = ("ownerId",)
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("vpcId", required=True, replace=True),
        Input("ingress", member=None, computed=True, when_given=True, equal=_same_entries, fields=_ENTRY),
        Input("egress", member=None, computed=True, when_given=True, equal=_same_entries, fields=_ENTRY),
        Input("subnetIds", member=None, computed=True, when_given=True, equal=as_set),
    )
    outputs: ClassVar[tuple[str, ...]] = ("arn", "ownerId")

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        super().settle(op, identity, new)
        for name in ("ingress", "egress"):
            if name in new:
                self._converge(op, identity, name == "egress", new[name])
        for subnet in new.get("subnetIds") or []:
            _associate(op, subnet, identity)

    def update(self, op: Operation, identity: str, change: Change) -> None:
        for name in ("ingress", "egress"):
            if change.touches(name):
                self._converge(op, identity, name == "egress", change.now.get(name) or [])
        if change.touches("subnetIds"):
            self._move_subnets(op, identity, change.now.get("subnetIds") or [])

    def _move_subnets(self, op: Operation, identity: str, wanted: list[str]) -> None:
        live = self.describe(op, identity) or {}
        for subnet in wanted:
            _associate(op, subnet, identity)
        for subnet in _associated(live):
            if subnet not in wanted:
                _associate(op, subnet, _default_acl(op, live["VpcId"]))

    def _converge(self, op: Operation, identity: str, egress: bool, wanted: Iterable[Mapping[str, Any]]) -> None:
        live = {entry["ruleNo"]: entry for entry in _entries(self.describe(op, identity) or {}, egress)}
        named = {entry["ruleNo"]: entry for entry in wanted}
        for number in live.keys() - named.keys():
            op.call("ec2.delete_network_acl_entry", NetworkAclId=identity, RuleNumber=number, Egress=egress)
        for number, entry in named.items():
            if number not in live or _bare(entry) != _bare(live[number]):
                action = "replace_network_acl_entry" if number in live else "create_network_acl_entry"
                op.call(f"ec2.{action}", **_parameters(identity, egress, entry))

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        return {
            "ingress": _entries(live, egress=False),
            "egress": _entries(live, egress=True),
            "subnetIds": _associated(live),
        }

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        live = self.describe(op, identity)
        for subnet in _associated(live or {}):
            _associate(op, subnet, _default_acl(op, (live or {})["VpcId"]))
        super().delete(op, identity, state)


class DefaultNetworkAcl(NetworkAcl):
    """Adopts the ACL that every VPC has and owns all its entries: none given means none allowed."""

    type_name = "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl"
    tags_at_create = False
    inputs = (
        Input("defaultNetworkAclId", member="NetworkAclId", required=True, replace=True),
        Input("ingress", member=None, equal=_same_entries, fields=_ENTRY),
        Input("egress", member=None, equal=_same_entries, fields=_ENTRY),
        Input("subnetIds", member=None, computed=True, when_given=True, equal=as_set),
    )
    outputs = ("arn", "ownerId", "vpcId")
    shown = ("ownerId", "vpcId")

    def create(self, op: Operation, new: Properties) -> str:
        new["ingress"], new["egress"] = new.get("ingress") or [], new.get("egress") or []
        return str(new["defaultNetworkAclId"])

    def _move_subnets(self, op: Operation, identity: str, wanted: list[str]) -> None:
        for subnet in wanted:
            _associate(op, subnet, identity)

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        """Nothing: the ACL lives and dies with its VPC."""


class NetworkAclRule(Ec2Setting):
    type_name = "aws:ec2/networkAclRule:NetworkAclRule"
    inputs = (
        Input("networkAclId", required=True, replace=True),
        Input("ruleNumber", required=True, replace=True),
        Input("egress", default=False, replace=True),
        Input("protocol", required=True, replace=True, equal=_same_protocol),
        Input("ruleAction", required=True, replace=True),
        Input("cidrBlock", replace=True),
        Input("ipv6CidrBlock", replace=True),
        Input("fromPort", replace=True, equal=lambda left, right: (left or 0) == (right or 0)),
        Input("toPort", replace=True, equal=lambda left, right: (left or 0) == (right or 0)),
        Input("icmpType", replace=True, write_only=True),
        Input("icmpCode", replace=True, write_only=True),
    )
    delete_before_replace = True  # an ACL has one entry a number

    def create(self, op: Operation, new: Properties) -> str:
        entry = new | {"ruleNo": new["ruleNumber"], "action": new["ruleAction"]}
        op.call("ec2.create_network_acl_entry", **_parameters(new["networkAclId"], new["egress"], entry))
        egress = str(bool(new["egress"])).lower()
        key = f"{new['networkAclId']}-{new['ruleNumber']}-{egress}-{_number(new['protocol'])}-"
        return f"nacl-{zlib.crc32(key.encode())}"

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        live = _describe(op, known["networkAclId"]) or {}
        for entry in _entries(live, known["egress"]):
            if entry["ruleNo"] == known["ruleNumber"]:
                found = {name: entry[name] for name in ("protocol", "cidrBlock", "ipv6CidrBlock", "fromPort", "toPort")}
                where = {name: known[name] for name in ("networkAclId", "ruleNumber", "egress")}
                return {**where, "ruleAction": entry["action"], **found}
        return None

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        if self.read(op, identity, state) is None:  # moto crashes on an entry that is not there
            return
        op.find(
            "ec2.delete_network_acl_entry",
            (*_NO_ACL, "InvalidNetworkAclEntry.NotFound"),
            NetworkAclId=state["networkAclId"],
            RuleNumber=state["ruleNumber"],
            Egress=state["egress"],
        )


class NetworkAclAssociation(Ec2Setting):
    """Which ACL a subnet uses; deleting it goes back to the default ACL of the VPC."""

    type_name = "aws:ec2/networkAclAssociation:NetworkAclAssociation"
    inputs = (Input("networkAclId", required=True, replace=True), Input("subnetId", required=True, replace=True))

    def create(self, op: Operation, new: Properties) -> str:
        return _associate(op, new["subnetId"], new["networkAclId"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        filters = [{"Name": "association.association-id", "Values": [identity]}]
        for acl in op.call("ec2.describe_network_acls", Filters=filters)["NetworkAcls"]:
            for association in acl["Associations"]:
                if association["NetworkAclAssociationId"] == identity:
                    return {"networkAclId": acl["NetworkAclId"], "subnetId": association["SubnetId"]}
        return None

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        live = self.read(op, identity, state)
        if live:
            acl, _ = _acl_of_subnet(op, state["subnetId"])
            _associate(op, state["subnetId"], _default_acl(op, acl["VpcId"]))


TYPES = (NetworkAcl(), DefaultNetworkAcl(), NetworkAclRule(), NetworkAclAssociation())
