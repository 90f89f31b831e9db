"""Secrets Manager secrets (not their values)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, ResourceType, same_document
from gchain.sandbox.provider.services.ec2 import tag_list, tags_of
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_GONE = "ResourceNotFoundException"


def _same_replicas(live: Any, given: Any) -> bool:
    def regions(replicas: Any) -> list[str]:
        return sorted(replica["region"] for replica in replicas or [])

    return regions(live) == regions(given)


class Secret(ResourceType):
    type_name = "aws:secretsmanager/secret:Secret"
    taggable = True
    inputs = (
        Input("name", replace=True, autoname=True),
        Input("description"),
        Input("kmsKeyId"),
        Input("policy", computed=True, equal=same_document),
        Input(
            "replicas",
            computed=True,
            when_given=True,
            equal=_same_replicas,
            fields=(Input("region", required=True), Input("kmsKeyId")),
        ),
        Input("recoveryWindowInDays", default=30, write_only=True),
        Input("forceOverwriteReplicaSecret", default=False, write_only=True),
    )
    outputs = ("arn",)

    def create(self, op: Operation, new: Properties) -> str:
        answer = op.call(
            "secretsmanager.create_secret",
            Name=new["name"],
            Description=new.get("description"),
            KmsKeyId=new.get("kmsKeyId"),
            AddReplicaRegions=_replicas(new) or None,
            Tags=tag_list(new["tagsAll"]) or None,
        )
        return str(answer["ARN"])

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        if new.get("policy"):
            op.call("secretsmanager.put_resource_policy", SecretId=identity, ResourcePolicy=new["policy"])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        now = change.now
        if change.touches("description", "kmsKeyId"):
            op.call(
                "secretsmanager.update_secret",
                SecretId=identity,
                Description=now.get("description", ""),
                KmsKeyId=now.get("kmsKeyId"),
            )
        if change.touches("policy"):
            self.settle(op, identity, now)
        if change.touches("replicas"):
            self._move_replicas(op, identity, change)

    @staticmethod
    def _move_replicas(op: Operation, identity: str, change: Change) -> None:
        had = {replica["region"] for replica in change.before.get("replicas") or []}
        wanted = {replica["Region"]: replica for replica in _replicas(change.now)}
        surplus = sorted(had - wanted.keys())
        if surplus:
            op.call("secretsmanager.remove_regions_from_replication", SecretId=identity, RemoveReplicaRegions=surplus)
        missing = [replica for region, replica in wanted.items() if region not in had]
        if missing:
            op.call("secretsmanager.replicate_secret_to_regions", SecretId=identity, AddReplicaRegions=missing)

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        live = op.find("secretsmanager.describe_secret", _GONE, SecretId=identity)
        if live is None or live.get("DeletedDate"):
            return None
        replicas = [
            {"region": item["Region"], "kmsKeyId": item.get("KmsKeyId")} for item in live.get("ReplicationStatus") or []
        ]
        policy = op.call("secretsmanager.get_resource_policy", SecretId=identity).get("ResourcePolicy")
        return {
            "arn": live["ARN"],
            "name": live["Name"],
            "description": live.get("Description") or None,
            "kmsKeyId": live.get("KmsKeyId"),
            "policy": policy,
            "replicas": replicas,
            "tags": tags_of(live),
        }

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        if removed:
            op.call("secretsmanager.untag_resource", SecretId=identity, TagKeys=removed)
        if tags:
            op.call("secretsmanager.tag_resource", SecretId=identity, Tags=tag_list(tags))

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        replicas = [replica["region"] for replica in state.get("replicas") or []]
        if replicas:
            op.find(
                "secretsmanager.remove_regions_from_replication",
                _GONE,
                SecretId=identity,
                RemoveReplicaRegions=replicas,
            )
        days = state.get("recoveryWindowInDays", 30)
        window: dict[str, Any] = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        op.find("secretsmanager.delete_secret", (_GONE, "InvalidRequestException"), SecretId=identity, **window)


def _replicas(new: Properties) -> list[dict[str, str]]:
    return [
        {"Region": replica["region"]} | ({"KmsKeyId": replica["kmsKeyId"]} if replica.get("kmsKeyId") else {})
        for replica in new.get("replicas") or []
    ]


TYPES = (Secret(),)
