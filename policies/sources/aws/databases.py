"""Managed databases: instances, clusters, global clusters, replicated backups, tables with replicas and exports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.graph import Resource
from policies.sources.aws.account import Account
from policies.sources.aws.listing import Listing

__all__ = ["COLLECTORS", "clusters", "instances", "replicated_backups", "tables"]

_SAME_API = ("docdb", "neptune")


def instances(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for database in account.pages("rds", region, "describe_db_instances", "DBInstances"):
        yield account.resource(
            "aws:rds/instance:Instance",
            database["DBInstanceIdentifier"],
            region,
            {
                "publiclyAccessible": database.flag("PubliclyAccessible"),
                "kmsKeyId": database["KmsKeyId?"],
                "deletionProtection": database.flag("DeletionProtection"),
                "replicateSourceDb": database["ReadReplicaSourceDBInstanceIdentifier?"],
                "backupTarget": database["BackupTarget?"],
            },
        )


def clusters(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for cluster in account.pages("rds", region, "describe_db_clusters", "DBClusters"):
        yield account.resource(
            "aws:rds/cluster:Cluster",
            cluster["DBClusterIdentifier"],
            region,
            {
                "kmsKeyId": cluster["KmsKeyId?"],
                "deletionProtection": cluster.flag("DeletionProtection"),
                "replicationSourceIdentifier": cluster["ReplicationSourceIdentifier?"] or None,
                "globalClusterIdentifier": cluster["GlobalClusterIdentifier?"],
            },
        )


def replicated_backups(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    """Backups of a database of another region: the receiving region lists them."""
    operation, key = "describe_db_instance_automated_backups", "DBInstanceAutomatedBackups"
    for backup in account.pages("rds", region, operation, key):
        if backup.text("Region") == region:
            continue
        yield account.resource(
            "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",
            str(backup["DBInstanceAutomatedBackupsArn?"] or backup["DbiResourceId"]),
            region,
            {"sourceDbInstanceArn": backup["DBInstanceArn"], "kmsKeyId": backup["KmsKeyId?"]},
        )


def _global_clusters(service: str) -> Any:
    kind = f"aws:{service}/globalCluster:GlobalCluster"

    def collect(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
        for cluster in account.pages(service, region, "describe_global_clusters", "GlobalClusters"):
            # One endpoint serves the three, and each names clusters of the others' engines too.
            engine = cluster.text("Engine")
            if engine.startswith(_SAME_API) and not engine.startswith(service):
                continue
            members = [{"dbClusterArn": each["DBClusterArn"]} for each in cluster.each("GlobalClusterMembers")]
            readers = [
                {"dbClusterArn": reader}
                for each in cluster.each("GlobalClusterMembers")
                for reader in each.texts("Readers?")
            ]
            properties = {"sourceDbClusterIdentifier": None, "globalClusterMembers": [*members, *readers]}
            yield account.resource(kind, cluster["GlobalClusterIdentifier"], region, properties)

    return collect


def dsql_clusters(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for each in account.pages("dsql", region, "list_clusters", "clusters"):
        found = account.ask("dsql", region, "get_cluster", identifier=each["identifier"])["multiRegionProperties?"]
        properties = found and {"clusters": found.texts("clusters"), "witnessRegion": found["witnessRegion?"]}
        yield account.resource(
            "aws:dsql/cluster:Cluster", each["identifier"], region, {"multiRegionProperties": properties}
        )


def tables(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for name in account.names("dynamodb", region, "list_tables", "TableNames"):
        table = account.ask("dynamodb", region, "describe_table", TableName=name)["Table"]
        witnesses = table.each("GlobalTableWitnesses?")
        replicas = [
            {"regionName": each["RegionName"], "kmsKeyArn": each["KMSMasterKeyId?"]} for each in table.each("Replicas?")
        ]
        key = table["SSEDescription?.KMSMasterKeyArn?"]
        properties = {
            "replicas": replicas,
            "globalTableWitness": {"regionName": witnesses[0]["RegionName"]} if witnesses else None,
            "serverSideEncryption": {"enabled": bool(key), "kmsKeyArn": key},
        }
        yield account.resource("aws:dynamodb/table:Table", name, region, properties)


def table_exports(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for each in account.pages("dynamodb", region, "list_exports", "ExportSummaries"):
        found = account.ask("dynamodb", region, "describe_export", ExportArn=each["ExportArn"])["ExportDescription"]
        properties = {
            "tableArn": found["TableArn"],
            "s3Bucket": found["S3Bucket"],
            "s3BucketOwner": found["S3BucketOwner?"],
        }
        yield account.resource("aws:dynamodb/tableExport:TableExport", each["ExportArn"], region, properties)


COLLECTORS: dict[tuple[str, ...], Any] = {
    ("aws:rds/instance:Instance",): instances,
    ("aws:rds/cluster:Cluster",): clusters,
    ("aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",): replicated_backups,
    ("aws:rds/globalCluster:GlobalCluster",): _global_clusters("rds"),
    ("aws:docdb/globalCluster:GlobalCluster",): _global_clusters("docdb"),
    ("aws:neptune/globalCluster:GlobalCluster",): _global_clusters("neptune"),
    ("aws:elasticache/globalReplicationGroup:GlobalReplicationGroup",): Listing(
        "aws:elasticache/globalReplicationGroup:GlobalReplicationGroup",
        "elasticache",
        "describe_global_replication_groups",
        "GlobalReplicationGroups",
        "GlobalReplicationGroupId",
        {"primaryReplicationGroupId": "GlobalReplicationGroupId"},
    ),
    ("aws:elasticache/replicationGroup:ReplicationGroup",): Listing(
        "aws:elasticache/replicationGroup:ReplicationGroup",
        "elasticache",
        "describe_replication_groups",
        "ReplicationGroups",
        "ReplicationGroupId",
        {
            "globalReplicationGroupId": "GlobalReplicationGroupInfo?.GlobalReplicationGroupId?",
            "kmsKeyId": "KmsKeyId?",
        },
    ),
    ("aws:memorydb/multiRegionCluster:MultiRegionCluster",): Listing(
        "aws:memorydb/multiRegionCluster:MultiRegionCluster",
        "memorydb",
        "describe_multi_region_clusters",
        "MultiRegionClusters",
        "MultiRegionClusterName",
        {"multiRegionClusterNameSuffix": "MultiRegionClusterName"},
    ),
    ("aws:memorydb/cluster:Cluster",): Listing(
        "aws:memorydb/cluster:Cluster",
        "memorydb",
        "describe_clusters",
        "Clusters",
        "Name",
        {"multiRegionClusterName": "MultiRegionClusterName?", "kmsKeyArn": "KmsKeyId?"},
    ),
    ("aws:dsql/cluster:Cluster", "aws:dsql/clusterPeering:ClusterPeering"): dsql_clusters,
    ("aws:dynamodb/table:Table", "aws:dynamodb/tableReplica:TableReplica"): tables,
    ("aws:dynamodb/globalTable:GlobalTable",): Listing(
        "aws:dynamodb/globalTable:GlobalTable",
        "dynamodb",
        "list_global_tables",
        "GlobalTables",
        "GlobalTableName",
        {"replicas": lambda item: [{"regionName": each["RegionName"]} for each in item.each("ReplicationGroup")]},
    ),
    ("aws:dynamodb/tableExport:TableExport",): table_exports,
}
"""Types that each collector answers for; a peering of clusters shows up as a property of the clusters."""
