"""Databases: snapshots, replicas, witnesses and connections of managed databases stay in the zone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.graph import Resource
from policies.places import account_faults, arn_faults, bucket_faults, copy_faults, kms_faults, region_faults
from policies.rule import Context, NotJudged, Rule
from policies.view import UnknownValue, View

_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9-]*$")

RES_022 = Rule("RES-022", remedy="Copy to a zone region, share with zone accounts, export to a zone bucket.")
_SNAPSHOT_COPIES = ("aws:rds/snapshotCopy:SnapshotCopy", "aws:rds/clusterSnapshotCopy:ClusterSnapshotCopy")


@RES_022.on(*_SNAPSHOT_COPIES)
def database_snapshots_are_copied_inside(copy: View, at: Context) -> Iterator[str]:
    yield from copy_faults(at, copy.text("destinationRegion"), copy, "kmsKeyId", "the copy")


@RES_022.on(*_SNAPSHOT_COPIES, "aws:rds/snapshot:Snapshot", "aws:rds/clusterSnapshot:ClusterSnapshot")
def database_snapshots_are_shared_inside(snapshot: View, at: Context) -> Iterator[str]:
    for account in snapshot.texts("sharedAccounts"):
        if account == "all":
            yield "everyone may restore the snapshot"
        else:
            yield from account_faults(at, account, "the snapshot's receiver")


@RES_022.on("aws:rds/exportTask:ExportTask")
def database_exports_go_to_the_zone(task: View, at: Context) -> Iterator[str]:
    yield from bucket_faults(at, task.required("s3BucketName"), "the export")
    yield from kms_faults(at, task.text("kmsKeyId"), "the export's key")


RES_023 = Rule("RES-023", remedy="Stop the replication, or run it between zone regions under a key of the target.")


@RES_023.located("aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication")
def backups_replicate_inside(replication: Resource, at: Context) -> Iterator[str]:
    yield from copy_faults(at, at.region(replication), at.view(replication), "kmsKeyId", "the backups' replica")


@RES_023.on("aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication")
def replicated_database_is_inside(replication: View, at: Context) -> Iterator[str]:
    yield from arn_faults(at, replication.required("sourceDbInstanceArn"), "the replicated database")


@RES_023.located("aws:rds/instance:Instance")
def replica_and_its_source_are_inside(instance: Resource, at: Context) -> Iterator[str]:
    view = at.view(instance)
    yield from region_faults(at, at.region(instance), "the database's region")
    source = view.text("replicateSourceDb")
    if source and source.startswith("arn:"):
        yield from arn_faults(at, source, "the replica's source")
    elif source and not _NAME.match(source):
        raise UnknownValue(f"replicateSourceDb {source!r} is neither an ARN nor a name")
    target = view.text("backupTarget")
    if target == "outposts":
        yield "backups are kept on an Outpost"
    elif target not in (None, "", "region"):
        raise UnknownValue(f"backupTarget {target!r} is none that RDS has")


@RES_023.located("aws:rds/cluster:Cluster")
def cluster_and_its_source_are_inside(cluster: Resource, at: Context) -> Iterator[str]:
    yield from region_faults(at, at.region(cluster), "the cluster's region")
    yield from arn_faults(at, at.view(cluster).text("replicationSourceIdentifier"), "the cluster's source")


RES_024 = Rule("RES-024", remedy="Remove the member or witness outside the zone from the global cluster.")
_RDS_LIKE = (
    "aws:rds/globalCluster:GlobalCluster",
    "aws:docdb/globalCluster:GlobalCluster",
    "aws:neptune/globalCluster:GlobalCluster",
)
_GLOBAL = {
    "aws:elasticache/globalReplicationGroup:GlobalReplicationGroup": "primaryReplicationGroupId",
    "aws:memorydb/multiRegionCluster:MultiRegionCluster": "multiRegionClusterNameSuffix",
}
_MEMBERS = {
    "aws:rds/cluster:Cluster": "globalClusterIdentifier",
    "aws:elasticache/replicationGroup:ReplicationGroup": "globalReplicationGroupId",
    "aws:memorydb/cluster:Cluster": "multiRegionClusterName",
}


@RES_024.on(*_RDS_LIKE)
def global_cluster_has_zone_members_only(cluster: View, at: Context) -> Iterator[str]:
    source = cluster.text("sourceDbClusterIdentifier")
    if source and not _NAME.match(source):
        yield from arn_faults(at, source, "the primary cluster")
    for member in cluster.children("globalClusterMembers"):
        yield from arn_faults(at, member.required("dbClusterArn"), "a member of the global cluster")


@RES_024.located(*_GLOBAL)
def global_group_is_governed_inside(group: Resource, at: Context) -> Iterator[str]:
    at.view(group).required(_GLOBAL[group.type])
    yield from region_faults(at, at.region(group), "the region of the global group")


@RES_024.located(*_MEMBERS)
def member_of_a_global_cluster_is_inside(cluster: Resource, at: Context) -> Iterator[str]:
    if not at.view(cluster).text(_MEMBERS[cluster.type]):
        raise NotJudged
    yield from region_faults(at, at.region(cluster), "the region of a member of a global cluster")


@RES_024.on("aws:dsql/clusterPeering:ClusterPeering")
def peered_clusters_are_inside(peering: View, at: Context) -> Iterator[str]:
    yield from _dsql_faults(peering, at)


@RES_024.on("aws:dsql/cluster:Cluster")
def witness_is_inside(cluster: View, at: Context) -> Iterator[str]:
    if (properties := cluster.child("multiRegionProperties")) is not None:
        yield from _dsql_faults(properties, at)


def _dsql_faults(view: View, at: Context) -> Iterator[str]:
    for arn in view.texts("clusters"):
        yield from arn_faults(at, arn, "a peered cluster")
    yield from region_faults(at, view.text("witnessRegion"), "witnessRegion")


RES_025 = Rule("RES-025", remedy="Remove the replica or witness outside the zone; export to a zone bucket.")


@RES_025.on("aws:dynamodb/table:Table")
def table_replicates_inside(table: View, at: Context) -> Iterator[str]:
    for replica in table.children("replicas"):
        yield from copy_faults(at, replica.required("regionName"), replica, "kmsKeyArn", "a replica")
    if (witness := table.child("globalTableWitness")) is not None:
        yield from region_faults(at, witness.required("regionName"), "the witness region")


@RES_025.located("aws:dynamodb/tableReplica:TableReplica")
def replica_lies_inside(replica: Resource, at: Context) -> Iterator[str]:
    yield from copy_faults(at, at.region(replica), at.view(replica), "kmsKeyArn", "the replica")


@RES_025.on("aws:dynamodb/tableReplica:TableReplica")
def replicated_table_is_inside(replica: View, at: Context) -> Iterator[str]:
    yield from arn_faults(at, replica.required("globalTableArn"), "the replicated table")


@RES_025.on("aws:dynamodb/globalTable:GlobalTable")
def old_global_table_replicates_inside(table: View, at: Context) -> Iterator[str]:
    for replica in table.children("replicas"):
        yield from region_faults(at, replica.required("regionName"), "a replica's region")


@RES_025.on("aws:dynamodb/tableExport:TableExport")
def tables_are_exported_inside(export: View, at: Context) -> Iterator[str]:
    yield from arn_faults(at, export.required("tableArn"), "the exported table")
    yield from bucket_faults(at, export.required("s3Bucket"), "the export")
    yield from account_faults(at, export.text("s3BucketOwner"), "the owner of the export's bucket")


RES_026 = Rule("RES-026", remedy="Copy warehouse snapshots to a zone region with a copy grant for a key there.")


@RES_026.on("aws:redshift/snapshotCopy:SnapshotCopy")
def warehouse_snapshots_are_copied_inside(copy: View, at: Context) -> Iterator[str]:
    yield from region_faults(at, copy.required("destinationRegion"), "destinationRegion")
    grant = copy.text("snapshotCopyGrantName")
    if not grant:
        yield "the copy has no grant for a key of the zone, so an AWS-managed key encrypts it"
    elif not _NAME.match(grant):
        raise UnknownValue(f"snapshotCopyGrantName {grant!r} is not a name")


RES_027 = Rule("RES-027", remedy="Connect to search domains of zone accounts in zone regions only.")


@RES_027.on("aws:opensearch/outboundConnection:OutboundConnection")
def search_connections_stay_inside(connection: View, at: Context) -> Iterator[str]:
    for side in ("localDomainInfo", "remoteDomainInfo"):
        domain = connection.need(side)
        yield from region_faults(at, domain.required("region"), f"the region in {side}")
        yield from account_faults(at, domain.required("ownerId"), f"the owner in {side}")
    mode = connection.text("connectionMode")
    if mode not in (None, "DIRECT", "VPC_ENDPOINT"):
        raise UnknownValue(f"connectionMode {mode!r} is none that OpenSearch has")
