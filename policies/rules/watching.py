"""Watching: detectors run in every zone region, firewalls drop and log, listeners and user data are as approved."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from policies.graph import Resource
from policies.outcomes import Stage
from policies.places import bucket_faults
from policies.rule import CLOUD_STAGES, Context, Rule, Verdict
from policies.view import UnknownValue, View

HRD_012 = Rule("HRD-012", remedy="Use HTTPS or TLS with a FIPS security policy that begins at TLS 1.2.")
_FIPS = re.compile(r"^ELBSecurityPolicy-TLS13-1-[23]-(?:[A-Za-z0-9]+-)?FIPS(?:-PQ)?-\d{4}-\d{2}$")


@HRD_012.on("aws:lb/listener:Listener")
def listener_speaks_modern_tls(listener: View, at: Context) -> Iterator[str]:
    protocol = listener.required("protocol")
    if protocol not in ("HTTPS", "TLS"):
        yield f"the listener speaks {protocol}"
    elif not _FIPS.match(listener.text("sslPolicy") or ""):
        yield f"sslPolicy is {listener.text('sslPolicy') or 'not set'}, not a FIPS policy from TLS 1.2 on"


HRD_016 = Rule("HRD-016", remedy="Take secrets out of user data; use a role bundle whose digest the zone lists.")
_SECRETS = re.compile(
    r"(?i)-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|"
    r"(?:\b|_)(?:password|passwd|passphrase|secret(?:_?key)?|api_?key|token)\b\s*[:=]\s*['\"]?[^\s'\"$<{]{6,}"
)
_INSTANCE, _TEMPLATE = "aws:ec2/instance:Instance", "aws:ec2/launchTemplate:LaunchTemplate"


@HRD_016.located(_INSTANCE, _TEMPLATE)
def user_data_holds_no_secret(host: Resource, at: Context) -> Iterator[str]:
    data = _user_data(host, at)
    if data is not None and _SECRETS.search(data.decode(errors="replace")):
        yield "user data holds what looks like a secret"


@HRD_016.related(_INSTANCE, _TEMPLATE)
def user_data_is_an_approved_bundle(host: Resource, at: Context) -> Iterator[str]:
    data = _user_data(host, at)
    if data is None:
        return
    found = hashlib.sha256(data).hexdigest()
    approved = {
        bundle.required("sha256").removeprefix("sha256:")
        for bundle in at.facts.need("register").children("role_bundles")
    }
    if found not in approved:
        yield f"user data has SHA-256 {found}, which is not an approved role bundle"


def _user_data(host: Resource, at: Context) -> bytes | None:
    view = at.view(host)
    plain, encoded = view.text("userData"), None
    if host.type == _TEMPLATE:
        plain, encoded = None, plain
    else:
        encoded = view.text("userDataBase64")
    try:
        return plain.encode() if plain else base64.b64decode(encoded, validate=True) if encoded else None
    except binascii.Error:
        raise UnknownValue("user data is not base64") from None


HRD_018 = Rule("HRD-018", remedy="Enable GuardDuty, Security Hub, Config and Inspector in each region of the zone.")
_DETECTOR = "aws:guardduty/detector:Detector"
_HUB = "aws:securityhub/account:Account"
_RECORDER, _RECORDING = "aws:cfg/recorder:Recorder", "aws:cfg/recorderStatus:RecorderStatus"
_INSPECTOR = "aws:inspector2/enabler:Enabler"
_WATCHERS = {
    _DETECTOR: "GuardDuty",
    _HUB: "Security Hub",
    _RECORDER: "a Config recorder of everything",
    _RECORDING: "a running Config recorder",
    _INSPECTOR: "Inspector of hosts",
}


@HRD_018.whole(*sorted(CLOUD_STAGES))
def every_region_is_watched(at: Context) -> Iterator[Verdict]:
    here = at.graph.types & {*_WATCHERS, "aws:ec2/vpc:Vpc"}
    if not here and at.stage is not Stage.LIVE and at.member != "foundation":
        return  # a stack that runs nothing
    for region in at.zone.regions:
        wanted = _wanted(region, at)
        faults = [
            f"{_WATCHERS[kind]} does not run in {region}"
            for kind in wanted
            if kind not in at.graph.unavailable and not _watched(kind, region, at)
        ]
        if wanted:
            yield Verdict(f"region/{region}", faults, {"region": region, "faults": faults})


def _wanted(region: str, at: Context) -> list[str]:
    """The watchers that must run in a region.

    An account has one recorder a region, and a plan is of one stack: in the convenor's account the foundation stack has
    the recorder of the convenor's region, and the member's own stack all else.
    """
    home = at.zone.member_regions.get(at.zone.convenor)
    foundation = at.member == "foundation"
    if at.stage is not Stage.PLAN or not (foundation or at.member == at.zone.convenor):
        return list(_WATCHERS)
    return [kind for kind in _WATCHERS if foundation == (region == home and kind in (_RECORDER, _RECORDING))]


def _watched(kind: str, region: str, at: Context) -> bool:
    unsure: UnknownValue | None = None
    for watcher in at.graph.of_type(kind):
        try:
            if at.region(watcher) == region and _is_on(kind, at.view(watcher)):
                return True
        except UnknownValue as unknown:
            unsure = unknown
    if unsure is not None:
        raise unsure
    return False


def _is_on(kind: str, watcher: View) -> bool:
    if kind == _DETECTOR:
        return watcher.flag("enable") is not False
    if kind == _RECORDER:
        group = watcher.child("recordingGroup")
        return group is None or group.flag("allSupported") is not False
    if kind == _RECORDING:
        return watcher.flag("isEnabled") is True
    return kind == _HUB or (bool(watcher.texts("accountIds")) and "EC2" in watcher.texts("resourceTypes"))


HRD_019 = Rule(
    "HRD-019", remedy="Order rules strictly, drop by default, fail closed, log flows and alerts in the zone."
)
_DROPS = {"aws:drop_strict", "aws:drop_established"}
_ALERTS = {"aws:alert_strict", "aws:alert_established"}
_STATELESS = {"aws:drop", "aws:forward_to_sfe"}


@HRD_019.on("aws:networkfirewall/firewallPolicy:FirewallPolicy")
def firewall_drops_by_default(policy: View, at: Context) -> Iterator[str]:
    rules = policy.need("firewallPolicy")
    stateful = set(rules.texts("statefulDefaultActions"))
    if not stateful & _DROPS:
        yield "no stateful default action drops"
    if unknown := stateful - _DROPS - _ALERTS:
        yield f"stateful default actions have {', '.join(sorted(unknown))}"
    options = rules.child("statefulEngineOptions")
    for name, wanted in (("ruleOrder", ("STRICT_ORDER",)), ("streamExceptionPolicy", ("DROP", "REJECT"))):
        value = options.text(name) if options is not None else None
        if value not in wanted:
            yield f"{name} is {value or 'not set'}, not {wanted[0]}"
    for name in ("statelessDefaultActions", "statelessFragmentDefaultActions"):
        actions = set(rules.texts(name))
        if not actions or actions - _STATELESS:
            yield f"{name} is {', '.join(sorted(actions)) or 'not set'}: packets pass uninspected"


@HRD_019.on("aws:networkfirewall/loggingConfiguration:LoggingConfiguration")
def firewall_logs_inside(logging: View, at: Context) -> Iterator[str]:
    logging.required("firewallArn")
    kinds = set()
    for target in logging.need("loggingConfiguration").children("logDestinationConfigs"):
        kinds.add(target.required("logType"))
        destination = target.mapping("logDestination")
        yield from _log_faults(target.required("logDestinationType"), destination, at)
    if missing := {"FLOW", "ALERT"} - kinds:
        yield f"{' and '.join(sorted(missing))} logs are not kept"


def _log_faults(kind: str, destination: dict[str, object], at: Context) -> Iterator[str]:
    wanted = {"S3": "bucketName", "CloudWatchLogs": "logGroup", "KinesisDataFirehose": "deliveryStream"}.get(kind)
    name = destination.get(wanted or "")
    if wanted is None or not isinstance(name, str):
        raise UnknownValue(f"logDestination of kind {kind!r} is not known")
    if kind == "S3":
        yield from bucket_faults(at, name, "the firewall log")
    # A log group or stream is of the firewall's own account and region.
