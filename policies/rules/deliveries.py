"""Deliveries of logs, metrics, findings and reports: the last place that each one reaches is in the zone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.documents import json_object
from policies.graph import Resource
from policies.places import arn_faults, bucket_faults, kms_faults, region_faults
from policies.rule import Context, Rule
from policies.view import UnknownValue, View

RES_061 = Rule("RES-061", remedy="Name destinations and targets of zone accounts in zone regions.")
_SUBSCRIPTION, _PROTECTION = "SUBSCRIPTION_FILTER_POLICY", "DATA_PROTECTION_POLICY"
_LOCAL_POLICIES = ("FIELD_INDEX_POLICY", "TRANSFORMER_POLICY", "METRIC_EXTRACTION_POLICY")


@RES_061.on("aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter")
def subscription_ends_inside(subscription: View, at: Context) -> Iterator[str]:
    arn = subscription.required("destinationArn")
    yield from arn_faults(at, arn, f"the subscriber of {subscription.text('logGroup') or 'the log group'}")


@RES_061.on("aws:cloudwatch/logAccountPolicy:LogAccountPolicy")
def account_wide_subscription_ends_inside(policy: View, at: Context) -> Iterator[str]:
    kind = policy.required("policyType")
    document = json_object(policy.required("policyDocument"), "policyDocument")
    if kind == _SUBSCRIPTION:
        yield from arn_faults(at, _text(document, "DestinationArn"), "DestinationArn of the policy")
    elif kind == _PROTECTION:
        yield from _findings_faults(document, at)
    elif kind not in _LOCAL_POLICIES:
        raise UnknownValue(f"policyType {kind!r} is none that CloudWatch Logs has")


def _text(document: Mapping[str, Any], name: str) -> str:
    found = document.get(name)
    if not isinstance(found, str) or not found:
        raise UnknownValue(f"{name} is not in the policy document")
    return found


@RES_061.on("aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy")
def findings_of_a_group_stay_inside(policy: View, at: Context) -> Iterator[str]:
    yield from _findings_faults(json_object(policy.required("policyDocument"), "policyDocument"), at)


def _findings_faults(document: Mapping[str, Any], at: Context) -> Iterator[str]:
    """Findings go to log groups and streams of the account and region itself, and to buckets that may be anywhere."""
    if not document.get("Statement"):
        raise UnknownValue("Statement is not in the policy document")
    for statement in document["Statement"]:
        audit = (statement.get("Operation") or {}).get("Audit") or {}
        written = (audit.get("FindingsDestination") or {}).get("S3")
        if written is not None:
            yield from bucket_faults(at, _text(written, "Bucket"), "the bucket of data protection findings")


@RES_061.on("aws:cloudwatch/logDestination:LogDestination")
def destination_leads_inside(destination: View, at: Context) -> Iterator[str]:
    yield from arn_faults(at, destination.required("targetArn"), "the destination's target")


@RES_061.on("aws:cloudwatch/logDelivery:LogDelivery")
def delivery_ends_inside(delivery: View, at: Context) -> Iterator[str]:
    yield from arn_faults(at, delivery.required("deliveryDestinationArn"), "the delivery's destination")


@RES_061.on("aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination")
def delivered_resource_is_inside(destination: View, at: Context) -> Iterator[str]:
    configuration = destination.need("deliveryDestinationConfiguration")
    yield from arn_faults(at, configuration.required("destinationResourceArn"), "the delivery's resource")


RES_062 = Rule("RES-062", remedy="Link to sinks and streams of zone accounts in zone regions.")


@RES_062.on("aws:cloudwatch/metricStream:MetricStream")
def metrics_flow_inside(stream: View, at: Context) -> Iterator[str]:
    yield from arn_faults(at, stream.required("firehoseArn"), "the metric stream's target")


@RES_062.on("aws:oam/link:Link")
def observability_is_shared_inside(link: View, at: Context) -> Iterator[str]:
    shared = ", ".join(kind.rpartition("::")[2] for kind in link.texts("resourceTypes"))
    yield from arn_faults(at, link.required("sinkIdentifier"), f"the sink of {shared or 'the link'}")


RES_064 = Rule("RES-064", remedy="Delete the public query log; send resolver query logs to a log group of the zone.")


@RES_064.on("aws:route53/queryLog:QueryLog")
def public_query_logging_is_off(log: View, at: Context) -> Iterator[str]:
    where = log.text("cloudwatchLogGroupArn") or "a log group of us-east-1"
    yield f"queries of public zone {log.text('zoneId') or ''} are logged to {where}"


@RES_064.on("aws:route53/resolverQueryLogConfig:ResolverQueryLogConfig")
def resolver_query_log_is_inside(log: View, at: Context) -> Iterator[str]:
    yield from arn_faults(at, log.required("destinationArn"), "the resolver query log")


RES_066 = Rule("RES-066", remedy="Delete the aggregator and create it in a zone region.")
_LINKING = ("ALL_REGIONS", "ALL_REGIONS_EXCEPT_SPECIFIED", "SPECIFIED_REGIONS", "NO_REGIONS")


@RES_066.located("aws:securityhub/findingAggregator:FindingAggregator")
def findings_gather_inside(aggregator: Resource, at: Context) -> Iterator[str]:
    yield from region_faults(at, at.region(aggregator), "the home region of findings")
    view = at.view(aggregator)
    mode = view.required("linkingMode")
    if mode not in _LINKING:
        raise UnknownValue(f"linkingMode {mode!r} is none that Security Hub has")
    for region in view.texts("specifiedRegions") if mode == "SPECIFIED_REGIONS" else ():
        yield from region_faults(at, region, "a linked region")


RES_067 = Rule("RES-067", remedy="Export findings to a log archive bucket of the zone under a zone key.")


@RES_067.on("aws:guardduty/publishingDestination:PublishingDestination")
def findings_are_exported_inside(destination: View, at: Context) -> Iterator[str]:
    yield from bucket_faults(at, destination.required("destinationArn"), "the export of findings")
    yield from kms_faults(at, destination.required("kmsKeyArn"), "the export's key")


RES_071 = Rule(
    "RES-071", remedy="Sync and replicate to zone regions; remove chat channels that the zone does not list."
)


@RES_071.on("aws:ssm/resourceDataSync:ResourceDataSync")
def inventory_syncs_inside(sync: View, at: Context) -> Iterator[str]:
    destination = sync.need("s3Destination")
    yield from region_faults(at, destination.required("region"), "the region of the inventory")
    yield from bucket_faults(at, destination.required("bucketName"), "the inventory")


@RES_071.on("aws:ssmincidents/replicationSet:ReplicationSet")
def incidents_replicate_inside(replication: View, at: Context) -> Iterator[str]:
    # `region` is the property's name before it was `regions`.
    named = [*replication.children("regions"), *replication.children("region")]
    if not named:
        raise UnknownValue("the replication set names no region")
    for each in named:
        yield from region_faults(at, each.required("name"), "a region of the replication set")


@RES_071.on("aws:chatbot/slackChannelConfiguration:SlackChannelConfiguration")
def slack_channel_is_listed(channel: View, at: Context) -> Iterator[str]:
    name = f"slack:{channel.required('slackTeamId')}/{channel.required('slackChannelId')}"
    yield from _channel_faults(channel, name, at)


@RES_071.on("aws:chatbot/teamsChannelConfiguration:TeamsChannelConfiguration")
def teams_channel_is_listed(channel: View, at: Context) -> Iterator[str]:
    name = f"teams:{'/'.join(channel.required(part) for part in ('tenantId', 'teamId', 'channelId'))}"
    yield from _channel_faults(channel, name, at)


def _channel_faults(channel: View, name: str, at: Context) -> Iterator[str]:
    if name not in at.zone.notification_endpoints:
        yield f"{len(channel.texts('snsTopicArns'))} topics are shown in {name}, which the zone does not list"


RES_072 = Rule("RES-072", remedy="Write the report to a zone bucket, or leave out resource ids and tags.")
_IDENTIFYING = ("RESOURCES", "SPLIT_COST_ALLOCATION_DATA")
_IDENTIFYING_COLUMNS = ("*", "line_item_resource_id", "resource_tags", "tags", "line_item_line_item_description")


@RES_072.on("aws:cur/reportDefinition:ReportDefinition")
def cost_report_stays_or_names_nothing(report: View, at: Context) -> Iterator[str]:
    elements = report.texts("additionalSchemaElements")
    if set(elements) & set(_IDENTIFYING):
        yield from _report_faults(report, at)
    elif set(elements) - {"MANUAL_DISCOUNT_COMPATIBILITY"}:
        raise UnknownValue(f"additionalSchemaElements has {', '.join(elements)}, which this rule does not know")


@RES_072.on("aws:bcmdata/export:Export")
def data_export_stays_or_names_nothing(export: View, at: Context) -> Iterator[str]:
    whole = export.need("export")
    queries = [query.required("queryStatement") for query in whole.children("dataQueries")]
    if not queries:
        raise UnknownValue("the export has no query")
    if any(_identifies(query) for query in queries):
        for configuration in whole.children("destinationConfigurations"):
            for destination in configuration.children("s3Destinations"):
                yield from _report_faults(destination, at)


def _identifies(query: str) -> bool:
    columns, separator, _ = query.lower().removeprefix("select").partition(" from ")
    if not separator:
        raise UnknownValue("queryStatement is not SELECT ... FROM ...")
    words = [column.strip().partition(" ")[0].partition("[")[0] for column in columns.split(",")]
    return any(word in _IDENTIFYING_COLUMNS for word in words)


def _report_faults(place: View, at: Context) -> Iterator[str]:
    yield from region_faults(at, place.required("s3Region"), "the region of the report, which has ids or tags,")
    yield from bucket_faults(at, place.required("s3Bucket"), "the report")
