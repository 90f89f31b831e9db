"""Security groups and their rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, as_set, as_text
from gchain.sandbox.provider.services.ec2 import Ec2Object, tag_list
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_RULE = (
    Input("protocol", required=True),
    Input("fromPort", required=True),
    Input("toPort", required=True),
    Input("cidrBlocks"),
    Input("ipv6CidrBlocks"),
    Input("prefixListIds"),
    Input("securityGroups"),
    Input("self"),
    Input("description"),
)
_NO_SUCH_GROUP = ("InvalidGroup.NotFound", "InvalidGroupId.NotFound")
_DIRECTIONS = {"ingress": ("IpPermissions", "ingress"), "egress": ("IpPermissionsEgress", "egress")}


def _same_rules(left: Any, right: Any) -> bool:
    """Equality of inline rule lists: neither the order nor an empty or absent detail counts."""
    return as_set([_bare(rule) for rule in left or []], [_bare(rule) for rule in right or []])


def _bare(rule: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in rule.items() if value not in (None, [], "", False)}
    kept = {name: sorted(value) if isinstance(value, list) else value for name, value in kept.items()}
    return kept | {"protocol": str(kept.get("protocol")).replace("all", "-1")}


def _permission(op: Operation, group: str, rule: Mapping[str, Any]) -> dict[str, Any]:
    """An inline rule as an IpPermission."""
    text = {"Description": rule["description"]} if rule.get("description") else {}
    groups = [*(rule.get("securityGroups") or []), *([group] if rule.get("self") else [])]
    protocol = "-1" if rule["protocol"] == "all" else str(rule["protocol"])
    result: dict[str, Any] = {"IpProtocol": protocol}
    if protocol != "-1":
        result |= {"FromPort": int(rule["fromPort"]), "ToPort": int(rule["toPort"])}
    result["IpRanges"] = [{"CidrIp": cidr} | text for cidr in rule.get("cidrBlocks") or []]
    result["Ipv6Ranges"] = [{"CidrIpv6": cidr} | text for cidr in rule.get("ipv6CidrBlocks") or []]
    result["PrefixListIds"] = [{"PrefixListId": name} | text for name in rule.get("prefixListIds") or []]
    result["UserIdGroupPairs"] = [{"GroupId": name} | text for name in groups]
    return {name: value for name, value in result.items() if value != []}


def _rules(group: str, permissions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Live permissions as inline rules, one for each permission and description."""
    rules: dict[tuple[Any, ...], dict[str, Any]] = {}
    for permission in permissions:
        for name, value, description in _grants(group, permission):
            ports = (permission.get("FromPort", 0), permission.get("ToPort", 0))
            key = (permission["IpProtocol"], *ports, description)
            rule = rules.setdefault(
                key, {"protocol": key[0], "fromPort": ports[0], "toPort": ports[1], "description": description or None}
            )
            if name == "self":
                rule["self"] = True
            else:
                rule.setdefault(name, []).append(value)
    return list(rules.values())


def _grants(group: str, permission: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    for member, key, name in (
        ("IpRanges", "CidrIp", "cidrBlocks"),
        ("Ipv6Ranges", "CidrIpv6", "ipv6CidrBlocks"),
        ("PrefixListIds", "PrefixListId", "prefixListIds"),
    ):
        for item in permission.get(member) or []:
            yield name, item[key], item.get("Description", "")
    for item in permission.get("UserIdGroupPairs") or []:
        name = "self" if item["GroupId"] == group else "securityGroups"
        yield name, item["GroupId"], item.get("Description", "")


class SecurityGroup(Ec2Object):
    """A group; `ingress` and `egress` own all its rules when given, and leave them alone when absent."""

    type_name = "aws:ec2/securityGroup:SecurityGroup"
    noun = "security-group"
    create_action, created = "create_security_group", ("GroupId",)
    described = ("describe_security_groups", "GroupIds", "SecurityGroups")
    deleted = ("delete_security_group", "GroupId")
    gone = _NO_SUCH_GROUP
    shown: ClassVar[tuple[str, ...]] = ("ownerId",)
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("name", member="GroupName", replace=True, autoname=True),
        Input("description", default="Managed by Pulumi", replace=True),
        Input("vpcId", required=True, replace=True),
        Input("ingress", member=None, computed=True, when_given=True, equal=_same_rules, fields=_RULE),
        Input("egress", member=None, computed=True, when_given=True, equal=_same_rules, fields=_RULE),
        Input("revokeRulesOnDelete", member=None, default=False, write_only=True),
    )
    outputs: ClassVar[tuple[str, ...]] = ("arn", "ownerId")

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        """Like the real provider, takes away the rule that lets everything out, which AWS gives every new group."""
        self._converge(op, identity, "egress", new.get("egress") or [])
        self._converge(op, identity, "ingress", new.get("ingress") or [])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        for direction in _DIRECTIONS:
            if change.touches(direction):
                self._converge(op, identity, direction, change.now.get(direction) or [])

    def _converge(self, op: Operation, identity: str, direction: str, wanted: list[dict[str, Any]]) -> None:
        live = (self.describe(op, identity) or {}).get(_DIRECTIONS[direction][0]) or []
        have = _rules(identity, live)
        surplus = [rule for rule in have if _bare(rule) not in [_bare(item) for item in wanted]]
        missing = [rule for rule in wanted if _bare(rule) not in [_bare(item) for item in have]]
        if surplus:
            permissions = [_permission(op, identity, rule) for rule in surplus]
            op.call(f"ec2.revoke_security_group_{direction}", GroupId=identity, IpPermissions=permissions)
        if missing:
            permissions = [_permission(op, identity, rule) for rule in missing]
            op.call(f"ec2.authorize_security_group_{direction}", GroupId=identity, IpPermissions=permissions)

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        rules = {name: _rules(identity, live.get(member) or []) for name, (member, _) in _DIRECTIONS.items()}
        return {**rules, "name": live.get("GroupName")}


class DefaultSecurityGroup(SecurityGroup):
    """Adopts the group that every VPC has and owns all its rules: none given means none allowed."""

    type_name = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    inputs = (
        Input("vpcId", required=True, replace=True),
        Input("ingress", member=None, equal=_same_rules, fields=_RULE),
        Input("egress", member=None, equal=_same_rules, fields=_RULE),
        Input("revokeRulesOnDelete", member=None, default=False, write_only=True),
    )
    outputs = ("arn", "ownerId", "name", "description")
    tags_at_create = False
    shown = ("ownerId", "description")

    def create(self, op: Operation, new: Properties) -> str:
        filters = [{"Name": "vpc-id", "Values": [new["vpcId"]]}, {"Name": "group-name", "Values": ["default"]}]
        return str(op.call("ec2.describe_security_groups", Filters=filters)["SecurityGroups"][0]["GroupId"])

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        Ec2Object.settle(self, op, identity, new)
        SecurityGroup.settle(self, op, identity, new)

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        """Nothing: the group lives and dies with its VPC."""


class SecurityGroupRule(Ec2Object):
    """One rule of a group, with an id and tags of its own."""

    noun = "security-group-rule"
    gone = ("InvalidSecurityGroupRuleId.NotFound", "InvalidSecurityGroupRuleId.Malformed", *_NO_SUCH_GROUP)
    egress = False
    tags_at_create = True
    inputs = (
        Input("securityGroupId", member="GroupId", required=True, replace=True),
        Input("ipProtocol", required=True, equal=as_text),
        Input("fromPort"),
        Input("toPort"),
        Input("cidrIpv4"),
        Input("cidrIpv6"),
        Input("prefixListId"),
        Input("referencedSecurityGroupId", member=None),
        Input("description"),
    )
    outputs = ("arn", "securityGroupRuleId")
    _SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")

    def verify(self, inputs: Properties) -> dict[str, str]:
        given = [name for name in self._SOURCES if inputs.get(name)]
        if len(given) != 1:
            found = ", ".join(given) or "none"
            return {"cidrIpv4": f"{self.type_name} needs exactly one of {', '.join(self._SOURCES)}; found {found}"}
        return {}

    def create(self, op: Operation, new: Properties) -> str:
        tags = {}
        if new["tagsAll"]:
            tags = {"TagSpecifications": [{"ResourceType": self.noun, "Tags": tag_list(new["tagsAll"])}]}
        direction = "egress" if self.egress else "ingress"
        answer = op.call(
            f"ec2.authorize_security_group_{direction}",
            GroupId=new["securityGroupId"],
            IpPermissions=[_single_permission(new)],
            **tags,
        )
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def describe(self, op: Operation, identity: str) -> dict[str, Any] | None:
        answer = op.find("ec2.describe_security_group_rules", self.gone, SecurityGroupRuleIds=[identity])
        rules = (answer or {}).get("SecurityGroupRules") or []
        return rules[0] if rules else None

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        result = super().read(op, identity, known)
        if result and result["prefixListId"] and not result["description"]:
            result["description"] = known.get("description")  # moto keeps no text of a rule for a prefix list
        return result

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        group = (live.get("ReferencedGroupInfo") or {}).get("GroupId")
        description = live.get("Description") or (self._description(op, live, group) if group else None)
        ports = {} if live["IpProtocol"] != "-1" else {"fromPort": None, "toPort": None}
        return {
            "referencedSecurityGroupId": group,
            "description": description,
            "securityGroupRuleId": identity,
            **ports,
        }

    def _description(self, op: Operation, rule: Mapping[str, Any], group: str) -> str | None:
        """moto leaves the text of a group-to-group rule out of the rule API; the description of the group has it."""
        answer = op.call("ec2.describe_security_groups", GroupIds=[rule["GroupId"]])["SecurityGroups"][0]
        compared = ("IpProtocol",) if rule["IpProtocol"] == "-1" else ("IpProtocol", "FromPort", "ToPort")
        for permission in answer.get("IpPermissionsEgress" if self.egress else "IpPermissions") or []:
            if all(permission.get(key) == rule.get(key) for key in compared):
                for pair in permission.get("UserIdGroupPairs") or []:
                    if pair["GroupId"] == group:
                        return pair.get("Description") or None
        return None

    def update(self, op: Operation, identity: str, change: Change) -> None:
        now = change.now
        rule = {item.api: now[item.name] for item in self.inputs[1:] if item.api and now.get(item.name) is not None}
        rule["ReferencedGroupId"] = now.get("referencedSecurityGroupId")
        wanted = {name: value for name, value in rule.items() if value is not None} | {
            "IpProtocol": str(now["ipProtocol"])
        }
        op.call(
            "ec2.modify_security_group_rules",
            GroupId=now["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": identity, "SecurityGroupRule": wanted}],
        )

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        direction = "egress" if self.egress else "ingress"
        op.find(
            f"ec2.revoke_security_group_{direction}",
            (*self.gone, "InvalidPermission.NotFound"),
            GroupId=state["securityGroupId"],
            SecurityGroupRuleIds=[identity],
        )


def _single_permission(new: Properties) -> dict[str, Any]:
    text = {"Description": new["description"]} if new.get("description") else {}
    result: dict[str, Any] = {"IpProtocol": str(new["ipProtocol"])}
    result |= {member: new[name] for name, member in (("fromPort", "FromPort"), ("toPort", "ToPort")) if name in new}
    if new.get("cidrIpv4"):
        result["IpRanges"] = [{"CidrIp": new["cidrIpv4"]} | text]
    if new.get("cidrIpv6"):
        result["Ipv6Ranges"] = [{"CidrIpv6": new["cidrIpv6"]} | text]
    if new.get("prefixListId"):
        result["PrefixListIds"] = [{"PrefixListId": new["prefixListId"]} | text]
    if new.get("referencedSecurityGroupId"):
        result["UserIdGroupPairs"] = [{"GroupId": new["referencedSecurityGroupId"]} | text]
    return result


class SecurityGroupIngressRule(SecurityGroupRule):
    type_name = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


class SecurityGroupEgressRule(SecurityGroupRule):
    type_name = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    egress = True


TYPES = (SecurityGroup(), DefaultSecurityGroup(), SecurityGroupIngressRule(), SecurityGroupEgressRule())
