"""Shared in law, in the convenor's account: the region-deny policy, the audit trail, the configuration record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

from infra import documents
from infra.components.component import Component, as_json
from infra.components.storage import Storage

__all__ = ["AuditTrail", "AuditTrailArgs", "RegionDeny", "RegionDenyArgs"]


@dataclass(frozen=True)
class RegionDenyArgs:
    """`organization`: `create` it (then the policy hangs on its root), or it is `existing` (then on every account)."""

    regions: Sequence[str]
    organization: Literal["create", "existing"]
    accounts: Mapping[str, str]


class RegionDeny(Component):
    """A service control policy: it binds everyone in the accounts, whether or not they ever run this program."""

    def __init__(self, name: str, args: RegionDenyArgs, options: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, options)
        organization = self._organization() if args.organization == "create" else None
        policy = aws.organizations.Policy(
            "region-deny",
            name="gchain-region-deny",
            description="Nothing outside the zone's regions, and no way round it",
            type="SERVICE_CONTROL_POLICY",
            content=as_json(documents.region_deny(args.regions)),
            opts=self.child(depends_on=[organization] if organization else None),
        )
        targets: dict[str, pulumi.Input[str]] = (
            {"root": organization.roots[0].id} if organization else dict(args.accounts)
        )
        for label, target in targets.items():
            aws.organizations.PolicyAttachment(
                f"region-deny-{label}", policy_id=policy.id, target_id=target, opts=self.child()
            )
        self.register_outputs({"policy_id": policy.id})

    def _organization(self) -> aws.organizations.Organization:
        return aws.organizations.Organization(
            "organization",
            feature_set="ALL",
            enabled_policy_types=["SERVICE_CONTROL_POLICY"],
            opts=self.child(),
        )


@dataclass(frozen=True)
class AuditTrailArgs:
    partition: str
    account: str
    region: str
    storage: Storage
    key: pulumi.Input[str]


class AuditTrail(Component):
    """CloudTrail over all regions (strangers' regions too: that is where a leak would show) and AWS Config."""

    def __init__(self, name: str, args: AuditTrailArgs, options: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, options)
        ready = args.storage.ready["archive"]
        aws.cloudtrail.Trail(
            "audit",
            name="gchain-audit",
            s3_bucket_name=args.storage.names["archive"],
            s3_key_prefix="trail",
            kms_key_id=args.key,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            enable_logging=True,
            opts=self.child(depends_on=ready),
        )
        self._configuration_record(args, ready)
        self.register_outputs({})

    def _configuration_record(self, args: AuditTrailArgs, ready: list[pulumi.Resource]) -> None:
        role = aws.iam.Role(
            "config",
            name="gchain-config",
            assume_role_policy=as_json(documents.service_trust("config.amazonaws.com", args.account)),
            opts=self.child(),
        )
        aws.iam.RolePolicy(
            "config",
            name="deliver-configuration",
            role=role.name,
            policy=args.storage.arns["archive"].apply(lambda arn: as_json(documents.recorder_policy(arn))),
            opts=self.child(),
        )
        recorder = aws.cfg.Recorder(
            "config",
            name="gchain",
            role_arn=role.arn,
            recording_group=aws.cfg.RecorderRecordingGroupArgs(all_supported=True, include_global_resource_types=True),
            opts=self.child(),
        )
        channel = aws.cfg.DeliveryChannel(
            "config",
            name="gchain",
            s3_bucket_name=args.storage.names["archive"],
            s3_key_prefix="config",
            s3_kms_key_arn=args.key,
            opts=self.child(depends_on=[recorder, *ready]),
        )
        aws.cfg.RecorderStatus("config", name=recorder.name, is_enabled=True, opts=self.child(depends_on=[channel]))
