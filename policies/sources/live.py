"""Live: what the cloud itself says, in every region the account has enabled, as a graph.

Zone regions are listed in full; every other enabled region is probed for anything that can hold or decrypt data. Calls
run side by side but bounded. A collector that fails leaves no gap unseen: its types become unavailable, and each rule
that reads one is indeterminate. The coverage says what was listed, where, and what could not be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import boto3

from policies.errors import SourceError
from policies.graph import UNKNOWN, Graph, Resource
from policies.outcomes import Stage
from policies.rules import RULES
from policies.sources.aws import (
    compute,
    control,
    copies,
    data,
    databases,
    deliveries,
    gateways,
    names,
    network,
    wide_area,
)
from policies.sources.aws.account import Account, error_code
from policies.sources.buckets import region_of_bucket
from policies.zone import ZonePolicy

__all__ = ["Coverage", "sweep"]

Collector = Callable[[Account, str, set[str]], Iterator[Resource]]
Types = tuple[str, ...]

_MODULES: tuple[Any, ...] = (network, gateways, compute, data, copies, databases, control, deliveries, names, wide_area)
_REGIONAL: dict[Types, Collector] = {types: one for each in _MODULES for types, one in each.COLLECTORS.items()}
_GLOBAL: dict[Types, Collector] = {
    types: one for each in _MODULES for types, one in getattr(each, "GLOBAL_COLLECTORS", {}).items()
}
_PROBES: tuple[Collector, ...] = (
    network.vpcs,
    network.subnets,
    compute.instances,
    compute.volumes,
    data.keys,
    data.secrets,
    data.hsm_clusters,
    copies.snapshots,
    copies.vaults,
    databases.instances,
    databases.clusters,
    databases.replicated_backups,
    databases.tables,
    deliveries.aggregators,
)
"""What is looked for outside the zone: networks, machines, disks, keys, secrets, databases, backups, and what gathers
findings there. Buckets are listed for all regions."""
_SERVICE: dict[Collector, str] = {
    data.keys: "kms",
    data.secrets: "secretsmanager",
    data.hsm_clusters: "cloudhsmv2",
    copies.vaults: "backup",
    databases.instances: "rds",
    databases.clusters: "rds",
    databases.replicated_backups: "rds",
    databases.tables: "dynamodb",
    deliveries.aggregators: "securityhub",
}
_STATED_WITH = {
    "aws:ec2/defaultRouteTable:DefaultRouteTable": "aws:ec2/route:Route",
    "aws:ec2/routeTable:RouteTable": "aws:ec2/route:Route",
    "aws:ec2/vpcEndpointServiceAllowedPrinciple:VpcEndpointServiceAllowedPrinciple": (
        "aws:ec2/vpcEndpointService:VpcEndpointService"
    ),
    "aws:iam/groupPolicy:GroupPolicy": "aws:iam/user:User",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": "aws:iam/user:User",
    "aws:iam/groupPolicyAttachmentsExclusive:GroupPolicyAttachmentsExclusive": "aws:iam/user:User",
    "aws:iam/policyAttachment:PolicyAttachment": "aws:iam/role:Role",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "aws:iam/role:Role",
    "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive": "aws:iam/role:Role",
    "aws:iam/userPolicy:UserPolicy": "aws:iam/user:User",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": "aws:iam/user:User",
    "aws:iam/userPolicyAttachmentsExclusive:UserPolicyAttachmentsExclusive": "aws:iam/user:User",
    "aws:ram/resourceShareAssociationsExclusive:ResourceShareAssociationsExclusive": (
        "aws:ram/principalAssociation:PrincipalAssociation"
    ),
    "aws:route53/recordsExclusive:RecordsExclusive": "aws:route53/record:Record",
    "aws:sqs/redrivePolicy:RedrivePolicy": "aws:sqs/queue:Queue",
    "aws:ssoadmin/managedPolicyAttachment:ManagedPolicyAttachment": "aws:iam/role:Role",
    "aws:ssoadmin/managedPolicyAttachmentsExclusive:ManagedPolicyAttachmentsExclusive": "aws:iam/role:Role",
    "aws:ssoadmin/permissionSetInlinePolicy:PermissionSetInlinePolicy": "aws:iam/rolePolicy:RolePolicy",
}
"""Types that a program may write and the cloud does not keep apart, with the type that states the same in a listing.
What a user or a group is given shows up as the user, who is a finding whatever the policies are; a permission set, as
the role that it becomes in the account."""
_WORKERS = 8


@dataclass
class Coverage:
    """What a sweep listed: counts by type and region, gaps with their reason, and what was left aside and why."""

    account: str = ""
    zone_regions: list[str] = field(default_factory=list)
    probed_regions: list[str] = field(default_factory=list)
    listed: dict[str, dict[str, int]] = field(default_factory=dict)
    gaps: list[dict[str, str]] = field(default_factory=list)
    set_aside: list[dict[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "account": self.account,
            "zone_regions": self.zone_regions,
            "probed_regions": self.probed_regions,
            "listed": {kind: dict(sorted(places.items())) for kind, places in sorted(self.listed.items())},
            "gaps": sorted(self.gaps, key=lambda gap: (gap["type"], gap["region"])),
            "set_aside": sorted(self.set_aside, key=lambda each: (each["region"], each["resource"])),
        }


@dataclass(frozen=True)
class _Task:
    types: Types
    collector: Collector
    region: str
    skip: set[str]
    absent: bool = False
    """The cloud's own list of endpoints says that the service is not in this region: there a failed call is no gap."""


def sweep(session: boto3.Session, zone: ZonePolicy, *, endpoint: str | None = None) -> tuple[Graph, Coverage]:
    """The graph of one account, by its own credentials, and what of it was covered.

    Raises:
        SourceError: the credentials do not work, or are not of an account of the zone.
    """
    account = Account(session, endpoint)
    coverage = Coverage(account=_number(account, zone))
    graph = Graph(bucket_lookup=lambda name: region_of_bucket(name, session, endpoint))
    enabled = _enabled_regions(account, zone, graph, coverage)
    coverage.zone_regions = [region for region in zone.regions if region in enabled]
    coverage.probed_regions = [region for region in enabled if region not in zone.regions]
    with ThreadPoolExecutor(_WORKERS) as pool:
        skips = dict(zip(enabled, pool.map(lambda region: _skip(account, region), enabled), strict=True))
        coverage.set_aside = [_set_aside(region, vpc) for region, vpcs in skips.items() for vpc in vpcs]
        tasks = list(_tasks(account, coverage, skips))
        results = pool.map(lambda task: _collect(account, task), tasks)
        for task, (found, problem) in zip(tasks, results, strict=True):
            _take(graph, coverage, task, found, problem)
        graph.facts["live"] = _facts(account, enabled, graph, coverage)
    _declare_uncovered(graph, coverage)
    return graph, coverage


def _number(account: Account, zone: ZonePolicy) -> str:
    try:
        number = account.number
    except Exception as error:
        raise SourceError(f"the cloud does not accept the member's credentials: {error_code(error)}") from error
    if not zone.has_account(number):
        raise SourceError(f"the credentials are of account {number}, which is none of zone {zone.name}")
    return number


def _enabled_regions(account: Account, zone: ZonePolicy, graph: Graph, coverage: Coverage) -> list[str]:
    try:
        enabled = {each["name"] for each in wide_area.all_regions(account) if each["opt_status"] != "not-opted-in"}
        enabled = {name for name in enabled if account.partition_of(name) == zone.partition}
        if account.home_region not in enabled:
            raise SourceError(f"DescribeRegions: {account.home_region}, where it answers, is not among them")
    except Exception as error:
        # Without the list nobody can say that a foreign region is empty.
        for kind in sorted({kind for types in (*_REGIONAL, *_GLOBAL) for kind in types}):
            _gap(graph, coverage, kind, "*", f"regions could not be listed: {error_code(error)}")
        return list(zone.regions)
    return sorted(enabled | set(zone.regions))


def _skip(account: Account, region: str) -> set[str]:
    try:
        return network.unused_default_vpcs(account, region)
    except Exception:
        return set()  # nothing is set aside where that cannot be shown


def _set_aside(region: str, vpc: str) -> dict[str, str]:
    return {"region": region, "resource": vpc, "reason": "default VPC with no network interface in it"}


def _tasks(account: Account, coverage: Coverage, skips: Mapping[str, set[str]]) -> Iterator[_Task]:
    for types, collector in _GLOBAL.items():
        yield _Task(types, collector, account.home_region, set())
    for types, collector in _REGIONAL.items():
        for region in coverage.zone_regions:
            yield _Task(types, collector, region, skips[region])
        if collector in _PROBES:
            for region in coverage.probed_regions:
                absent = not account.offers(_SERVICE.get(collector, "ec2"), region)
                yield _Task(types, collector, region, skips[region], absent)


def _collect(account: Account, task: _Task) -> tuple[list[Resource], Exception | None]:
    found: list[Resource] = []
    try:
        found.extend(task.collector(account, task.region, task.skip))
    except Exception as error:
        return found, error
    return found, None


def _take(graph: Graph, coverage: Coverage, task: _Task, found: Iterable[Resource], problem: Exception | None) -> None:
    for resource in found:
        graph.resources.append(resource)
        places = coverage.listed.setdefault(resource.type, {})
        place = resource.region if isinstance(resource.region, str) else "global"
        places[place] = places.get(place, 0) + 1
    if problem is not None and task.absent and not isinstance(problem, SourceError):
        reason = f"the service has no endpoint there ({error_code(problem)})"
        coverage.set_aside.append({"region": task.region, "resource": task.types[0], "reason": reason})
    elif problem is not None:
        for kind in task.types:
            _gap(graph, coverage, kind, task.region, error_code(problem))
    else:
        for kind in task.types:
            coverage.listed.setdefault(kind, {}).setdefault(task.region, 0)


def _gap(graph: Graph, coverage: Coverage, kind: str, region: str, reason: str) -> None:
    graph.unavailable[kind] = f"{reason} in {region}"
    coverage.gaps.append({"type": kind, "region": region, "reason": reason})


def _facts(account: Account, regions: list[str], graph: Graph, coverage: Coverage) -> dict[str, Any]:
    """What no resource type describes; a fact that cannot be read is unknown, and the coverage says so."""

    def everywhere(service: str, read: Callable[[Account, str], list[Any]], places: list[str]) -> list[Any]:
        return [each for place in places if account.offers(service, place) for each in read(account, place)]

    sources: dict[str, Callable[[], dict[str, Any]]] = {
        "organization": lambda: {"managed_here": control.manages_organization(account)},
        "cloudhsmv2": lambda: {"backups": everywhere("cloudhsmv2", data.hsm_backups, regions)},
        "dlm": lambda: {
            "default_policies": everywhere("dlm", copies.default_lifecycle_policies, coverage.zone_regions)
        },
        "account": lambda: {"regions": wide_area.all_regions(account)},
    }
    facts: dict[str, Any] = {}
    for name, read in sources.items():
        try:
            facts[name] = read()
        except Exception as error:
            facts[name] = UNKNOWN
            coverage.gaps.append({"type": f"live.{name}", "region": "*", "reason": error_code(error)})
    return facts


def _declare_uncovered(graph: Graph, coverage: Coverage) -> None:
    """A type that an enforced live rule reads and no collector answers for is a gap like any other.

    So is one that is stated with a type whose listing has a gap.
    """
    for kind, listed in _STATED_WITH.items():
        if listed in graph.unavailable:
            _gap(graph, coverage, kind, "*", f"it is stated with {listed}, which could not be listed")
    covered = {kind for types in (*_REGIONAL, *_GLOBAL) for kind in types} | _STATED_WITH.keys()
    for rule in RULES.values():
        if Stage.LIVE in rule.entry.stages:
            for read in rule.entry.reads:
                kind = read.get("type", "")
                if kind.startswith("aws:") and kind not in covered and kind not in graph.unavailable:
                    _gap(graph, coverage, kind, "*", "this version does not list it")
