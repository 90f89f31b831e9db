"""Copies of disks, images, buckets and file systems: what takes data to another place on a timetable or on request."""

from __future__ import annotations

from collections.abc import Iterator

from policies.graph import Resource
from policies.outcomes import Stage
from policies.places import account_faults, arn_faults, bucket_faults, copy_faults, parse_arn, region_faults
from policies.rule import Context, Rule, Verdict
from policies.view import UnknownValue, View

RES_011 = Rule("RES-011", remedy="Remove buckets outside the zone from the access point, or the access point itself.")


@RES_011.on("aws:s3control/multiRegionAccessPoint:MultiRegionAccessPoint")
def access_point_joins_zone_buckets_only(point: View, at: Context) -> Iterator[str]:
    for member in point.need("details").children("regions"):
        bucket, region = member.required("bucket"), member.text("region")
        what = f"the region of bucket {bucket} behind the access point"
        if region:
            yield from region_faults(at, region, what)
        else:
            yield from bucket_faults(at, bucket, what)
        yield from account_faults(at, member.text("bucketAccountId"), f"the owner of bucket {bucket}")


RES_014 = Rule("RES-014", remedy="Send bucket events to queues, topics and functions of zone accounts in zone regions.")
_NOTIFIED = {"topics": "topicArn", "queues": "queueArn", "lambdaFunctions": "lambdaFunctionArn"}


@RES_014.on("aws:s3/bucketNotification:BucketNotification")
def bucket_events_stay_in_the_zone(notification: View, at: Context) -> Iterator[str]:
    for kind, name in _NOTIFIED.items():
        for target in notification.children(kind):
            yield from arn_faults(at, target.required(name), f"{name} of the notification")
    notification.flag("eventbridge")  # the account's own event bus: RES-068 judges where that leads


RES_015 = Rule("RES-015", remedy="Replicate to a table bucket of a zone account in a zone region.")


@RES_015.on(
    "aws:s3tables/tableBucketReplication:TableBucketReplication", "aws:s3tables/tableReplication:TableReplication"
)
def tables_replicate_inside(replication: View, at: Context) -> Iterator[str]:
    for destination in replication.need("rule").children("destinations"):
        arn = destination.required("destinationTableBucketArn")
        yield from arn_faults(at, arn, "the destination table bucket")


RES_016 = Rule("RES-016", remedy="Replicate to a zone region under a key of that region, or delete the replication.")


@RES_016.on("aws:efs/replicationConfiguration:ReplicationConfiguration")
def file_systems_replicate_inside(replication: View, at: Context) -> Iterator[str]:
    destination = replication.need("destination")
    region, site = destination.text("region"), destination.text("availabilityZoneName")
    if not region and not site:
        raise UnknownValue("the destination names neither region nor Availability Zone")
    if site and site not in at.zone.availability_zones:
        yield f"the destination {site} is not an Availability Zone of zone {at.zone.name}"
    yield from copy_faults(at, region, destination, "kmsKeyId", "the copy")


RES_018 = Rule("RES-018", remedy="Delete the copy; copy snapshots between zone regions, under a key of the target.")


@RES_018.located("aws:ebs/snapshotCopy:SnapshotCopy")
def snapshot_copy_stays_inside(copy: Resource, at: Context) -> Iterator[str]:
    yield from copy_faults(at, at.region(copy), at.view(copy), "kmsKeyId", "the copy")


@RES_018.on("aws:ebs/snapshotCopy:SnapshotCopy")
def copied_snapshot_lies_inside(copy: View, at: Context) -> Iterator[str]:
    yield from region_faults(at, copy.required("sourceRegion"), "the source region")


@RES_018.located("aws:ebs/snapshot:Snapshot")
def snapshot_lies_inside(snapshot: Resource, at: Context) -> Iterator[str]:
    yield from region_faults(at, at.region(snapshot), "the snapshot's region")


RES_019 = Rule("RES-019", remedy="Name zone regions, zone accounts and zone buckets in image copies and distributions.")


@RES_019.located("aws:ec2/amiCopy:AmiCopy")
def image_copy_stays_inside(copy: Resource, at: Context) -> Iterator[str]:
    view = at.view(copy)
    yield from region_faults(at, at.region(copy), "the copy's region")
    yield from region_faults(at, view.required("sourceAmiRegion"), "the image's source region")
    if outpost := view.text("destinationOutpostArn"):
        yield f"the image is copied to {outpost}"


@RES_019.on("aws:imagebuilder/distributionConfiguration:DistributionConfiguration")
def images_are_distributed_inside(configuration: View, at: Context) -> Iterator[str]:
    for distribution in configuration.children("distributions"):
        yield from region_faults(at, distribution.required("region"), "a distribution's region")
        if (image := distribution.child("amiDistributionConfiguration")) is not None:
            for account in image.texts("targetAccountIds"):
                yield from account_faults(at, account, "a receiver of the image")
        if (export := distribution.child("s3ExportConfiguration")) is not None:
            yield from bucket_faults(at, export.required("s3Bucket"), "the image export")


RES_021 = Rule("RES-021", remedy="Name zone regions as copy targets, with a key there; share with zone accounts only.")


@RES_021.on("aws:dlm/lifecyclePolicy:LifecyclePolicy")
def lifecycle_policy_copies_inside(policy: View, at: Context) -> Iterator[str]:
    details = policy.need("policyDetails")
    for schedule in details.children("schedules"):
        for rule in schedule.children("crossRegionCopyRules"):
            target = rule.text("target") or rule.text("targetRegion")
            yield from _snapshot_copy_faults(at, target, rule)
        if (share := schedule.child("shareRule")) is not None:
            for account in share.texts("targetAccounts"):
                yield from account_faults(at, account, "a snapshot's receiver")
    action = details.child("action")
    for copy in action.children("crossRegionCopies") if action is not None else ():
        yield from _snapshot_copy_faults(at, copy.text("target"), copy.child("encryptionConfiguration"))


def _snapshot_copy_faults(at: Context, target: str | None, encryption: View | None) -> Iterator[str]:
    if not target:
        raise UnknownValue("a copy rule names no target")
    if (arn := parse_arn(target)) is not None:
        yield f"snapshots are copied to {arn.resource} of {arn.region}, an Outpost"
        return
    yield from copy_faults(at, target, encryption, "cmkArn", "a snapshot's copy")


@RES_021.whole(Stage.LIVE)
def default_policies_copy_inside(at: Context) -> Iterator[Verdict]:
    for policy in at.facts.need("live").need("dlm").children("default_policies"):
        targets = policy.texts("cross_region_copy_targets")
        faults = [fault for target in targets for fault in region_faults(at, target, "a copy target")]
        yield Verdict(f"dlm/{policy.required('id')}", faults, targets)
