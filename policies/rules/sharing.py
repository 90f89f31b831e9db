"""Sharing and access: resource shares, support cases, interactive sessions, and regions that nobody should use."""

from __future__ import annotations

from collections.abc import Iterator

from policies import privileges
from policies.documents import Statement, json_object, statements
from policies.graph import Resource
from policies.outcomes import Stage
from policies.places import account_faults, bucket_faults, kms_faults, parse_arn, region_faults
from policies.rule import Context, NotJudged, Rule, Verdict
from policies.view import UnknownValue, View

RES_005 = Rule("RES-005", remedy="Disable the region in the account (`account:DisableRegion`).")


@RES_005.on("aws:account/region:Region")
def foreign_region_is_not_enabled(region: View, at: Context) -> Iterator[str]:
    name = region.required("regionName")
    if at.stage is Stage.PLAN and region.flag("enabled") is not False:
        yield from region_faults(at, name, "an enabled region")


@RES_005.whole(Stage.LIVE)
def foreign_regions_are_switched_off(at: Context) -> Iterator[Verdict]:
    regions = list(at.facts.need("live").need("account").children("regions"))
    if not regions:
        raise UnknownValue("the account's regions were not listed")
    for region in regions:
        name, status = region.required("name"), region.required("opt_status")
        if status not in ("opt-in-not-required", "opted-in", "not-opted-in"):
            raise UnknownValue(f"opt_status {status!r} of {name} is none that EC2 has")
        faults = list(region_faults(at, name, "an enabled region")) if status == "opted-in" else []
        if status == "opted-in":
            yield Verdict(f"region/{name}", faults, {"region": name, "status": status})
    yield Verdict("regions", [], len(regions))


RES_006 = Rule("RES-006", remedy="Name zone regions and zone accounts in stack sets and the landing zone.")


@RES_006.on("aws:cloudformation/stackSetInstance:StackSetInstance")
def stack_set_deploys_inside(instance: View, at: Context) -> Iterator[str]:
    region = instance.text("stackSetInstanceRegion") or instance.text("region")
    if not region:
        raise UnknownValue("neither stackSetInstanceRegion nor region is set")
    yield from region_faults(at, region, "the stack set instance's region")
    yield from account_faults(at, instance.text("accountId"), "the stack set instance's account")
    if (targets := instance.child("deploymentTargets")) is not None:
        for account in targets.texts("accounts"):
            yield from account_faults(at, account, "a deployment target")
        targets.texts("organizationalUnitIds")
    yield from _order_faults(instance, at)


@RES_006.on("aws:cloudformation/stackSet:StackSet")
def stack_set_is_ordered_inside(stack_set: View, at: Context) -> Iterator[str]:
    yield from _order_faults(stack_set, at)
    if (automatic := stack_set.child("autoDeployment")) is not None:
        automatic.flag("enabled")


def _order_faults(view: View, at: Context) -> Iterator[str]:
    if (preferences := view.child("operationPreferences")) is not None:
        for region in preferences.texts("regionOrders"):
            yield from region_faults(at, region, "a region in regionOrders")


@RES_006.on("aws:controltower/landingZone:LandingZone")
def landing_zone_governs_the_zone(landing_zone: View, at: Context) -> Iterator[str]:
    regions = json_object(landing_zone.required("manifestJson"), "manifestJson").get("governedRegions")
    if not isinstance(regions, list) or not regions:
        raise UnknownValue("manifestJson names no governedRegions")
    for region in regions:
        yield from region_faults(at, str(region), "a governed region")


RES_100 = Rule("RES-100", remedy="Set allowExternalPrincipals to false; share with accounts and units of the zone.")


@RES_100.on("aws:ram/resourceShare:ResourceShare")
def share_is_closed(share: View, at: Context) -> Iterator[str]:
    if share.flag("allowExternalPrincipals") is not False:
        yield f"share {share.text('name') or ''} allows external principals"


@RES_100.on("aws:ram/principalAssociation:PrincipalAssociation")
def share_is_with_the_zone(association: View, at: Context) -> Iterator[str]:
    yield from _principal_faults(association.required("principal"), at)


@RES_100.on("aws:ram/resourceShareAssociationsExclusive:ResourceShareAssociationsExclusive")
def whole_share_is_with_the_zone(associations: View, at: Context) -> Iterator[str]:
    for principal in associations.texts("principals"):
        yield from _principal_faults(principal, at)


def _principal_faults(principal: str, at: Context) -> Iterator[str]:
    arn = parse_arn(principal)
    if principal.isdigit():
        yield from account_faults(at, principal, "a principal of the share")
    elif arn is None:
        raise UnknownValue(f"principal {principal!r} is neither an account nor an ARN")
    elif arn.service == "organizations":
        if at.zone.organization_id not in arn.resource.split("/"):
            yield f"the share is with {arn.resource}, which is not of organization {at.zone.organization_id}"
    else:
        yield from account_faults(at, arn.account, "a principal of the share")


RES_103 = Rule("RES-103", remedy="Deny support:CreateCase and support:AddAttachmentsToSet to all but one gated role.")
_SUPPORT = ("support:CreateCase", "support:AddAttachmentsToSet")


_SUPPORT_POLICY = "AWSSupportAccess"


@RES_103.located(*privileges.DOCUMENTS)
def nobody_is_allowed_support_cases(resource: Resource, at: Context) -> Iterator[str]:
    for document in privileges.documents(resource, at):
        for action in _SUPPORT:
            if any(_allows_support(s, action) for s in document) and not any(
                s.denies and s.covers(action) for s in document
            ):
                yield f"a statement allows {action}"


@RES_103.located(*privileges.ATTACHMENTS)
def nobody_is_given_support_access(resource: Resource, at: Context) -> Iterator[str]:
    for policy in privileges.attached(resource, at):
        if policy.name == _SUPPORT_POLICY:
            yield f"{_SUPPORT_POLICY} is attached"


def _allows_support(statement: Statement, action: str) -> bool:
    named = any(each.lower().startswith("support:") for each in statement.actions)
    return statement.allows and named and statement.covers(action)


@RES_103.whole(Stage.PLAN, Stage.STATE, Stage.LIVE)
def organization_denies_support_cases(at: Context) -> Iterator[Verdict]:
    policies = list(at.graph.of_type("aws:organizations/policy:Policy"))
    found = [(policy.id, statements(at.view(policy).value("content"), "content")) for policy in policies]
    for identifier, document in found:
        if all(any(_denies_to_all_but_one(s, action) for s in document) for action in _SUPPORT):
            yield Verdict(identifier, [])
            return
    # The policy lies in the organization's account: other accounts' graphs do not hold it.
    if policies:
        yield Verdict("organization", [f"no policy of the organization denies {' and '.join(_SUPPORT)}"])


def _denies_to_all_but_one(statement: Statement, action: str) -> bool:
    if not (statement.denies and statement.covers(action)):
        return False
    if not statement.conditions:
        return True
    exempt = statement.condition("aws:PrincipalArn", "ArnNotLike", "ArnNotEquals", "StringNotLike", "StringNotEquals")
    return exempt is not None and len(exempt) == len(statement.conditions) == 1 and not exempt[0].endswith("*")


RES_104 = Rule("RES-104", remedy="Log sessions to a zone log group or bucket under a zone key; turn the console off.")
_PREFERENCES = "SSM-SessionManagerRunShell"


@RES_104.on("aws:ssm/document:Document")
def sessions_are_logged_inside(document: View, at: Context) -> Iterator[str]:
    kind, name = document.required("documentType"), document.required("name")
    if kind != "Session" and name != _PREFERENCES:
        if kind not in ("Command", "Automation", "Policy", "Package", "ChangeCalendar", "CloudFormation"):
            raise UnknownValue(f"documentType {kind!r} is not judged")
        raise NotJudged
    inputs = json_object(document.required("content"), "content").get("inputs")
    if not isinstance(inputs, dict):
        raise UnknownValue("the session preferences have no inputs")
    yield from _session_faults(View(inputs, total=False, path="inputs"), at)


def _session_faults(inputs: View, at: Context) -> Iterator[str]:
    bucket, group = inputs.text("s3BucketName"), inputs.text("cloudWatchLogGroupName")
    yield from bucket_faults(at, bucket, "the transcript of sessions")
    if not bucket and not group:
        yield "sessions are not logged"
    if not (key := inputs.text("kmsKeyId")):
        yield "sessions are not encrypted with a key of the zone"
    yield from kms_faults(at, key, "the sessions' key")


@RES_104.on("aws:ec2/serialConsoleAccess:SerialConsoleAccess")
def serial_console_is_off(access: View, at: Context) -> Iterator[str]:
    if access.flag("enabled") is not False:
        yield "the serial console of hosts is open, and nothing logs it"


@RES_104.located("aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint")
def connect_endpoint_is_inside(endpoint: Resource, at: Context) -> Iterator[str]:
    at.view(endpoint).required("subnetId")
    yield from region_faults(at, at.region(endpoint), "the endpoint's region")
