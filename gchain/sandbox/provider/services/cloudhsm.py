"""CloudHSM clusters and their modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Input, ResourceType, as_set
from gchain.sandbox.provider.services.ec2 import tag_list, tags_of
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_GONE = ("CloudHsmResourceNotFoundException", "ResourceNotFoundException")  # the second is how moto calls it


def _describe(op: Operation, identity: str) -> dict[str, Any] | None:
    listed = op.call("cloudhsmv2.describe_clusters", Filters={"clusterIds": [identity]})["Clusters"]
    living = [item for item in listed if item["State"] not in ("DELETED", "DELETE_IN_PROGRESS")]
    return dict(living[0]) if living else None


class Cluster(ResourceType):
    type_name = "aws:cloudhsmv2/cluster:Cluster"
    taggable = True
    inputs = (
        Input("hsmType", required=True, replace=True),
        Input("mode", replace=True, computed=True),
        Input("subnetIds", required=True, replace=True, equal=as_set),
        Input("sourceBackupIdentifier", replace=True, write_only=True),
    )
    outputs = ("clusterId", "clusterState", "clusterCertificates", "securityGroupId", "vpcId")

    def create(self, op: Operation, new: Properties) -> str:
        answer = op.call(
            "cloudhsmv2.create_cluster",
            HsmType=new["hsmType"],
            Mode=new.get("mode"),
            SubnetIds=new["subnetIds"],
            SourceBackupId=new.get("sourceBackupIdentifier"),
            TagList=tag_list(new["tagsAll"]) or None,
        )
        return str(answer["Cluster"]["ClusterId"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        live = _describe(op, identity)
        if live is None:
            return None
        certificates = live.get("Certificates") or {}
        return {
            "clusterId": identity,
            "clusterState": live["State"],
            "clusterCertificates": [{key[:1].lower() + key[1:]: text for key, text in certificates.items()}],
            "hsmType": live["HsmType"],
            "mode": live.get("Mode"),
            "securityGroupId": live.get("SecurityGroup"),
            "subnetIds": sorted((live.get("SubnetMapping") or {}).values()),
            "vpcId": live.get("VpcId"),
            "tags": tags_of({"Tags": op.call("cloudhsmv2.list_tags", ResourceId=identity)["TagList"]}),
        }

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        if removed:
            op.call("cloudhsmv2.untag_resource", ResourceId=identity, TagKeyList=removed)
        if tags:
            op.call("cloudhsmv2.tag_resource", ResourceId=identity, TagList=tag_list(tags))

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("cloudhsmv2.delete_cluster", _GONE, ClusterId=identity)


class Hsm(ResourceType):
    """One module of a cluster, placed by subnet or by zone."""

    type_name = "aws:cloudhsmv2/hsm:Hsm"
    inputs = (
        Input("clusterId", required=True, replace=True),
        Input("availabilityZone", replace=True, computed=True),
        Input("subnetId", replace=True, computed=True),
        Input("ipAddress", replace=True, computed=True),
    )
    outputs = ("hsmId", "hsmEniId", "hsmState")

    def verify(self, inputs: Properties) -> dict[str, str]:
        if not inputs.get("availabilityZone") and not inputs.get("subnetId"):
            return {"subnetId": f"{self.type_name} needs availabilityZone or subnetId"}
        return {}

    def create(self, op: Operation, new: Properties) -> str:
        zone = new.get("availabilityZone") or _zone_of(op, new["subnetId"])
        answer = op.call(
            "cloudhsmv2.create_hsm",
            ClusterId=new["clusterId"],
            AvailabilityZone=zone,
            IpAddress=new.get("ipAddress"),
        )
        return str(answer["Hsm"]["HsmId"])

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        for cluster in op.call("cloudhsmv2.describe_clusters")["Clusters"]:
            for hsm in cluster.get("Hsms") or []:
                if hsm["HsmId"] == identity and hsm.get("State") not in ("DELETED", "DELETE_IN_PROGRESS"):
                    return {
                        "clusterId": cluster["ClusterId"],
                        "hsmId": identity,
                        "hsmState": hsm.get("State"),
                        "hsmEniId": hsm.get("EniId"),
                        "availabilityZone": hsm.get("AvailabilityZone"),
                        "subnetId": hsm.get("SubnetId"),
                        "ipAddress": hsm.get("EniIp"),
                    }
        return None

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("cloudhsmv2.delete_hsm", _GONE, ClusterId=state["clusterId"], HsmId=identity)


def _zone_of(op: Operation, subnet: str) -> str:
    return str(op.call("ec2.describe_subnets", SubnetIds=[subnet])["Subnets"][0]["AvailabilityZone"])


TYPES = (Cluster(), Hsm())
