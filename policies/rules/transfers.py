"""Transfers: tasks, streams, registries and backups that carry data to a destination of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.graph import Resource
from policies.places import account_faults, arn_faults, bucket_faults, endpoint_faults, region_faults
from policies.relations import children_of
from policies.rule import Context, Rule
from policies.view import UnknownValue, View

RES_017 = Rule("RES-017", remedy="Use locations that are buckets, file systems and servers of the zone.")
_SERVERS = (
    "aws:datasync/nfsLocation:NfsLocation",
    "aws:datasync/locationSmb:LocationSmb",
    "aws:datasync/locationObjectStorage:LocationObjectStorage",
)
_LOCATIONS = (
    "aws:datasync/s3Location:S3Location",
    "aws:datasync/efsLocation:EfsLocation",
    "aws:datasync/locationAzureBlob:LocationAzureBlob",
    *_SERVERS,
)


@RES_017.on("aws:datasync/s3Location:S3Location")
def bucket_location_is_inside(location: View, at: Context) -> Iterator[str]:
    yield from bucket_faults(at, location.required("s3BucketArn"), "the location's bucket")


@RES_017.on("aws:datasync/efsLocation:EfsLocation")
def file_system_location_is_inside(location: View, at: Context) -> Iterator[str]:
    yield from arn_faults(at, location.required("efsFileSystemArn"), "the location's file system")


@RES_017.on(*_SERVERS)
def server_location_is_inside(location: View, at: Context) -> Iterator[str]:
    yield from endpoint_faults(at, location.required("serverHostname"), "the location's server")


@RES_017.on("aws:datasync/locationAzureBlob:LocationAzureBlob")
def blob_location_is_inside(location: View, at: Context) -> Iterator[str]:
    yield from endpoint_faults(at, location.required("containerUrl"), "the location's container")


@RES_017.on("aws:datasync/task:Task")
def task_runs_inside(task: View, at: Context) -> Iterator[str]:
    for name in ("sourceLocationArn", "destinationLocationArn"):
        yield from arn_faults(at, task.required(name), name)


@RES_017.related("aws:datasync/task:Task")
def storage_behind_the_task_is_known(task: Resource, at: Context) -> Iterator[str]:
    known = {location.physical_id for location in at.graph.of_type(*_LOCATIONS)}
    for name in ("sourceLocationArn", "destinationLocationArn"):
        if at.view(task).required(name) not in known:
            raise UnknownValue(f"the storage behind {name} is not known: the location is in no stack or listing")
    yield from ()


RES_028 = Rule("RES-028", remedy="Copy recovery points to vaults of zone accounts in zone regions only.")


@RES_028.on("aws:backup/plan:Plan")
def backups_are_copied_inside(plan: View, at: Context) -> Iterator[str]:
    for rule in plan.children("rules"):
        rule.required("targetVaultName")  # a vault of the plan's own account and region
        for copy in rule.children("copyActions"):
            yield from arn_faults(at, copy.required("destinationVaultArn"), "a copy's vault")
        air_gapped = rule.text("targetLogicallyAirGappedBackupVaultArn")
        yield from arn_faults(at, air_gapped, "the air-gapped vault")


@RES_028.on("aws:backup/globalSettings:GlobalSettings")
def copies_between_accounts_have_a_receiver_inside(settings: View, at: Context) -> Iterator[str]:
    if settings.need("globalSettings").flag("isCrossAccountBackupEnabled") and len(at.zone.accounts) < 2:
        yield "backups may be copied to other accounts, and the zone has no other account"


RES_029 = Rule("RES-029", remedy="Deliver streams to buckets, clusters and collectors of the zone.")
_FIREHOSE = {
    "extended_s3": ("extendedS3Configuration", ("bucketArn",)),
    "http_endpoint": ("httpEndpointConfiguration", ("url",)),
    "splunk": ("splunkConfiguration", ("hecEndpoint",)),
    "snowflake": ("snowflakeConfiguration", ("accountUrl",)),
    "opensearch": ("opensearchConfiguration", ("domainArn", "clusterEndpoint")),
    "elasticsearch": ("elasticsearchConfiguration", ("domainArn", "clusterEndpoint")),
    "opensearchserverless": ("opensearchserverlessConfiguration", ("collectionEndpoint",)),
    "redshift": ("redshiftConfiguration", ("clusterJdbcurl",)),
    "iceberg": ("icebergConfiguration", ("catalogArn",)),
}
"""Destination kind -> the property that configures it, and the names of where it leads, one of which is set."""


@RES_029.on("aws:msk/replicator:Replicator")
def topics_replicate_inside(replicator: View, at: Context) -> Iterator[str]:
    for cluster in replicator.children("kafkaClusters"):
        if (managed := cluster.child("amazonMskCluster")) is not None:
            yield from arn_faults(at, managed.required("mskClusterArn"), "a replicated cluster")
        if (own := cluster.child("apacheKafkaCluster")) is not None:
            for broker in own.required("bootstrapBrokerString").split(","):
                yield from endpoint_faults(at, broker.strip(), "a broker")
    pair = replicator.need("replicationInfoList")
    for name in ("sourceKafkaClusterArn", "targetKafkaClusterArn"):
        yield from arn_faults(at, pair.required(name), name)


@RES_029.on("aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream")
def stream_is_delivered_inside(stream: View, at: Context) -> Iterator[str]:
    for name, attributes in _FIREHOSE.values():
        if (configuration := stream.child(name)) is not None:
            yield from _delivery_faults(configuration, attributes, at)
    destination = stream.required("destination")
    if destination not in _FIREHOSE:
        raise UnknownValue(f"destination {destination!r} is none that Firehose has")
    stream.need(_FIREHOSE[destination][0])


def _delivery_faults(configuration: View, attributes: tuple[str, ...], at: Context) -> Iterator[str]:
    targets = {name: target for name in attributes if (target := configuration.text(name))}
    if not targets:
        raise UnknownValue(f"none of {', '.join(attributes)} is set")
    for name, target in targets.items():
        judge = arn_faults if name.endswith("Arn") else endpoint_faults
        yield from judge(at, target, f"{name} of the delivery")


RES_030 = Rule("RES-030", remedy="Replicate to zone accounts and regions; cache from the zone's own registry only.")
_REGISTRY = re.compile(r"^(\d{12})\.dkr\.ecr\.")


@RES_030.on("aws:ecr/replicationConfiguration:ReplicationConfiguration")
def registry_replicates_inside(replication: View, at: Context) -> Iterator[str]:
    configuration = replication.need("replicationConfiguration")
    for rule in configuration.children("rules"):
        for destination in rule.children("destinations"):
            yield from region_faults(at, destination.required("region"), "the replica registry's region")
            yield from account_faults(at, destination.required("registryId"), "the replica registry")


@RES_030.on("aws:ecr/pullThroughCacheRule:PullThroughCacheRule")
def cache_pulls_from_the_zone(rule: View, at: Context) -> Iterator[str]:
    upstream = rule.required("upstreamRegistryUrl")
    yield from endpoint_faults(at, upstream, f"the upstream of {rule.text('ecrRepositoryPrefix') or 'the cache'}")
    if (registry := _REGISTRY.match(upstream)) is not None:
        yield from account_faults(at, registry.group(1), "the upstream registry")


HRD_013 = Rule(
    "HRD-013", remedy="Lock the vault with changeableForDays and at least the zone's retention, in a zone region."
)


@HRD_013.related("aws:backup/vault:Vault")
def vault_is_locked_for_good(vault: Resource, at: Context) -> Iterator[str]:
    yield from region_faults(at, at.region(vault), "the vault's region")
    kind = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
    locks = children_of(vault, at, "backupVaultName", kind)
    if not locks:
        yield "the vault has no lock"
    for lock in locks:
        if not lock.number("changeableForDays"):
            yield "the lock has no changeableForDays, which is governance mode: an administrator can remove it"
        days, wanted = lock.number("minRetentionDays") or 0, at.zone.evidence_retention_days
        if days < wanted:
            yield f"minRetentionDays is {days}, the zone demands {wanted}"


@HRD_013.on("aws:backup/vault:Vault")
def vault_is_encrypted_with_a_zone_key(vault: View, at: Context) -> Iterator[str]:
    if (key := vault.text("kmsKeyArn")) is None:
        yield "the vault has no key of the zone"
    yield from arn_faults(at, key, "the vault's key")
