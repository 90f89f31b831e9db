"""Messages: events, topics, queues and model prompts go to zone resources and listed receivers."""

from __future__ import annotations

from collections.abc import Iterator

from policies.documents import Statement, json_object, statements
from policies.outcomes import Stage
from policies.places import arn_faults, bucket_faults, endpoint_faults, parse_arn, region_faults
from policies.principals import principal_faults
from policies.rule import Context, Rule, Verdict
from policies.view import UnknownValue, View

RES_068 = Rule("RES-068", remedy="Send events to ARNs of zone accounts in zone regions and to zone addresses.")


@RES_068.on("aws:cloudwatch/eventTarget:EventTarget")
def events_go_to_zone_targets(target: View, at: Context) -> Iterator[str]:
    yield from arn_faults(at, target.required("arn"), "the event target")
    if (letters := target.child("deadLetterConfig")) is not None:
        yield from arn_faults(at, letters.text("arn"), "the dead-letter queue")


@RES_068.on("aws:cloudwatch/eventApiDestination:EventApiDestination")
def api_destination_is_inside(destination: View, at: Context) -> Iterator[str]:
    yield from endpoint_faults(at, destination.required("invocationEndpoint"), "invocationEndpoint")


@RES_068.on("aws:cloudwatch/eventEndpoint:EventEndpoint")
def global_endpoint_stays_inside(endpoint: View, at: Context) -> Iterator[str]:
    for bus in endpoint.children("eventBuses"):
        yield from arn_faults(at, bus.required("eventBusArn"), "an event bus")
    failover = endpoint.need("routingConfig").need("failoverConfig").need("secondary")
    yield from region_faults(at, failover.required("route"), "the secondary region")
    replication = endpoint.child("replicationConfig")
    state = replication.text("state") if replication is not None else None
    if state not in (None, "ENABLED", "DISABLED"):
        raise UnknownValue(f"replicationConfig.state {state!r} is none that EventBridge has")


RES_069 = Rule("RES-069", remedy="Subscribe queues and functions of zone accounts, or list the endpoint in the zone.")
_ARN_PROTOCOLS = frozenset({"sqs", "lambda", "firehose"})
_OPEN_PROTOCOLS = frozenset({"email", "email-json", "sms", "application"})


@RES_069.on("aws:sns/topicSubscription:TopicSubscription")
def subscriber_is_inside(subscription: View, at: Context) -> Iterator[str]:
    protocol, endpoint = subscription.required("protocol"), subscription.required("endpoint")
    if protocol in _ARN_PROTOCOLS:
        yield from arn_faults(at, endpoint, "the subscriber")
    elif protocol in ("http", "https"):
        yield from endpoint_faults(at, endpoint, "the subscriber")
    elif protocol not in _OPEN_PROTOCOLS:
        raise UnknownValue(f"protocol {protocol!r} is none that SNS has")
    elif endpoint not in at.zone.notification_endpoints:
        # A mailbox or number is personal data: it stays out of the message.
        yield f"an {protocol} endpoint is subscribed that the zone does not list"
    yield from arn_faults(at, subscription.text("topic"), "the topic")


@RES_069.on("aws:sns/topic:Topic", "aws:sns/topicPolicy:TopicPolicy", "aws:sqs/queuePolicy:QueuePolicy")
def message_policy_names_the_zone_only(holder: View, at: Context) -> Iterator[str]:
    yield from _policy_faults(holder, at)


@RES_069.on("aws:sqs/queue:Queue")
def queue_names_the_zone_only(queue: View, at: Context) -> Iterator[str]:
    yield from _policy_faults(queue, at)
    if redrive := queue.value("redrivePolicy"):
        yield from _dead_letter_faults(redrive, at)


@RES_069.on("aws:sqs/redrivePolicy:RedrivePolicy")
def redrive_target_is_of_the_zone(redrive: View, at: Context) -> Iterator[str]:
    yield from _dead_letter_faults(redrive.required("redrivePolicy"), at)


def _dead_letter_faults(redrive: object, at: Context) -> Iterator[str]:
    target = json_object(redrive, "redrivePolicy").get("deadLetterTargetArn")
    if not isinstance(target, str):
        raise UnknownValue("redrivePolicy names no deadLetterTargetArn")
    yield from arn_faults(at, target, "the dead-letter queue")


def _policy_faults(holder: View, at: Context) -> Iterator[str]:
    policy = holder.value("policy")
    for statement in statements(policy, "policy") if policy else ():
        if statement.allows:
            yield from principal_faults(statement, at, _is_limited)


def _is_limited(statement: Statement, at: Context) -> bool:
    if statement.condition("aws:PrincipalOrgID", "StringEquals") == (at.zone.organization_id,):
        return True
    for key in ("aws:SourceOwner", "aws:SourceAccount", "aws:PrincipalAccount"):
        accounts = statement.condition(key, "StringEquals")
        if accounts is not None:
            return all(map(at.zone.has_account, accounts))
    sources = statement.condition("aws:SourceArn", "ArnEquals", "ArnLike", "StringEquals")
    parsed = [parse_arn(source) for source in sources or ()]
    return bool(parsed) and all(arn is not None and at.zone.has_account(arn.account) for arn in parsed)


RES_070 = Rule("RES-070", remedy="Copy foundation models of a zone region; deny inference profiles by policy.")
_INVOKE = "bedrock:InvokeModel"


@RES_070.on("aws:bedrock/inferenceProfile:InferenceProfile")
def models_answer_in_their_region(profile: View, at: Context) -> Iterator[str]:
    source = profile.need("modelSource").required("copyFrom")
    arn = parse_arn(source)
    if arn is None:
        raise UnknownValue(f"modelSource.copyFrom {source!r} is not an ARN")
    yield from region_faults(at, arn.region, "the model's region")
    if not arn.resource.startswith("foundation-model/"):
        yield f"the profile copies {arn.resource}, which answers in several regions"


@RES_070.on("aws:bedrockmodel/invocationLoggingConfiguration:InvocationLoggingConfiguration")
def prompts_are_logged_inside(configuration: View, at: Context) -> Iterator[str]:
    logging = configuration.need("loggingConfig")
    if (bucket := logging.child("s3Config")) is not None:
        yield from bucket_faults(at, bucket.required("bucketName"), "the invocation log")
    if (group := logging.child("cloudwatchConfig")) is not None:
        group.required("logGroupName")  # of the configuration's own account and region
        if (large := group.child("largeDataDeliveryS3Config")) is not None:
            yield from bucket_faults(at, large.required("bucketName"), "the log of large prompts")


@RES_070.on("aws:iam/policy:Policy", "aws:iam/rolePolicy:RolePolicy")
def nobody_is_allowed_cross_region_inference(policy: View, at: Context) -> Iterator[str]:
    document = statements(policy.value("policy"), "policy")
    denied = any(statement.denies and _covers_profiles(statement) for statement in document)
    for statement in document:
        named = any(action.lower().startswith("bedrock:") for action in statement.actions)
        if statement.allows and named and _covers_profiles(statement) and not denied:
            yield "a statement allows models to be invoked through inference profiles of several regions"


def _covers_profiles(statement: Statement) -> bool:
    reached = ("*" in statement.resources) or any(
        ":inference-profile/" in resource or resource.endswith(":bedrock:*") for resource in statement.resources
    )
    return reached and statement.covers(_INVOKE)


@RES_070.whole(Stage.PLAN, Stage.STATE, Stage.LIVE)
def organization_denies_cross_region_inference(at: Context) -> Iterator[Verdict]:
    policies = list(at.graph.of_type("aws:organizations/policy:Policy"))
    for policy in policies:
        document = statements(at.view(policy).value("content"), "content")
        if any(s.denies and _covers_profiles(s) and not s.conditions for s in document):
            yield Verdict(policy.id, [])
            return
    # The policy lies in the organization's account: other accounts' graphs do not hold it.
    if policies:
        yield Verdict("organization", [f"no policy of the organization denies {_INVOKE} on inference profiles"])
