"""What watches an account in every region of the zone: an intruder chooses the region that is not watched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import documents
from infra.components.component import Component, as_json
from infra.components.storage import Storage

__all__ = ["Watching", "WatchingArgs"]


@dataclass(frozen=True)
class WatchingArgs:
    """`home`: the region that also records what has none. `recorded`: the regions to record configuration in; a region
    has one recorder, and another stack may hold it.
    """

    owner: str
    account: str
    home: str
    regions: Sequence[str]
    recorded: Sequence[str]
    storage: Storage
    key: pulumi.Input[str]


class Watching(Component):
    """GuardDuty, Security Hub, Inspector and AWS Config in each region (catalogue rule HRD-018)."""

    def __init__(self, name: str, args: WatchingArgs, options: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, options)
        for region in args.regions:
            self._detectors(args, region)
        if args.recorded:
            role = self._role(args)
            for region in args.recorded:
                self._recorder(args, region, role)
        self.register_outputs({})

    def _detectors(self, args: WatchingArgs, region: str) -> None:
        label = f"{args.owner}-{region}"
        aws.guardduty.Detector(label, enable=True, region=region, opts=self.child())
        aws.securityhub.Account(label, enable_default_standards=False, region=region, opts=self.child())
        aws.inspector2.Enabler(
            label, account_ids=[args.account], resource_types=["EC2"], region=region, opts=self.child()
        )

    def _role(self, args: WatchingArgs) -> aws.iam.Role:
        label = f"{args.owner}-config"
        role = aws.iam.Role(
            label,
            name=f"gchain-{label}",
            assume_role_policy=as_json(documents.service_trust("config.amazonaws.com", args.account)),
            opts=self.child(),
        )
        aws.iam.RolePolicy(
            label,
            name="deliver-configuration",
            role=role.name,
            policy=args.storage.arns["logs"].apply(lambda arn: as_json(documents.recorder_policy(arn))),
            opts=self.child(),
        )
        return role

    def _recorder(self, args: WatchingArgs, region: str, role: aws.iam.Role) -> None:
        label = f"{args.owner}-{region}"
        everything = aws.cfg.RecorderRecordingGroupArgs(
            all_supported=True, include_global_resource_types=region == args.home
        )
        recorder = aws.cfg.Recorder(
            label, name="gchain", role_arn=role.arn, recording_group=everything, region=region, opts=self.child()
        )
        channel = aws.cfg.DeliveryChannel(
            label,
            name="gchain",
            s3_bucket_name=args.storage.names["logs"],
            s3_key_prefix="config",
            s3_kms_key_arn=args.key,
            region=region,
            opts=self.child(depends_on=[recorder, *args.storage.ready["logs"]]),
        )
        aws.cfg.RecorderStatus(
            label, name=recorder.name, is_enabled=True, region=region, opts=self.child(depends_on=[channel])
        )
