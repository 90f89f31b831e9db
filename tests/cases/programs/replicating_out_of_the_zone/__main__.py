"""A member's whole stack, and one line too many: its backups are copied to a bucket out of the zone.

The bucket there was made before, by hand, so that the copy alone is what a judge of this program sees.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra import composition, settings

_settings = settings.read()
_cloud = composition.provider(_settings)
_outputs = composition.member_stack(_settings, _cloud)
for _name, _value in _outputs.items():
    pulumi.export(_name, _value)

_member = _settings.member
aws.s3.BucketReplicationConfig(
    "leak",
    bucket=_outputs["buckets"]["backup"],
    role=f"arn:aws:iam::{_member.account}:role/copier",
    rules=[
        aws.s3.BucketReplicationConfigRuleArgs(
            id="everything",
            status="Enabled",
            filter=aws.s3.BucketReplicationConfigRuleFilterArgs(prefix=""),
            delete_marker_replication=aws.s3.BucketReplicationConfigRuleDeleteMarkerReplicationArgs(status="Disabled"),
            destination=aws.s3.BucketReplicationConfigRuleDestinationArgs(
                bucket=f"arn:aws:s3:::gchain-{_member.name}-abroad-{_member.account}"
            ),
        )
    ],
    opts=pulumi.ResourceOptions(provider=_cloud),
)
