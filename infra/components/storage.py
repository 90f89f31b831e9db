"""Buckets that keep what must not be lost or changed: versioned, locked, encrypted, closed to the public."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pulumi
import pulumi_aws as aws

from infra import documents
from infra.components.component import Component, as_json

__all__ = ["BucketPlan", "Storage", "StorageArgs"]


@dataclass(frozen=True)
class BucketPlan:
    """One bucket: what for, which key encrypts it, how long objects are locked, which services may write where.

    `mode` COMPLIANCE lets nobody delete or shorten; GOVERNANCE lets a right of its own clear old backups.
    """

    purpose: str
    key: str
    retention_days: int
    mode: Literal["COMPLIANCE", "GOVERNANCE"] = "COMPLIANCE"
    writers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StorageArgs:
    """`keys`: ARN of a customer-managed key by the name that plans use."""

    owner: str
    partition: str
    account: str
    keys: Mapping[str, pulumi.Input[str]]
    buckets: Sequence[BucketPlan]


class Storage(Component):
    """The buckets of one stack; `names` by purpose."""

    def __init__(self, name: str, args: StorageArgs, options: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, options)
        self.names: dict[str, pulumi.Output[str]] = {}
        self.arns: dict[str, pulumi.Output[str]] = {}
        self.ready: dict[str, list[pulumi.Resource]] = {}
        for plan in args.buckets:
            self._bucket(args, plan)
        self.register_outputs({"names": self.names})

    def _bucket(self, args: StorageArgs, plan: BucketPlan) -> None:
        name = bucket_name(args.owner, plan.purpose, args.account)
        label = f"{args.owner}-{plan.purpose}"
        bucket = aws.s3.Bucket(label, bucket=name, object_lock_enabled=True, force_destroy=False, opts=self.child())
        self.names[plan.purpose], self.arns[plan.purpose] = bucket.bucket, bucket.arn
        self._closed(label, bucket)
        versioning = aws.s3.BucketVersioning(
            label,
            bucket=bucket.bucket,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=self.child(),
        )
        self._encrypted(label, bucket, args.keys[plan.key])
        self._locked(label, bucket, plan, versioning)
        policy = documents.bucket_policy(args.partition, name, plan.writers, args.account)
        written = aws.s3.BucketPolicy(label, bucket=bucket.bucket, policy=as_json(policy), opts=self.child())
        self.ready[plan.purpose] = [written]

    def _closed(self, label: str, bucket: aws.s3.Bucket) -> None:
        aws.s3.BucketPublicAccessBlock(
            label,
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child(),
        )
        aws.s3.BucketOwnershipControls(
            label,
            bucket=bucket.bucket,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=self.child(),
        )

    def _encrypted(self, label: str, bucket: aws.s3.Bucket, key: pulumi.Input[str]) -> None:
        default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="aws:kms", kms_master_key_id=key
        )
        rule = aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
            apply_server_side_encryption_by_default=default, bucket_key_enabled=True
        )
        aws.s3.BucketServerSideEncryptionConfiguration(label, bucket=bucket.bucket, rules=[rule], opts=self.child())

    def _locked(self, label: str, bucket: aws.s3.Bucket, plan: BucketPlan, versioning: aws.s3.BucketVersioning) -> None:
        retention = aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(
            mode=plan.mode, days=plan.retention_days
        )
        aws.s3.BucketObjectLockConfiguration(
            label,
            bucket=bucket.bucket,
            object_lock_enabled="Enabled",
            rule=aws.s3.BucketObjectLockConfigurationRuleArgs(default_retention=retention),
            opts=self.child(depends_on=[versioning]),
        )


def bucket_name(owner: str, purpose: str, account: str) -> str:
    """Bucket names are global: the account makes ours unique (63 characters at most)."""
    return f"gchain-{owner}-{purpose}-{account}"
