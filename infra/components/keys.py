"""Customer-managed keys, one a purpose, and the hardware module where keys of the ledger live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import documents
from infra.components.component import Component, as_json

__all__ = ["Hsm", "HsmArgs", "Keys", "KeysArgs"]


@dataclass(frozen=True)
class KeysArgs:
    """`purposes`: name of a key -> cloud services that may use it for this account's resources in `region`."""

    owner: str
    partition: str
    account: str
    region: str
    deletion_window_days: int
    protect: bool
    purposes: Mapping[str, Sequence[str]]


class Keys(Component):
    """Single-Region symmetric keys that rotate yearly; `arns` by purpose."""

    def __init__(self, name: str, args: KeysArgs, options: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, options)
        self.arns = {purpose: self._key(args, purpose, services).arn for purpose, services in args.purposes.items()}
        self.register_outputs({"arns": self.arns})

    def _key(self, args: KeysArgs, purpose: str, services: Sequence[str]) -> aws.kms.Key:
        policy = documents.key_policy(args.partition, args.account, args.region, services)
        key = aws.kms.Key(
            f"{args.owner}-{purpose}",
            description=f"{purpose} of {args.owner}",
            multi_region=False,
            enable_key_rotation=True,
            rotation_period_in_days=365,
            deletion_window_in_days=args.deletion_window_days,
            policy=as_json(policy),
            region=args.region,
            opts=self.child(protect=args.protect),
        )
        alias = f"alias/gchain/{args.owner}/{purpose}"
        aws.kms.Alias(
            f"{args.owner}-{purpose}-alias",
            name=alias,
            target_key_id=key.key_id,
            region=args.region,
            opts=self.child(),
        )
        return key


@dataclass(frozen=True)
class HsmArgs:
    owner: str
    instance_type: str
    subnet_ids: Sequence[pulumi.Input[str]]
    protect: bool


class Hsm(Component):
    """A FIPS-mode CloudHSM cluster with two modules in different zones: one lost, keys stay usable."""

    def __init__(self, name: str, args: HsmArgs, options: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, options)
        self.cluster = aws.cloudhsmv2.Cluster(
            f"{args.owner}-hsm",
            hsm_type=args.instance_type,
            mode="FIPS",
            subnet_ids=list(args.subnet_ids),
            opts=self.child(protect=args.protect),
        )
        for index, subnet in enumerate(args.subnet_ids[:2]):
            aws.cloudhsmv2.Hsm(
                f"{args.owner}-hsm-{index + 1}",
                cluster_id=self.cluster.cluster_id,
                subnet_id=subnet,
                opts=self.child(protect=args.protect),
            )
        self.register_outputs({"cluster_id": self.cluster.cluster_id})
