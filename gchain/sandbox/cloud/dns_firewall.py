"""Route 53 Resolver DNS Firewall: domain lists, rule groups, their rules, associations with VPCs, a VPC's setting.

moto has none of it. As in the service, what is in use cannot be deleted, a priority is taken once, the one of an
association lies between 101 and 9899, and names of a list come back with their closing dot. Queries are not filtered
here: the sandbox's own name servers answer them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from moto.core.exceptions import JsonRESTError
from moto.ec2.models import ec2_backends
from moto.route53resolver.exceptions import ResourceNotFoundException
from moto.route53resolver.models import Route53ResolverBackend
from moto.route53resolver.responses import Route53ResolverResponse

from gchain.sandbox.cloud.overriding import add, override

__all__ = ["install"]

Document = dict[str, Any]
Action = Callable[["_Firewall", Mapping[str, Any]], Document]

_RULE_FIELDS = (
    *("Name", "Priority", "Action", "BlockResponse", "BlockOverrideDomain", "BlockOverrideDnsType"),
    *("BlockOverrideTtl", "FirewallDomainRedirectionAction"),
)


class _RefusedError(JsonRESTError):
    code = 400


def _invalid(message: str) -> Exception:
    return _RefusedError("ValidationException", message)


def _conflict(message: str) -> Exception:
    return _RefusedError("ConflictException", message)


@dataclass
class _Firewall:
    """What one account has in one region; every object is the document that its Get call answers."""

    backend: Any
    domain_lists: dict[str, Document] = field(default_factory=dict)
    domains: dict[str, list[str]] = field(default_factory=dict)
    groups: dict[str, Document] = field(default_factory=dict)
    rules: dict[str, list[Document]] = field(default_factory=dict)
    associations: dict[str, Document] = field(default_factory=dict)
    configs: dict[str, Document] = field(default_factory=dict)

    _NAMES: ClassVar = ("domain_lists", "groups", "associations")

    def make(self, kind: str, prefix: str, asked: Mapping[str, Any], **given: Any) -> Document:
        """A new object, tagged."""
        identifier = f"{prefix}-{secrets.token_hex(8)}"
        backend = self.backend
        made = {
            "Id": identifier,
            "Arn": f"arn:{backend.partition}:route53resolver:{backend.region_name}:{backend.account_id}"
            f":{kind}/{identifier}",
            "Name": asked["Name"],
            "CreatorRequestId": asked["CreatorRequestId"],
            "Status": "COMPLETE",
            **given,
        }
        backend.tagger.tag_resource(made["Arn"], asked.get("Tags") or [])
        return made

    def has_arn(self, arn: str) -> bool:
        return any(made["Arn"] == arn for name in self._NAMES for made in getattr(self, name).values())

    def rule(self, asked: Mapping[str, Any]) -> Document:
        """The rule that a call names: by its group, its list and, where given, the query type."""
        wanted = (asked.get("FirewallDomainListId"), asked.get("Qtype"))
        for rule in self.rules[_known(self.groups, asked, "FirewallRuleGroupId")["Id"]]:
            if (rule["FirewallDomainListId"], rule.get("Qtype")) == wanted:
                return rule
        raise ResourceNotFoundException(f"no firewall rule for {wanted[0]} in {asked['FirewallRuleGroupId']}")

    def vpc(self, identifier: str) -> str:
        ec2 = ec2_backends[self.backend.account_id][self.backend.region_name]
        if identifier not in ec2.vpcs:
            raise ResourceNotFoundException(f"VPC {identifier} not found")
        return identifier

    def config(self, vpc: str) -> Document:
        """A VPC that was never set fails closed (API reference, FirewallConfig)."""
        fresh = {"Id": f"rslvr-fc-{secrets.token_hex(8)}", "OwnerId": self.backend.account_id}
        return self.configs.get(vpc) or {**fresh, "ResourceId": vpc, "FirewallFailOpen": "DISABLED"}


def _known(objects: dict[str, Document], asked: Mapping[str, Any], name: str) -> Document:
    try:
        return objects[asked[name]]
    except KeyError:
        raise ResourceNotFoundException(f"{name} {asked.get(name)!r} not found") from None


def _create_domain_list(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    made = here.make("firewall-domain-list", "rslvr-fdl", asked, DomainCount=0)
    here.domain_lists[made["Id"]], here.domains[made["Id"]] = made, []
    return {"FirewallDomainList": made}


def _get_domain_list(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    return {"FirewallDomainList": _known(here.domain_lists, asked, "FirewallDomainListId")}


def _delete_domain_list(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    gone = _known(here.domain_lists, asked, "FirewallDomainListId")
    if any(rule["FirewallDomainListId"] == gone["Id"] for rules in here.rules.values() for rule in rules):
        raise _conflict("a rule uses the domain list")
    del here.domain_lists[gone["Id"]], here.domains[gone["Id"]]
    return {"FirewallDomainList": gone}


def _update_domains(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    changed = _known(here.domain_lists, asked, "FirewallDomainListId")
    given = [name if name == "*" else f"{name.rstrip('.').lower()}." for name in asked["Domains"]]
    before, operation = here.domains[changed["Id"]], asked["Operation"]
    if operation not in ("ADD", "REMOVE", "REPLACE"):
        raise _invalid(f"Operation {operation!r} is none of ADD, REMOVE, REPLACE")
    kept = [] if operation == "REPLACE" else [name for name in before if name not in given]
    here.domains[changed["Id"]] = kept if operation == "REMOVE" else [*kept, *dict.fromkeys(given)]
    changed["DomainCount"] = len(here.domains[changed["Id"]])
    return {key: changed[key] for key in ("Id", "Name", "Status")}


def _list_domains(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    return {"Domains": here.domains[_known(here.domain_lists, asked, "FirewallDomainListId")["Id"]]}


def _list_domain_lists(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    return {"FirewallDomainLists": list(here.domain_lists.values())}


def _create_group(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    owner = here.backend.account_id
    made = here.make("firewall-rule-group", "rslvr-frg", asked, RuleCount=0, OwnerId=owner, ShareStatus="NOT_SHARED")
    here.groups[made["Id"]], here.rules[made["Id"]] = made, []
    return {"FirewallRuleGroup": made}


def _get_group(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    return {"FirewallRuleGroup": _known(here.groups, asked, "FirewallRuleGroupId")}


def _list_groups(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    return {"FirewallRuleGroups": list(here.groups.values())}


def _delete_group(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    gone = _known(here.groups, asked, "FirewallRuleGroupId")
    if here.rules[gone["Id"]]:
        raise _conflict("delete the rules of the group first")
    if any(each["FirewallRuleGroupId"] == gone["Id"] for each in here.associations.values()):
        raise _conflict("a VPC is associated with the rule group")
    del here.groups[gone["Id"]], here.rules[gone["Id"]]
    return {"FirewallRuleGroup": gone}


def _create_rule(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    group = _known(here.groups, asked, "FirewallRuleGroupId")
    domains = _known(here.domain_lists, asked, "FirewallDomainListId")
    rules = here.rules[group["Id"]]
    if any(rule["Priority"] == asked["Priority"] for rule in rules):
        raise _invalid(f"priority {asked['Priority']} is taken in the rule group")
    made = {
        "FirewallRuleGroupId": group["Id"],
        "FirewallDomainListId": domains["Id"],
        "FirewallDomainRedirectionAction": "INSPECT_REDIRECTION_DOMAIN",
        "CreatorRequestId": asked["CreatorRequestId"],
        **({"Qtype": asked["Qtype"]} if asked.get("Qtype") else {}),
        **_rule_fields(asked),
    }
    _verify_action(made)
    rules.append(made)
    group["RuleCount"] = len(rules)
    return {"FirewallRule": made}


def _update_rule(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    rule = here.rule(asked)
    changed = {**rule, **_rule_fields(asked)}
    _verify_action(changed)
    rule.update(changed)
    return {"FirewallRule": rule}


def _delete_rule(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    gone = here.rule(asked)
    rules = here.rules[gone["FirewallRuleGroupId"]]
    rules.remove(gone)
    here.groups[gone["FirewallRuleGroupId"]]["RuleCount"] = len(rules)
    return {"FirewallRule": gone}


def _list_rules(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    rules = here.rules[_known(here.groups, asked, "FirewallRuleGroupId")["Id"]]
    return {"FirewallRules": sorted(rules, key=lambda rule: int(rule["Priority"]))}


def _rule_fields(asked: Mapping[str, Any]) -> Document:
    return {name: asked[name] for name in _RULE_FIELDS if asked.get(name) is not None}


def _verify_action(rule: Document) -> None:
    if rule["Action"] not in ("ALLOW", "ALERT", "BLOCK"):
        raise _invalid(f"Action {rule['Action']!r} is none of ALLOW, ALERT, BLOCK")
    if rule["Action"] != "BLOCK":
        rule.pop("BlockResponse", None)
    elif rule.get("BlockResponse") not in ("NODATA", "NXDOMAIN", "OVERRIDE"):
        raise _invalid("a rule that blocks needs a BlockResponse: NODATA, NXDOMAIN or OVERRIDE")


def _associate(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    group, vpc = _known(here.groups, asked, "FirewallRuleGroupId")["Id"], here.vpc(asked["VpcId"])
    others = [each for each in here.associations.values() if each["VpcId"] == vpc]
    if any(each["FirewallRuleGroupId"] == group for each in others):
        raise _conflict("the rule group is associated with the VPC already")
    _verify_priority(asked["Priority"], others)
    made = here.make(
        "firewall-rule-group-association",
        "rslvr-frgassoc",
        asked,
        FirewallRuleGroupId=group,
        VpcId=vpc,
        Priority=asked["Priority"],
        MutationProtection=asked.get("MutationProtection") or "DISABLED",
    )
    here.associations[made["Id"]] = made
    return {"FirewallRuleGroupAssociation": made}


def _verify_priority(priority: int, others: list[Document]) -> None:
    if not 100 < priority < 9900:
        raise _invalid(f"priority {priority} is not between 101 and 9899")
    if any(each["Priority"] == priority for each in others):
        raise _invalid(f"priority {priority} is taken in the VPC")


def _get_association(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    found = _known(here.associations, asked, "FirewallRuleGroupAssociationId")
    return {"FirewallRuleGroupAssociation": found}


def _update_association(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    found = _known(here.associations, asked, "FirewallRuleGroupAssociationId")
    if "ENABLED" == found["MutationProtection"] == (asked.get("MutationProtection") or "ENABLED"):
        raise _conflict("the association is protected against changes")
    if (priority := asked.get("Priority")) is not None:
        others = [each for each in here.associations.values() if each["VpcId"] == found["VpcId"] and each is not found]
        _verify_priority(priority, others)
    found.update({name: asked[name] for name in ("Priority", "MutationProtection", "Name") if asked.get(name)})
    return {"FirewallRuleGroupAssociation": found}


def _disassociate(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    gone = _known(here.associations, asked, "FirewallRuleGroupAssociationId")
    if gone["MutationProtection"] == "ENABLED":
        raise _conflict("the association is protected against changes")
    del here.associations[gone["Id"]]
    return {"FirewallRuleGroupAssociation": gone}


def _list_associations(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    wanted = {name: asked[name] for name in ("FirewallRuleGroupId", "VpcId", "Priority", "Status") if asked.get(name)}
    found = [each for each in here.associations.values() if wanted.items() <= each.items()]
    return {"FirewallRuleGroupAssociations": found}


def _get_config(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    return {"FirewallConfig": here.config(here.vpc(asked["ResourceId"]))}


def _update_config(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    vpc = here.vpc(asked["ResourceId"])
    if (wanted := asked["FirewallFailOpen"]) not in ("ENABLED", "DISABLED"):
        raise _invalid(f"FirewallFailOpen {wanted!r} is neither ENABLED nor DISABLED")
    here.configs[vpc] = {**here.config(vpc), "FirewallFailOpen": wanted}
    return {"FirewallConfig": here.configs[vpc]}


def _list_configs(here: _Firewall, asked: Mapping[str, Any]) -> Document:
    return {"FirewallConfigs": list(here.configs.values())}


_ACTIONS: dict[str, Action] = {
    "create_firewall_domain_list": _create_domain_list,
    "get_firewall_domain_list": _get_domain_list,
    "delete_firewall_domain_list": _delete_domain_list,
    "list_firewall_domain_lists": _list_domain_lists,
    "update_firewall_domains": _update_domains,
    "list_firewall_domains": _list_domains,
    "create_firewall_rule_group": _create_group,
    "get_firewall_rule_group": _get_group,
    "delete_firewall_rule_group": _delete_group,
    "list_firewall_rule_groups": _list_groups,
    "create_firewall_rule": _create_rule,
    "update_firewall_rule": _update_rule,
    "delete_firewall_rule": _delete_rule,
    "list_firewall_rules": _list_rules,
    "associate_firewall_rule_group": _associate,
    "get_firewall_rule_group_association": _get_association,
    "update_firewall_rule_group_association": _update_association,
    "disassociate_firewall_rule_group": _disassociate,
    "list_firewall_rule_group_associations": _list_associations,
    "get_firewall_config": _get_config,
    "update_firewall_config": _update_config,
    "list_firewall_configs": _list_configs,
}


def _firewall_of(backend: Any) -> _Firewall:
    """One account's firewall in one region; it lies on moto's own backend and is gone with it."""
    found = getattr(backend, "gchain_dns_firewall", None)
    if not isinstance(found, _Firewall):
        found = backend.gchain_dns_firewall = _Firewall(backend)
    return found


def _answering(action: Action) -> Callable[[Any], str]:
    def answer(self: Any) -> str:
        asked = json.loads(self.body or "{}")
        return json.dumps(action(_firewall_of(self.route53resolver_backend), asked))

    return answer


def _matched_arn(original: Any) -> Any:
    def matched_arn(self: Any, resource_arn: str) -> None:
        if not _firewall_of(self).has_arn(resource_arn):
            original(self, resource_arn)

    return matched_arn


def install() -> None:
    add(Route53ResolverResponse, {name: _answering(action) for name, action in _ACTIONS.items()})
    override(Route53ResolverBackend, "_matched_arn", _matched_arn)
