"""What an account says once for everything in it, also for what is made by hand: encryption and closed doors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.component import Component

__all__ = ["AccountBaseline", "AccountBaselineArgs"]


@dataclass(frozen=True)
class AccountBaselineArgs:
    """`volume_keys`: each region of the zone -> ARN of the key of that region for volumes that name none."""

    owner: str
    account: str
    volume_keys: Mapping[str, pulumi.Input[str]]


class AccountBaseline(Component):
    """Settings of the whole account, in every region of the zone.

    One account has one of each, so only one stack may hold this: a member's own. The convenor's member stack covers
    the account that its foundation stack shares.
    """

    def __init__(self, name: str, args: AccountBaselineArgs, options: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, options)
        for region, key in args.volume_keys.items():
            self._volumes(args.owner, region, key)
            self._internet(args.owner, region)
        aws.s3.AccountPublicAccessBlock(
            f"{args.owner}-buckets",
            account_id=args.account,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child(),
        )
        self.register_outputs({})

    def _volumes(self, owner: str, region: str, key: pulumi.Input[str]) -> None:
        """The key first: between the two, a volume would get the provider's own key."""
        chosen = aws.ebs.DefaultKmsKey(f"{owner}-volumes-{region}", key_arn=key, region=region, opts=self.child())
        aws.ebs.EncryptionByDefault(
            f"{owner}-volumes-{region}", enabled=True, region=region, opts=self.child(depends_on=[chosen])
        )

    def _internet(self, owner: str, region: str) -> None:
        aws.ec2.VpcBlockPublicAccessOptions(
            f"{owner}-internet-{region}",
            internet_gateway_block_mode="block-bidirectional",
            region=region,
            opts=self.child(),
        )
