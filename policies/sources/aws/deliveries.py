"""Where logs, metrics, findings, events, messages and prompts are delivered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from policies.errors import SourceError
from policies.graph import Resource
from policies.sources.aws.account import Account
from policies.sources.aws.answer import Answer
from policies.sources.aws.listing import Listing

__all__ = ["COLLECTORS", "GLOBAL_COLLECTORS", "aggregators"]

_ACCOUNT_POLICIES = ("SUBSCRIPTION_FILTER_POLICY", "DATA_PROTECTION_POLICY")


def log_groups(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    """Subscriptions of log groups, and the data protection policy of each that has or had one."""
    for group in account.pages("logs", region, "describe_log_groups", "logGroups"):
        name = group["logGroupName"]
        for each in account.pages(
            "logs", region, "describe_subscription_filters", "subscriptionFilters", logGroupName=name
        ):
            yield account.resource(
                "aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter",
                f"{name}/{each['filterName']}",
                region,
                {"logGroup": name, "destinationArn": each["destinationArn"]},
            )
        if status := group["dataProtectionStatus?"]:
            asked = account.ask("logs", region, "get_data_protection_policy", logGroupIdentifier=name)
            document = asked["policyDocument" if status == "ACTIVATED" else "policyDocument?"]
            if document is not None:
                yield account.resource(
                    "aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy",
                    name,
                    region,
                    {"logGroupName": name, "policyDocument": document},
                )


def account_policies(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for kind in _ACCOUNT_POLICIES:
        for policy in account.pages("logs", region, "describe_account_policies", "accountPolicies", policyType=kind):
            yield account.resource(
                "aws:cloudwatch/logAccountPolicy:LogAccountPolicy",
                f"{kind}/{policy['policyName']}",
                region,
                {"policyType": kind, "policyDocument": policy["policyDocument"]},
            )


def aggregators(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    try:
        listed = list(account.pages("securityhub", region, "list_finding_aggregators", "FindingAggregators"))
    except ClientError as error:
        if error.response["Error"]["Code"] in _NOT_ENABLED:
            return
        raise
    for each in listed:
        arn = each["FindingAggregatorArn"]
        found = account.ask("securityhub", region, "get_finding_aggregator", FindingAggregatorArn=arn)
        mode = found["RegionLinkingMode"]
        named = found.texts("Regions" if mode in _NAMES_REGIONS else "Regions?")
        yield account.resource(
            "aws:securityhub/findingAggregator:FindingAggregator",
            arn,
            found["FindingAggregationRegion"],
            {"linkingMode": mode, "specifiedRegions": named},
        )


_NAMES_REGIONS = frozenset({"SPECIFIED_REGIONS", "ALL_REGIONS_EXCEPT_SPECIFIED"})
_NOT_ENABLED = frozenset({"InvalidAccessException"})
"""What Security Hub answers in a region where it is not enabled."""


def event_targets(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for bus in account.pages("events", region, "list_event_buses", "EventBuses"):
        names = {"EventBusName": bus["Name"]}
        for rule in account.pages("events", region, "list_rules", "Rules", **names):
            of_rule = {"Rule": rule["Name"], **names}
            for target in account.pages("events", region, "list_targets_by_rule", "Targets", **of_rule):
                yield account.resource(
                    "aws:cloudwatch/eventTarget:EventTarget",
                    f"{bus['Name']}/{rule['Name']}/{target['Id']}",
                    region,
                    {"arn": target["Arn"], "deadLetterConfig": {"arn": target["DeadLetterConfig?.Arn"]}},
                )


def topics(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for topic in account.pages("sns", region, "list_topics", "Topics"):
        attributes = account.ask("sns", region, "get_topic_attributes", TopicArn=topic["TopicArn"])["Attributes"]
        properties = {"policy": attributes["Policy"], "kmsMasterKeyId": attributes["KmsMasterKeyId?"]}
        yield account.resource("aws:sns/topic:Topic", topic["TopicArn"], region, properties)


def queues(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    # Without a limit the answer ends after 1,000 queues and does not say so (SQS API, ListQueues).
    for url in account.names("sqs", region, "list_queues", "QueueUrls", MaxResults=1000):
        asked = {"QueueUrl": url, "AttributeNames": ["All"]}
        found = account.ask("sqs", region, "get_queue_attributes", **asked)["Attributes"]
        properties = {
            "policy": found["Policy?"],
            "redrivePolicy": found["RedrivePolicy?"],
            "kmsMasterKeyId": found["KmsMasterKeyId?"],
        }
        yield account.resource("aws:sqs/queue:Queue", url, region, properties)


def inference_profiles(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    """Profiles that the account made; one with several models answers in several regions."""
    asked = {"typeEquals": "APPLICATION"}
    for profile in account.pages("bedrock", region, "list_inference_profiles", "inferenceProfileSummaries", **asked):
        models = [each["modelArn"] for each in profile.each("models")]
        source = models[0] if len(models) == 1 else profile["inferenceProfileArn"]
        yield account.resource(
            "aws:bedrock/inferenceProfile:InferenceProfile",
            profile["inferenceProfileArn"],
            region,
            {"modelSource": {"copyFrom": source}},
        )


def invocation_logging(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    found = account.ask("bedrock", region, "get_model_invocation_logging_configuration")["loggingConfig?"]
    if not found:
        return
    if "cloudWatchConfig" not in found and "s3Config" not in found:
        raise SourceError("GetModelInvocationLoggingConfiguration: loggingConfig has no destination")
    large = found["cloudWatchConfig?.largeDataDeliveryS3Config?"]
    group = found["cloudWatchConfig?"] and {
        "logGroupName": found["cloudWatchConfig.logGroupName"],
        "largeDataDeliveryS3Config": large and {"bucketName": large["bucketName"]},
    }
    bucket = found["s3Config?"] and {"bucketName": found["s3Config.bucketName"]}
    yield account.resource(
        "aws:bedrockmodel/invocationLoggingConfiguration:InvocationLoggingConfiguration",
        "logging",
        region,
        {"loggingConfig": {"s3Config": bucket, "cloudwatchConfig": group}},
    )


def _endpoint(item: Answer) -> dict[str, Any]:
    route = item["RoutingConfig.FailoverConfig.Secondary.Route"]
    return {"failoverConfig": {"secondary": {"route": route}}}


COLLECTORS = {
    (
        "aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter",
        "aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy",
    ): log_groups,
    ("aws:cloudwatch/logAccountPolicy:LogAccountPolicy",): account_policies,
    ("aws:cloudwatch/logDestination:LogDestination",): Listing(
        "aws:cloudwatch/logDestination:LogDestination",
        "logs",
        "describe_destinations",
        "destinations",
        "destinationName",
        {"targetArn": "targetArn"},
    ),
    ("aws:cloudwatch/logDelivery:LogDelivery",): Listing(
        "aws:cloudwatch/logDelivery:LogDelivery",
        "logs",
        "describe_deliveries",
        "deliveries",
        "id",
        {"deliveryDestinationArn": "deliveryDestinationArn"},
    ),
    ("aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination",): Listing(
        "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination",
        "logs",
        "describe_delivery_destinations",
        "deliveryDestinations",
        "name",
        {
            "deliveryDestinationConfiguration": lambda item: {
                "destinationResourceArn": item["deliveryDestinationConfiguration?.destinationResourceArn?"]
            }
        },
    ),
    ("aws:cloudwatch/metricStream:MetricStream",): Listing(
        "aws:cloudwatch/metricStream:MetricStream",
        "cloudwatch",
        "list_metric_streams",
        "Entries",
        "Name",
        {"firehoseArn": "FirehoseArn"},
    ),
    ("aws:oam/link:Link",): Listing(
        "aws:oam/link:Link",
        "oam",
        "list_links",
        "Items",
        "Arn",
        {"sinkIdentifier": "SinkArn", "resourceTypes": "ResourceTypes"},
    ),
    ("aws:securityhub/findingAggregator:FindingAggregator",): aggregators,
    ("aws:cloudwatch/eventTarget:EventTarget",): event_targets,
    ("aws:cloudwatch/eventApiDestination:EventApiDestination",): Listing(
        "aws:cloudwatch/eventApiDestination:EventApiDestination",
        "events",
        "list_api_destinations",
        "ApiDestinations",
        "Name",
        {"invocationEndpoint": "InvocationEndpoint"},
    ),
    ("aws:cloudwatch/eventEndpoint:EventEndpoint",): Listing(
        "aws:cloudwatch/eventEndpoint:EventEndpoint",
        "events",
        "list_endpoints",
        "Endpoints",
        "Name",
        {
            "eventBuses": lambda item: [{"eventBusArn": each["EventBusArn"]} for each in item.each("EventBuses")],
            "routingConfig": _endpoint,
            "replicationConfig": lambda item: {"state": item["ReplicationConfig?.State?"]},
        },
    ),
    ("aws:sns/topicSubscription:TopicSubscription",): Listing(
        "aws:sns/topicSubscription:TopicSubscription",
        "sns",
        "list_subscriptions",
        "Subscriptions",
        lambda item: f"{item['TopicArn']}/{item.text('SubscriptionArn').rpartition(':')[2]}",
        {"topic": "TopicArn", "protocol": "Protocol", "endpoint": "Endpoint"},
    ),
    ("aws:sns/topic:Topic", "aws:sns/topicPolicy:TopicPolicy"): topics,
    ("aws:sqs/queue:Queue", "aws:sqs/queuePolicy:QueuePolicy"): queues,
    ("aws:bedrock/inferenceProfile:InferenceProfile",): inference_profiles,
    ("aws:bedrockmodel/invocationLoggingConfiguration:InvocationLoggingConfiguration",): invocation_logging,
    ("aws:route53/resolverQueryLogConfig:ResolverQueryLogConfig",): Listing(
        "aws:route53/resolverQueryLogConfig:ResolverQueryLogConfig",
        "route53resolver",
        "list_resolver_query_log_configs",
        "ResolverQueryLogConfigs",
        "Id",
        {"destinationArn": "DestinationArn"},
    ),
}
GLOBAL_COLLECTORS = {
    ("aws:route53/queryLog:QueryLog",): Listing(
        "aws:route53/queryLog:QueryLog",
        "route53",
        "list_query_logging_configs",
        "QueryLoggingConfigs",
        "Id",
        {"zoneId": "HostedZoneId", "cloudwatchLogGroupArn": "CloudWatchLogsLogGroupArn"},
        place="us-east-1",
    ),
}
