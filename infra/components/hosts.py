"""Ledger hosts: one instance each with its own ledger volume, no public address, least rights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

import pulumi
import pulumi_aws as aws

from gchain.environment import Host, StackSettings
from infra import documents
from infra.components.component import Component, as_json
from infra.components.network import record

__all__ = ["HostPlan", "Hosts", "HostsArgs"]


@dataclass(frozen=True)
class HostPlan:
    """One host, with its fixed address and the subnet of its zone."""

    host: Host
    address: IPv4Address
    subnet: aws.ec2.Subnet
    fqdn: str


@dataclass(frozen=True)
class HostsArgs:
    owner: str
    partition: str
    account: str
    plans: Sequence[HostPlan]
    settings: StackSettings
    image: str
    ssh_public_key: str
    group: pulumi.Input[str]
    zone: aws.route53.Zone
    keys: Mapping[str, pulumi.Output[str]]
    buckets: Mapping[str, pulumi.Output[str]]
    log_group: pulumi.Output[str]
    tags: Mapping[str, str]


class Hosts(Component):
    """The member's hosts; `instances` by host name."""

    def __init__(self, name: str, args: HostsArgs, options: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, options)
        self._args = args
        self.plans = args.plans
        self._key_pair = aws.ec2.KeyPair(
            args.owner, key_name=f"gchain-{args.owner}", public_key=args.ssh_public_key, opts=self.child()
        )
        self._profile = self._instance_profile()
        self.instances = {plan.host.name: self._host(plan) for plan in args.plans}
        self.register_outputs({"instance_ids": {name: host.id for name, host in self.instances.items()}})

    def _instance_profile(self) -> aws.iam.InstanceProfile:
        args = self._args
        role = aws.iam.Role(
            f"{args.owner}-host",
            name=f"gchain-{args.owner}-host",
            assume_role_policy=as_json(documents.service_trust("ec2.amazonaws.com", args.account)),
            opts=self.child(),
        )
        known = pulumi.Output.all(buckets=args.buckets, keys=args.keys, log_group=args.log_group)
        aws.iam.RolePolicy(
            f"{args.owner}-host",
            name="ledger-host",
            role=role.name,
            policy=known.apply(lambda values: as_json(documents.host_policy(args.partition, **values))),
            opts=self.child(),
        )
        return aws.iam.InstanceProfile(
            f"{args.owner}-host", name=f"gchain-{args.owner}-host", role=role.name, opts=self.child()
        )

    def _host(self, plan: HostPlan) -> aws.ec2.Instance:
        args, settings = self._args, self._args.settings
        label = f"{args.owner}-{plan.host.name}"
        instance = aws.ec2.Instance(
            label,
            ami=args.image,
            instance_type=settings.instance_type,
            subnet_id=plan.subnet.id,
            private_ip=str(plan.address),
            associate_public_ip_address=False,
            vpc_security_group_ids=[args.group],
            iam_instance_profile=self._profile.name,
            key_name=self._key_pair.key_name,
            monitoring=True,
            ebs_optimized=True,
            disable_api_termination=settings.deletion_protection,
            metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            root_block_device=self._root_volume(label),
            tags={"Name": plan.fqdn, "gchain:role": plan.host.role},
            opts=self.child(protect=settings.deletion_protection),
        )
        self._ledger_volume(label, plan, instance)
        record(self, label, args.zone, plan.fqdn, str(plan.address))
        return instance

    def _root_volume(self, label: str) -> aws.ec2.InstanceRootBlockDeviceArgs:
        return aws.ec2.InstanceRootBlockDeviceArgs(
            encrypted=True,
            kms_key_id=self._args.keys["data"],
            volume_type="gp3",
            volume_size=self._args.settings.root_volume_gib,
            delete_on_termination=True,
            tags={**self._args.tags, "Name": f"{label}-root"},
        )

    def _ledger_volume(self, label: str, plan: HostPlan, instance: aws.ec2.Instance) -> None:
        """The ledger outlives its host: the volume is a resource of its own."""
        settings = self._args.settings
        volume = aws.ebs.Volume(
            f"{label}-ledger",
            availability_zone=plan.subnet.availability_zone,
            size=settings.ledger_volume_gib,
            type="gp3",
            encrypted=True,
            kms_key_id=self._args.keys["data"],
            opts=self.child(protect=settings.deletion_protection),
        )
        aws.ec2.VolumeAttachment(
            f"{label}-ledger",
            device_name="/dev/sdf",
            volume_id=volume.id,
            instance_id=instance.id,
            stop_instance_before_detaching=True,
            opts=self.child(),
        )
