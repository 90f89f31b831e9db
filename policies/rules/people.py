"""People: who may act, from where, and with which tools."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from policies import privileges
from policies.documents import Statement, statements
from policies.graph import Resource
from policies.outcomes import Stage
from policies.places import account_faults, bucket_name, kms_faults, network_faults, parse_arn, region_faults
from policies.rule import Context, NotJudged, Rule, Verdict
from policies.view import UnknownValue, View

RES_101 = Rule(
    "RES-101",
    remedy="Name zone accounts or registered issuers as principals; add conditions on audience, subject and account.",
)


@RES_101.on("aws:iam/role:Role")
def role_trusts_the_zone_only(role: View, at: Context) -> Iterator[str]:
    for statement in statements(role.value("assumeRolePolicy"), "assumeRolePolicy"):
        if statement.allows:
            yield from _trust_faults(statement, at)


def _trust_faults(statement: Statement, at: Context) -> Iterator[str]:
    if not statement.principals or statement.not_principals:
        yield "a trust statement names no principal, or everyone but some"
    for kind, name in statement.principals:
        if kind == "AWS":
            yield from _account_trust_faults(name, at)
        elif kind == "Federated":
            yield from _federation_faults(name, statement, at)
        elif kind != "Service" or not name.endswith((".amazonaws.com", ".amazonaws.eu")):
            yield f"the role trusts the {kind.lower()} principal {name}"


def _account_trust_faults(name: str, at: Context) -> Iterator[str]:
    arn = parse_arn(name)
    if name == "*":
        yield "the role trusts principal *"
    elif arn is None and not name.isdigit():
        raise UnknownValue(f"assumeRolePolicy: principal {name!r} is neither an ARN nor an account")
    else:
        yield from account_faults(at, arn.account if arn is not None else name, "a trusted principal")


def _federation_faults(name: str, statement: Statement, at: Context) -> Iterator[str]:
    arn = parse_arn(name)
    issuer = arn.resource.removeprefix("oidc-provider/") if arn is not None else name
    if not any(issuer in registered for registered in at.zone.identity_providers):
        yield f"the role trusts the issuer {issuer}, which the zone does not register"
    keys = {key.rpartition(":")[2].lower(): values for _, key, values in statement.conditions}
    for wanted in ("aud", "sub"):
        values = keys.get(wanted)
        if not values or any(value == "*" for value in values):
            yield f"the trust in {issuer} has no condition on {wanted}"


@RES_101.on("aws:iam/openIdConnectProvider:OpenIdConnectProvider")
def issuer_is_registered(provider: View, at: Context) -> Iterator[str]:
    url = provider.required("url").removeprefix("https://").rstrip("/")
    registered = {each.removeprefix("https://").rstrip("/") for each in at.zone.identity_providers}
    if url not in registered:
        yield f"the issuer {url} is not registered in the zone"
    if not provider.texts("clientIdLists"):
        yield "the issuer's audiences are not limited"


@RES_101.on("aws:iam/samlProvider:SamlProvider")
def saml_issuer_is_registered(provider: View, at: Context) -> Iterator[str]:
    document = provider.required("samlMetadataDocument")
    if not any(registered in document for registered in at.zone.identity_providers):
        yield "the SAML issuer is not registered in the zone"


RES_102 = Rule(
    "RES-102",
    remedy="Deny operators' requests unless aws:SourceVpce or aws:SourceIp is of the zone, and have an officer sign a "
    "current roster of cleared operators.",
)
_OPERATOR = "operator"


@RES_102.located(*privileges.DOCUMENTS)
def operators_act_from_the_zone(resource: Resource, at: Context) -> Iterator[str]:
    if _OPERATOR not in resource.name and not resource.type.startswith("aws:ssoadmin/"):
        raise NotJudged
    held = list(privileges.documents(resource, at))
    if not held:
        raise NotJudged  # a role whose policies are resources of their own
    document = [statement for each in held for statement in each]
    fences = [statement for statement in document if statement.denies and _fences_the_source(statement)]
    if not fences:
        yield "no statement denies requests that come from outside the zone's networks or endpoints"
    for statement in fences:
        for cidr in statement.condition("aws:SourceIp", "NotIpAddress") or ():
            yield from network_faults(at, cidr, "an allowed source")


def _fences_the_source(statement: Statement) -> bool:
    by_address = statement.condition("aws:SourceIp", "NotIpAddress")
    by_endpoint = statement.condition("aws:SourceVpce", "StringNotEquals") or statement.condition(
        "aws:SourceVpc", "StringNotEquals"
    )
    return statement.covers("sts:AssumeRole") and bool(by_address or by_endpoint)


@RES_102.whole(Stage.ATTEST)
def roster_is_signed_cleared_and_located(at: Context) -> Iterator[Verdict]:
    operators = list(at.facts.need("register").children("operators"))
    if not operators:
        raise UnknownValue("no signed roster of operators")
    for operator in operators:
        name = operator.required("name")
        faults = []
        if operator.required("location") not in at.zone.jurisdictions:
            faults.append(f"located in {operator.text('location')}, outside {', '.join(sorted(at.zone.jurisdictions))}")
        expires = datetime.fromisoformat(operator.required("clearance_expires"))
        if expires <= at.now:
            faults.append(f"clearance expired on {expires.date()}")
        yield Verdict(f"operator/{name}", faults, {"operator": name, "faults": faults})


RES_105 = Rule(
    "RES-105",
    remedy="Log in to an s3:// backend in a zone region whose bucket has versioning and Object Lock "
    "(`gchain env bootstrap` makes one).",
)


@RES_105.whole(Stage.PREFLIGHT)
def backend_is_a_locked_bucket_of_the_zone(at: Context) -> Iterator[Verdict]:
    backend = at.facts.need("stack").need("backend")
    url = backend.required("url")
    if not url.startswith("s3://"):
        yield Verdict("backend", [f"the backend is {url.partition('://')[0] or url}, not an s3:// bucket"], url)
        return
    bucket = backend.need("bucket")
    faults = list(region_faults(at, bucket.required("region"), f"the region of {bucket_name(url)}"))
    if bucket.text("versioning") != "Enabled":
        faults.append(f"versioning of {bucket_name(url)} is {bucket.text('versioning') or 'off'}")
    if bucket.flag("object_lock") is not True:
        faults.append(f"{bucket_name(url)} has no Object Lock")
    yield Verdict("backend", faults, {"url": bucket_name(url), "faults": faults})


@RES_105.whole(Stage.PREFLIGHT)
def no_variable_overrides_the_backend(at: Context) -> Iterator[Verdict]:
    override = at.facts.need("env").text("PULUMI_BACKEND_URL")
    used = at.facts.need("stack").need("backend").required("url")
    differs = bool(override) and bucket_name(override or "") != bucket_name(used)
    yield Verdict("PULUMI_BACKEND_URL", ["it names another backend than the stack's"] if differs else [], override)


RES_106 = Rule(
    "RES-106",
    remedy="Change the stack's secrets provider to a single-Region KMS key of the zone, and mark secrets as such.",
)


@RES_106.whole(Stage.PREFLIGHT)
def secrets_provider_is_a_zone_key(at: Context) -> Iterator[Verdict]:
    settings = at.facts.need("stack").need("settings")
    provider = settings.required("secretsprovider")
    if not provider.startswith("awskms://"):
        yield Verdict("secrets provider", [f"it is {provider.partition(':')[0]}, not a KMS key"], provider)
        return
    key = settings.need("key")
    faults = list(kms_faults(at, key.required("arn"), "the secrets key"))
    if key.flag("multi_region") is not False:
        faults.append("the secrets key is multi-Region")
    if not settings.text("encryptedkey"):
        faults.append("the stack has no encrypted data key")
    yield Verdict("secrets provider", faults, {"key": key.text("arn"), "faults": faults})


@RES_106.whole(Stage.STATE)
def no_secret_is_in_plain_text(at: Context) -> Iterator[Verdict]:
    plain = at.facts.need("stack").need("export").texts("plaintext_secrets")
    yield Verdict("stack export", [f"{path} holds a secret in plain text" for path in plain], plain)


@RES_106.on("aws:kms/key:Key")
def key_of_the_stack_is_single_region(key: View, at: Context) -> Iterator[str]:
    if key.flag("multiRegion"):
        yield "multiRegion is true"


RES_107 = Rule(
    "RES-107",
    remedy="Have an officer sign where CI runs, where artefacts and evidence lie and where report mail goes.",
)


@RES_107.whole(Stage.ATTEST)
def pipeline_is_declared_inside(at: Context) -> Iterator[Verdict]:
    pipeline = at.facts.need("pipeline")
    places = [runner.required("location") for runner in pipeline.children("runners")]
    faults = [f"CI runs in {place}" for place in places if place not in at.zone.jurisdictions]
    if not places:
        raise UnknownValue("no CI runner is declared")
    for store in pipeline.children("artefact_stores"):
        faults += region_faults(at, store.required("region"), "the region of an artefact store")
    faults += region_faults(at, pipeline.need("evidence_bucket").required("region"), "the evidence bucket's region")
    relay = pipeline.need("report_mail").text("relay")
    if relay and not (at.zone.has_network(relay) or relay.endswith(f".{at.zone.domain}")):
        faults.append(f"reports are mailed through {relay}, outside the zone")
    yield Verdict("pipeline", faults, {"faults": faults})


RES_108 = Rule(
    "RES-108",
    remedy="Set PULUMI_SKIP_UPDATE_CHECK=true; run Prowler without --push-to-cloud and Checkov with --skip-download.",
)
_PLAIN_WORD = re.compile(r"^[\w./:=,+%-]+$")
"""A word of a command line that is what it says: no variable, quote or substitution of the shell."""


@RES_108.whole(Stage.PREFLIGHT, Stage.PLAN)
def update_check_is_off(at: Context) -> Iterator[Verdict]:
    value = at.facts.need("env").text("PULUMI_SKIP_UPDATE_CHECK")
    on = value not in ("true", "1")
    faults = ["it is not true: the engine asks its vendor for updates"] if on else []
    yield Verdict("PULUMI_SKIP_UPDATE_CHECK", faults, on)


@RES_108.whole(Stage.PREFLIGHT)
def scanners_upload_nothing(at: Context) -> Iterator[Verdict]:
    pipeline = at.facts.need("pipeline")
    prowler = pipeline.need("prowler").texts("arguments")
    checkov = pipeline.need("checkov").texts("arguments")
    faults = []
    if "--push-to-cloud" in prowler:
        faults.append("Prowler runs with --push-to-cloud")
    if checkov and "--skip-download" not in checkov:
        faults.append("Checkov runs without --skip-download")
    hidden = [word for word in (*prowler, *checkov) if not _PLAIN_WORD.match(word)]
    if hidden and not faults:
        raise UnknownValue(f"a scanner is started with {hidden[0]!r}, whose value is set elsewhere")
    yield Verdict("scanners", faults, {"prowler": prowler, "checkov": checkov})
