"""The two kinds of stack, put together from components."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from gchain.environment import Environment
from gchain.errors import ConfigurationError
from gchain.stacks import facts
from infra import addresses
from infra.components.baseline import AccountBaseline, AccountBaselineArgs
from infra.components.flow_logs import FlowLogs, FlowLogsArgs
from infra.components.guardrails import AuditTrail, AuditTrailArgs, RegionDeny, RegionDenyArgs
from infra.components.hosts import HostPlan, Hosts, HostsArgs
from infra.components.keys import Hsm, HsmArgs, Keys, KeysArgs
from infra.components.name_filter import NameFilter, NameFilterArgs, cloud_names, zone_names
from infra.components.network import Network, NetworkArgs
from infra.components.peering import Peering, PeeringArgs, PeerPlan
from infra.components.storage import BucketPlan, Storage, StorageArgs
from infra.components.tagging import tagging
from infra.components.watching import Watching, WatchingArgs
from infra.settings import Settings

__all__ = ["foundation_stack", "member_stack", "provider"]

_SERVICES = (
    *("cloudhsmv2", "cloudtrail", "configservice", "ec2", "guardduty", "iam", "inspector2", "kms", "logs"),
    *("organizations", "route53", "route53resolver", "s3", "s3control", "securityhub", "sts"),
)
"""Cloud services that this program calls, by their names among the provider's endpoints."""


def provider(settings: Settings) -> aws.Provider:
    """The one explicit provider: one region, one account, every resource of the stack."""
    endpoints = None
    if settings.endpoint:
        endpoints = [aws.ProviderEndpointArgs(**dict.fromkeys(_SERVICES, settings.endpoint))]
    return aws.Provider(
        "zone",
        region=settings.member.region,
        allowed_account_ids=[settings.member.account],
        endpoints=endpoints,
        s3_use_path_style=bool(settings.endpoint),
        default_tags=aws.ProviderDefaultTagsArgs(tags=settings.tags),
    )


def member_stack(settings: Settings, cloud: aws.Provider) -> dict[str, Any]:
    """Everything of one agency; the outputs of docs/interfaces.md."""
    options = pulumi.ResourceOptions(provider=cloud, transformations=[tagging(settings.tags)])
    member, stack = settings.member, settings.stack
    plans = addresses.subnets(member.vpc_cidr, settings.region)
    keys = _keys(settings, options)
    _baseline(settings, keys, options)
    storage = _storage(settings, keys, options)
    _watching(settings, keys, storage, options)
    network = Network("network", NetworkArgs(settings.environment, member, plans, stack.interface_endpoints), options)
    _name_filter(settings, network, options)
    flow = FlowLogs(
        "flow-logs",
        FlowLogsArgs(
            owner=member.name,
            account=member.account,
            vpc_id=network.vpc.id,
            key=keys.arns["logs"],
            retention_days=stack.log_retention_days,
            interval_seconds=stack.flow_log_interval_seconds,
        ),
        options,
    )
    hosts = _hosts(settings, network, keys, storage, flow, plans, options)
    hsm = _hsm(settings, network, options)
    peering = _peering(settings, network, options)
    return _outputs(settings, plans, network, keys, storage, hosts, hsm, peering)


def foundation_stack(settings: Settings, cloud: aws.Provider) -> dict[str, Any]:
    """What is shared in law: guardrails, the audit trail and its archive, the consortium's evidence."""
    options = pulumi.ResourceOptions(provider=cloud, transformations=[tagging(settings.tags)])
    zone, stack, member = settings.environment.zone, settings.stack, settings.member
    keys = Keys("keys", _key_args(settings, member.region, {"archive": _AUDITORS, "evidence": ()}), options)
    writers = dict(zip(_AUDITORS, ("trail", "config"), strict=True))
    buckets = [
        BucketPlan("archive", "archive", stack.log_retention_days, writers=writers),
        BucketPlan("evidence", "evidence", stack.evidence_retention_days),
    ]
    storage = Storage("storage", StorageArgs("foundation", zone.partition, member.account, keys.arns, buckets), options)
    trail = AuditTrailArgs(zone.partition, member.account, member.region, storage, keys.arns["archive"])
    AuditTrail("audit", trail, options)
    if stack.organization != "none":
        accounts = {name: account for name, account in zone.accounts.items() if account != member.account}
        regions = [region.name for region in zone.regions]
        RegionDeny("guardrails", RegionDenyArgs(regions, stack.organization, accounts), options)
    return {"account": member.account, "region": member.region, "kms_keys": keys.arns, "buckets": storage.names}


_RECORDER = "config.amazonaws.com"
_AUDITORS = ("cloudtrail.amazonaws.com", _RECORDER)


def _key_args(settings: Settings, region: str, purposes: dict[str, tuple[str, ...]]) -> KeysArgs:
    return KeysArgs(
        owner=settings.owner_name,
        partition=settings.partition,
        account=settings.member.account,
        region=region,
        deletion_window_days=settings.stack.key_deletion_window_days,
        protect=settings.stack.deletion_protection,
        purposes=purposes,
    )


def _keys(settings: Settings, options: pulumi.ResourceOptions) -> Keys:
    region = settings.member.region
    purposes = {"data": (), "evidence": (), "logs": (f"logs.{region}.amazonaws.com", _RECORDER)}
    return Keys("keys", _key_args(settings, region, purposes), options)


def _baseline(settings: Settings, keys: Keys, options: pulumi.ResourceOptions) -> None:
    """A key never serves another region, so each further region of the zone gets one for volumes made by hand."""
    volume_keys: dict[str, pulumi.Input[str]] = {settings.member.region: keys.arns["data"]}
    for region in settings.environment.zone.regions:
        if region.name not in volume_keys:
            purpose = f"volumes-{region.name}"
            there = Keys(f"keys-{region.name}", _key_args(settings, region.name, {purpose: ()}), options)
            volume_keys[region.name] = there.arns[purpose]
    args = AccountBaselineArgs(settings.owner_name, settings.member.account, volume_keys)
    AccountBaseline("baseline", args, options)


def _storage(settings: Settings, keys: Keys, options: pulumi.ResourceOptions) -> Storage:
    stack = settings.stack
    buckets = [
        BucketPlan("backup", "data", stack.log_retention_days, mode="GOVERNANCE"),
        BucketPlan("evidence", "evidence", stack.evidence_retention_days),
        BucketPlan(
            "logs",
            "logs",
            stack.log_retention_days,
            writers={"delivery.logs.amazonaws.com": "AWSLogs", _RECORDER: "config"},
        ),
    ]
    args = StorageArgs(settings.owner_name, settings.partition, settings.member.account, keys.arns, buckets)
    return Storage("storage", args, options)


def _watching(settings: Settings, keys: Keys, storage: Storage, options: pulumi.ResourceOptions) -> None:
    """The foundation stack records the convenor's own region: an account has one recorder a region."""
    member, environment = settings.member, settings.environment
    regions = [region.name for region in environment.zone.regions]
    shared = member.region if environment.consortium.convenor == member.name else None
    recorded = [region for region in regions if region != shared]
    args = WatchingArgs(member.name, member.account, member.region, regions, recorded, storage, keys.arns["logs"])
    Watching("watching", args, options)


def _name_filter(settings: Settings, network: Network, options: pulumi.ResourceOptions) -> None:
    zone, stack, member = settings.environment.zone, settings.stack, settings.member
    args = NameFilterArgs(
        owner=member.name,
        vpc_id=network.vpc.id,
        zone=zone_names(zone.domain, [mirror.name for mirror in zone.mirrors]),
        cloud=cloud_names(zone.partition, member.region, stack.interface_endpoints),
        protect=stack.deletion_protection,
    )
    NameFilter("names", args, options)


def _hosts(
    settings: Settings,
    network: Network,
    keys: Keys,
    storage: Storage,
    flow: FlowLogs,
    plans: tuple[addresses.SubnetPlan, ...],
    options: pulumi.ResourceOptions,
) -> Hosts:
    member = settings.member
    if not settings.ssh_public_key:
        raise ConfigurationError("gchain:ssh_public_key is missing: hosts would have no administrator")
    subnets = {plan.az: subnet for plan, subnet in zip(plans, network.subnets, strict=True)}
    placed = [
        HostPlan(
            host,
            addresses.host_address(host, member.hosts, plans),
            subnets[host.availability_zone],
            f"{host.name}.{member.name}.{settings.environment.zone.domain}",
        )
        for host in member.hosts
    ]
    args = HostsArgs(
        owner=member.name,
        partition=settings.partition,
        account=member.account,
        plans=placed,
        settings=settings.stack,
        image=settings.environment.image(member.region),
        ssh_public_key=settings.ssh_public_key,
        group=network.hosts_group.id,
        zone=network.zone,
        keys=keys.arns,
        buckets=storage.names,
        log_group=flow.group.arn,
        tags=settings.tags,
    )
    return Hosts("hosts", args, options)


def _hsm(settings: Settings, network: Network, options: pulumi.ResourceOptions) -> Hsm | None:
    if settings.stack.hsm != "cloudhsm":
        return None
    subnets = [subnet.id for subnet in network.subnets]
    stack = settings.stack
    return Hsm(
        "hsm", HsmArgs(settings.member.name, stack.hsm_instance_type, subnets, stack.deletion_protection), options
    )


def _peering(settings: Settings, network: Network, options: pulumi.ResourceOptions) -> Peering | None:
    if settings.peers is None:
        return None
    args = PeeringArgs(
        member=settings.member,
        vpc_id=network.vpc.id,
        route_table_id=network.route_table.id,
        group=network.hosts_group.id,
        zone=network.zone,
        peers=peer_plans(settings),
    )
    return Peering("peering", args, options)


def peer_plans(settings: Settings) -> list[PeerPlan]:
    """The other members whose signed facts are there, in the order of their names."""
    assert settings.peers is not None  # noqa: S101 - called in round 2 only
    found = facts.read_all(settings.peers, settings.environment)
    me = settings.member.name
    return [
        PeerPlan(settings.environment.member(name), fact.vpc_id, fact.peerings.get(me), fact.hosts)
        for name, fact in sorted(found.items())
        if name != me
    ]


def _outputs(
    settings: Settings,
    plans: tuple[addresses.SubnetPlan, ...],
    network: Network,
    keys: Keys,
    storage: Storage,
    hosts: Hosts,
    hsm: Hsm | None,
    peering: Peering | None,
) -> dict[str, Any]:
    member, environment = settings.member, settings.environment
    subnets = [
        {"id": subnet.id, "cidr": str(plan.cidr), "az": subnet.availability_zone, "az_id": plan.az_id}
        for plan, subnet in zip(plans, network.subnets, strict=True)
    ]
    return {
        "member": member.name,
        "account": member.account,
        "region": member.region,
        "vpc_id": network.vpc.id,
        "vpc_cidr": str(member.vpc_cidr),
        "zone_domain": environment.zone.domain,
        "availability_zones": [plan.az for plan in plans],
        "subnets": subnets,
        "hosts": [_host_output(environment, hosts, plan) for plan in hosts.plans],
        "kms_keys": keys.arns,
        "buckets": storage.names,
        "hsm": {
            "kind": settings.stack.hsm,
            "cluster_id": hsm.cluster.cluster_id if hsm else None,
            "module_path": settings.stack.hsm_module_path,
        },
        "peers_open": settings.peers is not None,
        "public_facts": {
            "member": member.name,
            "account": member.account,
            "region": member.region,
            "vpc_id": network.vpc.id,
            "cidrs": [str(member.vpc_cidr)],
            "zone": environment.zone.name,
            "environment": environment.name,
            "peerings": peering.requested if peering else {},
            "hosts": {plan.fqdn: str(plan.address) for plan in hosts.plans},
        },
    }


def _host_output(environment: Environment, hosts: Hosts, plan: HostPlan) -> dict[str, Any]:
    instance = hosts.instances[plan.host.name]
    return {
        "name": plan.host.name,
        "role": plan.host.role,
        "instance_id": instance.id,
        "private_ip": instance.private_ip,
        "az": plan.subnet.availability_zone,
        "az_id": environment.site(plan.host.availability_zone),
        "fqdn": plan.fqdn,
        "ssh_user": "admin",
    }
