"""Telemetry: records of what happens are delivered, collected and kept in the zone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.graph import PROVIDER, Resource
from policies.places import (
    account_faults,
    arn_faults,
    bucket_faults,
    host_of,
    is_loopback,
    kms_faults,
    network_faults,
    region_faults,
)
from policies.rule import Context, NotJudged, Rule
from policies.view import UnknownValue, View

RES_060 = Rule("RES-060", remedy="Deliver the trail to a bucket, log group, topic and KMS key of the zone.")


@RES_060.on("aws:cloudtrail/trail:Trail")
def trail_delivers_inside(trail: View, at: Context) -> Iterator[str]:
    yield from bucket_faults(at, trail.required("s3BucketName"), "the trail's bucket")
    yield from arn_faults(at, trail.text("cloudWatchLogsGroupArn"), "the trail's log group")
    topic = trail.text("snsTopicName")
    if topic and topic.startswith("arn:"):
        yield from arn_faults(at, topic, "the trail's topic")
    yield from kms_faults(at, trail.text("kmsKeyId"), "the trail's key")


RES_063 = Rule("RES-063", remedy="Send flow logs to a log group or log archive bucket of a zone region.")


@RES_063.on("aws:ec2/flowLog:FlowLog")
def flow_log_is_delivered_inside(flow_log: View, at: Context) -> Iterator[str]:
    destination = flow_log.text("logDestination")
    if destination:
        yield from arn_faults(at, destination, "the flow log's destination")
    elif not flow_log.text("logGroupName"):
        raise UnknownValue("neither logDestination nor logGroupName is set")
    yield from _role_faults(flow_log.text("deliverCrossAccountRole"), at)


def _role_faults(role: str | None, at: Context) -> Iterator[str]:
    if role:
        yield from account_faults(at, role.split(":")[4] if role.count(":") >= 5 else role, "deliverCrossAccountRole")


RES_065 = Rule("RES-065", remedy="Write configuration records to a zone bucket and aggregate in a zone region.")


@RES_065.on("aws:cfg/deliveryChannel:DeliveryChannel")
def configuration_is_delivered_inside(channel: View, at: Context) -> Iterator[str]:
    yield from bucket_faults(at, channel.required("s3BucketName"), "the delivery channel's bucket")
    yield from arn_faults(at, channel.text("snsTopicArn"), "the delivery channel's topic")
    yield from kms_faults(at, channel.text("s3KmsKeyArn"), "the delivery channel's key")


@RES_065.located("aws:cfg/configurationAggregator:ConfigurationAggregator")
def configuration_is_aggregated_inside(aggregator: Resource, at: Context) -> Iterator[str]:
    yield from region_faults(at, at.region(aggregator), "the aggregator's region")
    accounts = at.view(aggregator).child("accountAggregationSource")
    for account in accounts.texts("accountIds") if accounts is not None else ():
        yield from account_faults(at, account, "an aggregated account")


@RES_065.on("aws:cfg/aggregateAuthorization:AggregateAuthorization")
def only_zone_aggregators_are_authorised(authorisation: View, at: Context) -> Iterator[str]:
    yield from account_faults(at, authorisation.required("accountId"), "the authorised account")
    region = authorisation.text("authorizedAwsRegion") or authorisation.text("region")
    if not region:
        raise UnknownValue("authorizedAwsRegion is not set")
    yield from region_faults(at, region, "the authorised region")


RES_073 = Rule("RES-073", remedy="Use role names, cost centres and values of the controlled vocabulary in tags.")

_PERSONAL = (
    ("an e-mail address of a person", re.compile(r"\b[a-z]+[._][a-z]+@", re.IGNORECASE)),
    ("a person's name", re.compile(r"^(?:(?:Dr|Mr|Mrs|Ms|Herr|Frau|Mme)\.? )?[A-Z][a-zà-ÿ]+ [A-Z][a-zà-ÿ-]+$")),
    ("a telephone number", re.compile(r"\+\d{2}[\d /-]{7,}")),
    ("a file number", re.compile(r"\b(?:Az\.?|case|file)[ :]*\S*\d+[/-]\d+", re.IGNORECASE)),
    ("a classification that may not leave", re.compile(r"\b(secret|top[ -]secret|geheim)\b", re.IGNORECASE)),
)
_PERSONAL_KEYS = ("owner", "case", "contact", "officer", "subject")


@RES_073.located()
def tags_hold_no_personal_data(resource: Resource, at: Context) -> Iterator[str]:
    view = at.view(resource)
    if resource.type == PROVIDER:
        defaults = view.child("defaultTags")
        tags = defaults.mapping("tags") if defaults is not None else {}
    elif resource.type.startswith("aws:"):
        tags = view.mapping("tags")
    else:
        raise NotJudged
    for key, value in tags.items():
        yield from _personal_faults(key, value)


def _personal_faults(key: str, value: object) -> Iterator[str]:
    if not isinstance(value, str):
        raise UnknownValue(f"tag {key} is not known yet")
    for kind, pattern in _PERSONAL:
        named_person = kind == "a person's name"
        if pattern.search(value) and (not named_person or key.lower().split(":")[-1] in _PERSONAL_KEYS):
            # The value itself stays out of the message: it is what must not travel.
            yield f"tag {key} looks like {kind}"


RES_074 = Rule("RES-074", remedy="Send host telemetry to collectors in the zone's networks only.")


@RES_074.each_host
def telemetry_stays_in_the_zone(host: View, at: Context) -> Iterator[str]:
    telemetry = host.need("telemetry")
    targets = [*telemetry.texts("otlp_endpoints"), *telemetry.texts("remote_write_urls")]
    targets += host.need("rsyslog").texts("targets")
    crash_reports = host.need("crash_reports").text("target")
    for target in [*targets, *([crash_reports] if crash_reports else [])]:
        if not (is_loopback(target) or target in at.zone.telemetry_endpoints):
            yield from _endpoint_faults(target, at)


@RES_074.each_host
def connections_stay_in_the_zone(host: View, at: Context) -> Iterator[str]:
    for socket in host.need("sockets").children("established"):
        address = socket.required("remote_address")
        if not (is_loopback(address) or address in at.zone.dns_servers | at.zone.ntp_servers):
            yield from network_faults(at, address, f"a connection of {socket.text('process') or 'a process'}")


def _endpoint_faults(target: str, at: Context) -> Iterator[str]:
    host = host_of(target)
    if re.fullmatch(r"[0-9.]+|[0-9a-f:]+", host):
        yield from network_faults(at, host, f"telemetry target {target}")
    elif not host.endswith(f".{at.zone.domain}"):
        yield f"telemetry target {target} is not a name of {at.zone.domain}"
