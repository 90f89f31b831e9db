"""CloudHSMv2: clusters that stand in a VPC, HSMs, initialization; moto has a bare cluster only.

States follow the service: a cluster is UNINITIALIZED until InitializeCluster, which needs an HSM first, then
INITIALIZED; it becomes ACTIVE when an administrator logs in on a host: outside the API, and outside the sandbox.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from moto.cloudhsmv2.exceptions import CloudHSMv2ClientError, ResourceNotFoundException
from moto.cloudhsmv2.models import CloudHSMV2Backend, Cluster
from moto.cloudhsmv2.responses import CloudHSMV2Response, DateTimeEncoder
from moto.ec2.models import ec2_backends

from gchain.sandbox.cloud.overriding import add, override

__all__ = ["install"]


def _refused(message: str) -> Exception:
    error: Exception = CloudHSMv2ClientError("CloudHsmInvalidRequestException", message)
    return error


def _cluster(backend: Any, cluster_id: str) -> Any:
    try:
        return backend.clusters[cluster_id]
    except KeyError:
        raise ResourceNotFoundException(f"Cluster {cluster_id} not found") from None


def _place(backend: Any, cluster: Any, subnet_ids: list[str]) -> None:
    """One subnet a zone, all in one VPC (API reference, CreateCluster)."""
    ec2 = ec2_backends[backend.account_id][backend.region_name]
    subnets = [ec2.get_subnet(subnet_id) for subnet_id in subnet_ids]
    if len({subnet.vpc_id for subnet in subnets}) != 1:
        raise _refused("the subnets of a cluster must be in one VPC")
    if len({subnet.availability_zone for subnet in subnets}) != len(subnets):
        raise _refused("a cluster takes one subnet in each Availability Zone")
    group = ec2.create_security_group(f"cloudhsm-{cluster.cluster_id}-sg", "made by CloudHSM", subnets[0].vpc_id)
    cluster.vpc_id = subnets[0].vpc_id
    cluster.subnet_mapping = {subnet.availability_zone: subnet.id for subnet in subnets}
    cluster.security_group = group.id
    cluster.state, cluster.state_message = "UNINITIALIZED", "Create an HSM, then initialize the cluster."


def _create_hsm(self: Any) -> str:
    backend = self.cloudhsmv2_backend
    cluster = _cluster(backend, self._get_param("ClusterId"))
    zone = self._get_param("AvailabilityZone")
    subnet = cluster.subnet_mapping.get(zone)
    if subnet is None:
        raise _refused(f"the cluster has no subnet in {zone}")
    ec2 = ec2_backends[backend.account_id][backend.region_name]
    address = self._get_param("IpAddress") or ec2.get_subnet(subnet).get_available_subnet_ip(cluster)
    groups = [cluster.security_group]
    interface = ec2.create_network_interface(subnet, address, group_ids=groups, description="CloudHSM")
    hsm = {
        "AvailabilityZone": zone,
        "ClusterId": cluster.cluster_id,
        "SubnetId": subnet,
        "EniId": interface.id,
        "EniIp": interface.private_ip_address,
        "HsmId": f"hsm-{secrets.token_hex(6)[:11]}",
        "HsmType": cluster.hsm_type,
        "State": "ACTIVE",
    }
    cluster.hsms.append(hsm)
    return json.dumps({"Hsm": hsm})


def _delete_hsm(self: Any) -> str:
    backend = self.cloudhsmv2_backend
    cluster = _cluster(backend, self._get_param("ClusterId"))
    wanted = {self._get_param("HsmId"), self._get_param("EniId"), self._get_param("EniIp")}
    for hsm in list(cluster.hsms):
        if wanted & {hsm["HsmId"], hsm["EniId"], hsm["EniIp"]}:
            cluster.hsms.remove(hsm)
            ec2_backends[backend.account_id][backend.region_name].delete_network_interface(hsm["EniId"])
            return json.dumps({"HsmId": hsm["HsmId"]})
    raise ResourceNotFoundException(f"no such HSM in cluster {cluster.cluster_id}")


def _initialize_cluster(self: Any) -> str:
    cluster = _cluster(self.cloudhsmv2_backend, self._get_param("ClusterId"))
    if not cluster.hsms:
        raise _refused("create an HSM in the cluster before it is initialized")
    if not (self._get_param("SignedCert") and self._get_param("TrustAnchor")):
        raise _refused("SignedCert and TrustAnchor are required")
    cluster.state, cluster.state_message = "INITIALIZED", "Activate the cluster from a host."
    cluster.certificates["ClusterCertificate"] = self._get_param("SignedCert")
    return json.dumps({"State": cluster.state, "StateMessage": cluster.state_message})


def _modify_cluster(self: Any) -> str:
    cluster = _cluster(self.cloudhsmv2_backend, self._get_param("ClusterId"))
    cluster.backup_retention_policy = self._get_param("BackupRetentionPolicy") or cluster.backup_retention_policy
    return json.dumps({"Cluster": cluster.to_dict()}, cls=DateTimeEncoder)


def _delete_cluster(original: Any) -> Any:
    def delete_cluster(self: Any, cluster_id: str) -> Any:
        cluster = _cluster(self, cluster_id)
        if cluster.hsms:
            raise _refused("delete the HSMs of the cluster first")
        answer = original(self, cluster_id)
        ec2_backends[self.account_id][self.region_name].delete_security_group(group_id=cluster.security_group)
        return answer

    return delete_cluster


def _create_cluster(original: Any) -> Any:
    def create_cluster(self: Any, **given: Any) -> Any:
        cluster_id = original(self, **given)["ClusterId"]
        try:
            _place(self, self.clusters[cluster_id], given["subnet_ids"])
        except Exception:
            del self.clusters[cluster_id]
            raise
        self.tag_resource(cluster_id, given.get("tag_list") or [])
        return self.clusters[cluster_id].to_dict()

    return create_cluster


def _describe(original: Any) -> Any:
    def to_dict(self: Any) -> dict[str, Any]:
        return {**original(self), "SecurityGroup": getattr(self, "security_group", None)}

    return to_dict


def install() -> None:
    override(CloudHSMV2Backend, "delete_cluster", _delete_cluster)
    override(CloudHSMV2Backend, "create_cluster", _create_cluster)
    override(Cluster, "to_dict", _describe)
    add(CloudHSMV2Response, _ACTIONS)


_ACTIONS = {
    "create_hsm": _create_hsm,
    "delete_hsm": _delete_hsm,
    "initialize_cluster": _initialize_cluster,
    "modify_cluster": _modify_cluster,
}
