"""Storage: copies, logs and shares of data at rest stay in the zone."""

from __future__ import annotations

from collections.abc import Iterator

from policies.places import account_faults, bucket_faults, kms_faults
from policies.rule import Context, Rule
from policies.view import View

RES_010 = Rule(
    "RES-010",
    remedy="Replicate to a bucket of a zone region that a zone account owns, under a KMS key of that region, "
    "or remove the replication rule.",
)


@RES_010.on("aws:s3/bucketReplicationConfig:BucketReplicationConfig")
def replication_stays_in_the_zone(replication: View, at: Context) -> Iterator[str]:
    for rule in replication.children("rules"):
        destination = rule.need("destination")
        yield from bucket_faults(at, destination.required("bucket"), "the replication destination")
        yield from account_faults(at, destination.text("account"), "the replica's owner")
        if (encryption := destination.child("encryptionConfiguration")) is not None:
            yield from kms_faults(at, encryption.text("replicaKmsKeyId"), "the replica's key")


@RES_010.on("aws:s3/bucket:Bucket")
def inline_replication_stays_in_the_zone(bucket: View, at: Context) -> Iterator[str]:
    replication = bucket.child("replicationConfiguration")
    for rule in replication.children("rules") if replication is not None else ():
        destination = rule.need("destination")
        yield from bucket_faults(at, destination.required("bucket"), "the replication destination")
        yield from account_faults(at, destination.text("accountId"), "the replica's owner")
        yield from kms_faults(at, destination.text("replicaKmsKeyId"), "the replica's key")


RES_012 = Rule("RES-012", remedy="Deliver logs, inventories and exports to a log bucket of a zone region.")


@RES_012.on("aws:s3/bucketLogging:BucketLogging")
def access_logs_stay_in_the_zone(logging: View, at: Context) -> Iterator[str]:
    yield from bucket_faults(at, logging.required("targetBucket"), "the access log's target")


@RES_012.on("aws:s3/bucket:Bucket")
def inline_access_logs_stay_in_the_zone(bucket: View, at: Context) -> Iterator[str]:
    if (logging := bucket.child("logging")) is not None:
        yield from bucket_faults(at, logging.text("targetBucket"), "the access log's target")


@RES_012.on("aws:s3/inventory:Inventory")
def inventories_stay_in_the_zone(inventory: View, at: Context) -> Iterator[str]:
    bucket = inventory.need("destination").need("bucket")
    yield from bucket_faults(at, bucket.required("bucketArn"), "the inventory's destination")
    yield from account_faults(at, bucket.text("accountId"), "the inventory's owner")


@RES_012.on("aws:s3control/storageLensConfiguration:StorageLensConfiguration")
def storage_lens_exports_stay_in_the_zone(lens: View, at: Context) -> Iterator[str]:
    configuration = lens.need("storageLensConfiguration")
    for name in ("dataExport", "expandedPrefixesDataExport"):
        export = configuration.child(name)
        bucket = export.child("s3BucketDestination") if export is not None else None
        if bucket is not None:
            yield from bucket_faults(at, bucket.required("arn"), f"the destination of {name}")
            yield from account_faults(at, bucket.text("accountId"), f"the owner of {name}")


RES_013 = Rule("RES-013", remedy="Set the bucket's acceleration status to Suspended, or remove the setting.")


@RES_013.on("aws:s3/bucketAccelerateConfiguration:BucketAccelerateConfiguration")
def acceleration_is_suspended(acceleration: View, at: Context) -> Iterator[str]:
    if acceleration.required("status") != "Suspended":
        yield f"Transfer Acceleration is {acceleration.text('status')}: uploads enter at edge locations abroad"


@RES_013.on("aws:s3/bucket:Bucket")
def inline_acceleration_is_off(bucket: View, at: Context) -> Iterator[str]:
    if bucket.text("accelerationStatus") not in (None, "", "Suspended"):
        yield f"accelerationStatus is {bucket.text('accelerationStatus')}: uploads enter at edge locations abroad"


RES_020 = Rule("RES-020", remedy="Share images and snapshots with consortium accounts by number, never publicly.")


@RES_020.on("aws:ec2/amiLaunchPermission:AmiLaunchPermission")
def images_are_shared_inside(permission: View, at: Context) -> Iterator[str]:
    if permission.text("group"):
        yield f"group {permission.text('group')} may start the image"
    for name in ("organizationArn", "organizationalUnitArn"):
        if (arn := permission.text(name)) and at.zone.organization_id not in arn:
            yield f"{name} {arn} is not of organization {at.zone.organization_id}"
    yield from account_faults(at, permission.text("accountId"), "the image's user")


@RES_020.on("aws:ec2/snapshotCreateVolumePermission:SnapshotCreateVolumePermission")
def snapshots_are_shared_inside(permission: View, at: Context) -> Iterator[str]:
    account = permission.required("accountId")
    if account == "all":
        yield "everyone may make a volume of the snapshot"
    else:
        yield from account_faults(at, account, "the snapshot's user")


@RES_020.on("aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess")
def public_snapshots_are_blocked(block: View, at: Context) -> Iterator[str]:
    if block.required("state") != "block-all-sharing":
        yield f"snapshot block public access is {block.text('state')}, not block-all-sharing"
