"""Hardening of cloud settings: filters, buckets, keys, trails, flow logs and tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from policies.documents import Statement, statements
from policies.graph import Resource
from policies.places import kms_faults
from policies.relations import children_of
from policies.rule import Context, NotJudged, Rule
from policies.view import UnknownValue, View

_ANYWHERE = frozenset({"0.0.0.0/0", "::/0"})
_BUCKET = "aws:s3/bucket:Bucket"
_VPC = "aws:ec2/vpc:Vpc"

HRD_004 = Rule("HRD-004", remedy="Name a zone CIDR, a prefix list or another security group as the source.")


@HRD_004.on("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
def ingress_is_not_open(rule: View, at: Context) -> Iterator[str]:
    yield from _open_faults([rule.text("cidrIpv4"), rule.text("cidrIpv6")])


@HRD_004.on("aws:ec2/securityGroup:SecurityGroup")
def inline_ingress_is_not_open(group: View, at: Context) -> Iterator[str]:
    for rule in group.children("ingress"):
        yield from _open_faults([*rule.texts("cidrBlocks"), *rule.texts("ipv6CidrBlocks")])


@HRD_004.on("aws:ec2/securityGroupRule:SecurityGroupRule")
def attached_ingress_is_not_open(rule: View, at: Context) -> Iterator[str]:
    direction = rule.required("type")
    if direction not in ("ingress", "egress"):
        raise UnknownValue(f"type is {direction}, neither ingress nor egress")
    if direction == "ingress":
        yield from _open_faults([*rule.texts("cidrBlocks"), *rule.texts("ipv6CidrBlocks")])


def _open_faults(sources: list[str | None]) -> Iterator[str]:
    for source in sources:
        # Two halves, or any other very wide block, are the internet just as well.
        if source and (source in _ANYWHERE or int(source.rpartition("/")[2] or 128) < 8):
            yield f"ingress is open to {source}"


HRD_005 = Rule("HRD-005", remedy="Manage the VPC's default security group with empty ingress and egress.")
_DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
_GROUP_RULES = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:ec2/securityGroupRule:SecurityGroupRule",
)


@HRD_005.on(_DEFAULT_GROUP)
def default_group_is_empty(group: View, at: Context) -> Iterator[str]:
    for direction in ("ingress", "egress"):
        if list(group.children(direction)):
            yield f"the default group has {direction} rules"


@HRD_005.related(_DEFAULT_GROUP)
def no_rule_is_added_to_the_default_group(group: Resource, at: Context) -> Iterator[str]:
    for kind in sorted(at.graph.types.intersection(_GROUP_RULES)):
        for _ in children_of(group, at, "securityGroupId", kind):
            yield f"a {kind.rpartition(':')[2]} is added to the default group"
    owners = {owner for kind in _GROUP_RULES for owner in at.graph.owned(kind, "securityGroupId")[0]}
    for owner in sorted(owners):
        if not owner.startswith("sg-"):
            raise UnknownValue(f"securityGroupId {owner!r} is not a security group")


@HRD_005.related(_VPC)
def default_group_is_managed(vpc: Resource, at: Context) -> Iterator[str]:
    if not children_of(vpc, at, "vpcId", _DEFAULT_GROUP):
        yield "the VPC's default security group is not managed"


HRD_006 = Rule(
    "HRD-006",
    remedy="Set all four public access blocks, deny requests without TLS, encrypt with aws:kms, enable versioning.",
)


@HRD_006.related(_BUCKET)
def bucket_blocks_public_access(bucket: Resource, at: Context) -> Iterator[str]:
    blocks = children_of(bucket, at, "bucket", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
    if not blocks:
        yield "the bucket has no public access block"
    for block in blocks:
        for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
            if block.flag(name) is not True:
                yield f"{name} is not true"


@HRD_006.related(_BUCKET)
def bucket_requires_tls(bucket: Resource, at: Context) -> Iterator[str]:
    policies = children_of(bucket, at, "bucket", "aws:s3/bucketPolicy:BucketPolicy")
    documents = [statements(policy.value("policy"), "policy") for policy in policies]
    every = [statement for document in documents for statement in document]
    if not any(_denies_plain_requests(statement) for statement in every):
        yield "no statement denies requests without aws:SecureTransport"
    if any(s.allows and ("AWS", "*") in s.principals and not s.conditions for s in every):
        yield "the bucket policy allows principal * without a condition"


def _denies_plain_requests(statement: Statement) -> bool:
    return (
        statement.denies
        and ("AWS", "*") in statement.principals
        and statement.condition("aws:SecureTransport", "Bool") == ("false",)
        and statement.covers("s3:GetObject")
        and statement.covers("s3:PutObject")
    )


@HRD_006.related(_BUCKET)
def bucket_is_encrypted_with_kms(bucket: Resource, at: Context) -> Iterator[str]:
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    algorithms = set()
    for configuration in children_of(bucket, at, "bucket", kind):
        for rule in configuration.children("rules"):
            by_default = rule.child("applyServerSideEncryptionByDefault")
            algorithms.add(by_default.text("sseAlgorithm") if by_default is not None else None)
    if not algorithms or not algorithms <= {"aws:kms", "aws:kms:dsse"}:
        yield "the bucket is not encrypted with aws:kms"


@HRD_006.related(_BUCKET)
def bucket_keeps_versions(bucket: Resource, at: Context) -> Iterator[str]:
    settings = children_of(bucket, at, "bucket", "aws:s3/bucketVersioning:BucketVersioning")
    states = [setting.need("versioningConfiguration").text("status") for setting in settings]
    if states != ["Enabled"]:
        yield f"versioning is {states[0] if states else 'not set'}"


HRD_007 = Rule("HRD-007", remedy="Lock the bucket in COMPLIANCE mode for at least the zone's retention time.")
_KEPT = re.compile(r"(?:^|[-_.])(evidence|logs?|trail|audit)(?:$|[-_.])")


@HRD_007.related(_BUCKET)
def kept_bucket_is_locked(bucket: Resource, at: Context) -> Iterator[str]:
    kind = _KEPT.search(bucket.name) or _KEPT.search(str(bucket.properties.get("bucket")))
    if kind is None:
        raise NotJudged
    wanted = at.zone.evidence_retention_days if kind.group(1) == "evidence" else at.zone.log_retention_days
    locks = children_of(bucket, at, "bucket", "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration")
    if not locks:
        yield "the bucket has no Object Lock configuration"
    for lock in locks:
        rule = lock.child("rule")
        retention = rule.child("defaultRetention") if rule is not None else None
        if lock.text("objectLockEnabled") not in (None, "Enabled") or retention is None:
            yield "the bucket has no default retention"
        else:
            yield from _retention_faults(retention, wanted)


def _retention_faults(retention: View, wanted: int) -> Iterator[str]:
    if retention.text("mode") != "COMPLIANCE":
        yield f"the retention mode is {retention.text('mode')}"
    days = retention.number("days") or 365 * (retention.number("years") or 0)
    if days < wanted:
        yield f"the retention is {days} days, the zone demands {wanted}"


HRD_008 = Rule("HRD-008", remedy="Set enableKeyRotation to true and deletionWindowInDays to 30.")


@HRD_008.on("aws:kms/key:Key")
def key_rotates_and_can_be_kept(key: View, at: Context) -> Iterator[str]:
    spec, store = key.text("customerMasterKeySpec") or "SYMMETRIC_DEFAULT", key.text("customKeyStoreId")
    if not spec.startswith(("SYMMETRIC_DEFAULT", "RSA_", "ECC_", "HMAC_", "SM2", "ML_DSA_")):
        raise UnknownValue(f"customerMasterKeySpec {spec} is none that KMS has")
    if store and not store.startswith("cks-"):
        raise UnknownValue(f"customKeyStoreId {store} is not a key store")
    if spec == "SYMMETRIC_DEFAULT" and not store and key.flag("enableKeyRotation") is not True:
        yield "enableKeyRotation is not true"
    # The API knows the window only once a deletion is scheduled: absent there, none is.
    window = key.number("deletionWindowInDays")
    if window not in (None, 30):
        yield f"deletionWindowInDays is {window}, not 30"


HRD_009 = Rule(
    "HRD-009", remedy="Log read and write management events of all sources, with file validation and a KMS key."
)


@HRD_009.on("aws:cloudtrail/trail:Trail")
def trail_is_whole_and_sealed(trail: View, at: Context) -> Iterator[str]:
    if trail.flag("enableLogging") is False:
        yield "the trail does not log"
    if trail.flag("enableLogFileValidation") is not True:
        yield "log file validation is off"
    key = trail.text("kmsKeyId")
    if not key:
        yield "the trail has no KMS key"
    yield from kms_faults(at, key, "the trail's key")
    for selector in trail.children("eventSelectors"):
        if selector.flag("includeManagementEvents") is False or selector.text("readWriteType") not in (None, "All"):
            yield "the trail leaves out management events"
        if excluded := selector.texts("excludeManagementEventSources"):
            yield f"the trail excludes the events of {', '.join(excluded)}"
    for selector in trail.children("advancedEventSelectors"):
        fields = [field.text("field") for field in selector.children("fieldSelectors")]
        if {"readOnly", "eventSource"} & set(fields):
            yield "an advanced selector leaves out some management events"


HRD_010 = Rule("HRD-010", remedy="Add a flow log with trafficType ALL to the VPC.")


@HRD_010.related(_VPC)
def vpc_has_a_flow_log_of_all(vpc: Resource, at: Context) -> Iterator[str]:
    logs = children_of(vpc, at, "vpcId", "aws:ec2/flowLog:FlowLog")
    if not any(log.text("trafficType") == "ALL" for log in logs):
        yield "the VPC has no flow log of all traffic"


HRD_014 = Rule("HRD-014", remedy="Set each mandatory tag to a listed value, best by the provider's defaultTags.")
_PLACEHOLDERS = frozenset({"", "tbd", "todo", "none", "n/a", "unknown", "-", "?"})


@HRD_014.located()
def mandatory_tags_are_set(resource: Resource, at: Context) -> Iterator[str]:
    if resource.type not in taggable_types():
        raise NotJudged
    if not at.zone.tags:
        raise UnknownValue("the zone names no mandatory tags")
    tags = {**_default_tags(resource, at), **at.view(resource).mapping("tags")}
    for key, allowed in at.zone.tags.items():
        value = tags.get(key)
        if not isinstance(value, str | None):
            raise UnknownValue(f"tag {key} is not known yet")
        if value is None:
            yield f"tag {key} is missing"
        elif value.lower() in _PLACEHOLDERS or (allowed and value not in allowed):
            yield f"tag {key} has a value outside the vocabulary"


def _default_tags(resource: Resource, at: Context) -> dict[str, object]:
    if resource.provider is None:
        return {}
    defaults = at.view(resource.provider).child("defaultTags")
    return defaults.mapping("tags") if defaults is not None else {}


@cache
def taggable_types() -> frozenset[str]:
    """The types of the Pulumi AWS provider that have `tagsAll`; made by `tools/taggable.py`."""
    return frozenset(Path(__file__).parent.with_name("taggable.txt").read_text().split())
