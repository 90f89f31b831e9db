"""A record of every connection in a VPC, kept in the zone under the member's own key."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import documents
from infra.components.component import Component, as_json

__all__ = ["FlowLogs", "FlowLogsArgs"]


@dataclass(frozen=True)
class FlowLogsArgs:
    owner: str
    account: str
    vpc_id: pulumi.Input[str]
    key: pulumi.Input[str]
    retention_days: int
    interval_seconds: int


class FlowLogs(Component):
    """Accepted and rejected connections, in a log group encrypted with a customer-managed key."""

    def __init__(self, name: str, args: FlowLogsArgs, options: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, options)
        self.group = aws.cloudwatch.LogGroup(
            f"{args.owner}-flow",
            name=f"/gchain/{args.owner}/flow",
            kms_key_id=args.key,
            retention_in_days=retention(args.retention_days),
            opts=self.child(),
        )
        role = aws.iam.Role(
            f"{args.owner}-flow",
            name=f"gchain-{args.owner}-flow",
            assume_role_policy=as_json(documents.service_trust("vpc-flow-logs.amazonaws.com", args.account)),
            opts=self.child(),
        )
        allowed = aws.iam.RolePolicy(
            f"{args.owner}-flow",
            name="write-flow-log",
            role=role.name,
            policy=self.group.arn.apply(lambda arn: as_json(documents.writer_policy(arn))),
            opts=self.child(),
        )
        aws.ec2.FlowLog(
            f"{args.owner}-flow",
            vpc_id=args.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=self.group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=args.interval_seconds,
            opts=self.child(depends_on=[allowed]),
        )
        self.register_outputs({"log_group": self.group.name})


_RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096),
    *(1827, 2192, 2557, 2922, 3288, 3653),
)


def retention(days: int) -> int:
    """The shortest retention that CloudWatch Logs offers (PutRetentionPolicy) and that keeps at least `days`."""
    return next((offered for offered in _RETENTIONS if offered >= days), _RETENTIONS[-1])
