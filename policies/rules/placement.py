"""Placement: resources, accounts and guardrails belong to the zone."""

from __future__ import annotations

from collections.abc import Iterator

from policies.documents import Statement, statements
from policies.graph import PROVIDER, Resource, is_regional
from policies.outcomes import Stage
from policies.places import account_faults, is_loopback, parse_arn, region_faults
from policies.rule import Context, NotJudged, Rule, Verdict
from policies.view import UnknownValue, View

RES_001 = Rule(
    "RES-001", remedy="Leave the region to a provider that is pinned to a zone region, or name a zone region."
)


@RES_001.located()
def runs_in_a_zone_region(resource: Resource, at: Context) -> Iterator[str]:
    if not (is_regional(resource.type) or resource.type == PROVIDER):
        raise NotJudged
    yield from region_faults(at, at.region(resource), "the effective region")


RES_002 = Rule(
    "RES-002",
    remedy="Create an explicit provider with allowedAccountIds of the zone and pass it to every resource.",
)


@RES_002.on(PROVIDER)
def provider_is_pinned(provider: View, at: Context) -> Iterator[str]:
    accounts = provider.texts("allowedAccountIds")
    if not accounts:
        yield "the provider has no allowedAccountIds"
    for account in accounts:
        yield from account_faults(at, account, "an allowed account")
    for endpoints in provider.children("endpoints"):
        for service, url in _texts(endpoints):
            if not is_loopback(url):
                yield f"the endpoint of {service} is overridden with {url}"
    for role in provider.children("assumeRoles"):
        if (arn := parse_arn(role.required("roleArn"))) is not None:
            yield from account_faults(at, arn.account, "the assumed role")


@RES_002.located()
def provider_is_explicit(resource: Resource, at: Context) -> Iterator[str]:
    if not resource.type.startswith("aws:"):
        raise NotJudged
    if resource.provider_is_default is None:
        raise UnknownValue("the resource's provider is not known")
    if resource.provider_is_default:
        yield "the resource relies on the default provider"


def _texts(view: View) -> Iterator[tuple[str, str]]:
    for name in view.names():
        if url := view.text(name):
            yield name, url


RES_003 = Rule(
    "RES-003",
    remedy="Name an Availability Zone whose id is on the zone's list; use no Local Zone, Wavelength Zone or Outpost.",
)


@RES_003.on("aws:ec2/subnet:Subnet", "aws:ebs/volume:Volume", "aws:ec2/instance:Instance")
def zone_name_is_on_the_list(resource: View, at: Context) -> Iterator[str]:
    name = resource.text("availabilityZone")
    if name and name not in at.zone.availability_zones:
        yield f"{name} is not an Availability Zone of zone {at.zone.name}"


@RES_003.on("aws:ec2/subnet:Subnet")
def subnet_has_a_known_site(subnet: View, at: Context) -> Iterator[str]:
    identifier = subnet.text("availabilityZoneId")
    if identifier and identifier not in at.zone.availability_zones.values():
        yield f"{identifier} is not an Availability Zone id of zone {at.zone.name}"
    if not identifier and not subnet.text("availabilityZone"):
        raise UnknownValue("neither availabilityZone nor availabilityZoneId is set")


@RES_003.on("aws:ec2/subnet:Subnet", "aws:ebs/volume:Volume")
def stands_on_no_outpost(resource: View, at: Context) -> Iterator[str]:
    if outpost := resource.text("outpostArn"):
        yield f"outpostArn is {outpost}"


@RES_003.on("aws:ec2/vpc:Vpc")
def ipv6_is_announced_inside(vpc: View, at: Context) -> Iterator[str]:
    yield from region_faults(at, vpc.text("ipv6CidrBlockNetworkBorderGroup"), "ipv6CidrBlockNetworkBorderGroup")


@RES_003.on("aws:ec2/eip:Eip")
def address_is_announced_inside(address: View, at: Context) -> Iterator[str]:
    yield from region_faults(at, address.text("networkBorderGroup"), "networkBorderGroup")


RES_004 = Rule(
    "RES-004",
    remedy="Attach a service control policy that denies requests outside the zone's regions to every account, and deny "
    "each exempted service that can carry data on its own.",
)

_POLICY = "aws:organizations/policy:Policy"
_POLICY_TYPES = frozenset(
    {
        "SERVICE_CONTROL_POLICY",
        "RESOURCE_CONTROL_POLICY",
        "TAG_POLICY",
        "BACKUP_POLICY",
        "AISERVICES_OPT_OUT_POLICY",
        "CHATBOT_POLICY",
        "DECLARATIVE_POLICY_EC2",
        "SECURITYHUB_POLICY",
    }
)
_ATTACHMENT = "aws:organizations/policyAttachment:PolicyAttachment"

CONTROL_ACTIONS = frozenset(
    {
        "iam",
        "sts",
        "organizations",
        "account",
        "support",
        "health",
        "trustedadvisor",
        "budgets",
        "ce",
        "cur",
        "aws-portal",
        "billing",
        "tax",
        "route53",
        "route53domains",
        "shield",
        "wafv2",
        "access-analyzer",
        "sso",
        "identitystore",
        "servicequotas",
        "tag",
        "networkmanager",
        "config",
    }
)
"""Services whose global endpoints carry control calls; any other service can carry data."""


@RES_004.whole(Stage.PLAN, Stage.STATE, Stage.LIVE)
def region_deny_is_attached_and_whole(at: Context) -> Iterator[Verdict]:
    policies = [p for p in at.graph.of_type(_POLICY) if _is_service_control(p, at)]
    if not policies:
        if at.stage is Stage.LIVE and at.facts.need("live").need("organization").flag("managed_here"):
            yield Verdict("organization", ["the organization has no service control policy"])
        return
    for policy in policies:
        document = statements(at.view(policy).value("content"), "content")
        denies = [statement for statement in document if _denies_foreign_regions(statement, at)]
        if not denies:
            continue
        faults = [*_exemption_faults(denies, document), *_attachment_faults(policy, at)]
        yield Verdict(policy.id, faults)
        return
    yield Verdict(policies[0].id, ["no attached service control policy denies requests outside the zone's regions"])


def _is_service_control(policy: Resource, at: Context) -> bool:
    kind = at.view(policy).text("type") or "SERVICE_CONTROL_POLICY"
    if kind not in _POLICY_TYPES:
        raise UnknownValue(f"type {kind} is none that Organizations has")
    return kind == "SERVICE_CONTROL_POLICY"


def _denies_foreign_regions(statement: Statement, at: Context) -> bool:
    allowed = statement.condition("aws:RequestedRegion", "StringNotEquals", "StringNotLike")
    return statement.denies and allowed is not None and set(allowed) <= set(at.zone.regions)


def _exemption_faults(denies: list[Statement], document: list[Statement]) -> Iterator[str]:
    for statement in denies:
        for action in statement.not_actions:
            service = action.partition(":")[0].lower()
            if service in CONTROL_ACTIONS:
                continue
            if not any(other.denies and other.covers(action) and not other.not_actions for other in document):
                yield f"{action} is exempt from the region deny, and nothing else denies it"


def _attachment_faults(policy: Resource, at: Context) -> Iterator[str]:
    targets = set()
    for attachment in at.graph.of_type(_ATTACHMENT):
        view = at.view(attachment)
        if view.text("policyId") in (policy.physical_id, policy.properties.get("id"), policy.id):
            targets.add(view.required("targetId"))
    if not targets:
        yield "the region deny is attached to nothing"
    elif not any(target.startswith(("r-", "ou-")) for target in targets):
        missing = sorted(set(at.zone.accounts.values()) - targets)
        if missing:
            yield f"the region deny is not attached to {', '.join(missing)}"
