"""Drift: what was asked for (plan), what the stack recorded (state) and what the cloud says (live), side by side.

A stack export holds the first two of each resource: its inputs and its outputs. Compared are the properties that some
rule of the catalogue reads and that the live source states, so a report of drift is about what the rules rest on. What
nobody asked for and the provider chose by itself is no drift, nor is the order of a list or the spacing of a document.

Kinds: `changed` (live differs from what was asked or recorded), `gone` (recorded, and not listed where its type was
listed in full), `unmanaged` (in the cloud, and in no stack of the account).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from policies.catalogue import catalogue
from policies.graph import Graph, Resource, Unknown
from policies.sources.stack_state import graph as graph_of_export

__all__ = ["Drift", "compare", "lines"]

_UNSET: tuple[Any, ...] = (None, "", [], {}, False)
_OWNER = {
    "aws:s3/bucketLogging:BucketLogging": "bucket",
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": "bucket",
    "aws:s3/bucketPolicy:BucketPolicy": "bucket",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "bucket",
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": "bucket",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "bucket",
    "aws:s3/bucketVersioning:BucketVersioning": "bucket",
    "aws:ebs/encryptionByDefault:EncryptionByDefault": "region",
    "aws:ebs/defaultKmsKey:DefaultKmsKey": "region",
    "aws:ec2/vpcBlockPublicAccessOptions:VpcBlockPublicAccessOptions": "region",
    "aws:securityhub/account:Account": "region",
    "aws:cfg/recorder:Recorder": "region",
    "aws:cfg/recorderStatus:RecorderStatus": "region",
    "aws:cfg/deliveryChannel:DeliveryChannel": "region",
    "aws:inspector2/enabler:Enabler": "region",
    "aws:cloudtrail/trail:Trail": "name",
}
"""Types of which an owner has one, and the property that names the owner; others are matched by the cloud's id."""

_HAND_MADE = frozenset(
    {
        "aws:ec2/vpc:Vpc",
        "aws:ec2/subnet:Subnet",
        "aws:ec2/instance:Instance",
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/natGateway:NatGateway",
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "aws:ec2/customerGateway:CustomerGateway",
        "aws:ec2/vpnConnection:VpnConnection",
        "aws:ebs/volume:Volume",
        "aws:kms/key:Key",
        "aws:s3/bucket:Bucket",
        "aws:iam/role:Role",
        "aws:iam/policy:Policy",
        "aws:cloudhsmv2/cluster:Cluster",
        "aws:dynamodb/table:Table",
        "aws:rds/instance:Instance",
        "aws:sqs/queue:Queue",
        "aws:sns/topic:Topic",
    }
)
"""Types whose live id is the id that a stack records: one that no stack knows was made by hand."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference. `resource` is the URN, or the live id of what no stack knows; values are JSON-ready."""

    kind: str
    resource: str
    type: str
    property: str
    planned: Any = None
    recorded: Any = None
    live: Any = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(exports: Mapping[str, Mapping[str, Any]], live: Graph, *, own: Iterable[str] = ()) -> list[Drift]:
    """The differences between the stacks of one account and a live sweep of it, in the order of the exports.

    Args:
        exports: stack name -> `pulumi stack export`.
        own: physical ids that belong to the kit itself and are in no stack, such as the backend bucket and its key.

    Raises:
        SourceError: an export is truncated or of another stack.
    """
    found: list[Drift] = []
    by_identity = _index(live.resources)
    matched: set[int] = set()
    for stack, export in exports.items():
        planned = _inputs(export)
        for recorded in graph_of_export(export, stack).resources:
            other = by_identity.get(_identity(recorded))
            if other is not None:
                matched.add(id(other))
                found += _differences(recorded, planned.get(recorded.id, {}), other)
            elif _is_gone(recorded, live):
                found.append(Drift("gone", recorded.id, recorded.type, "", recorded=recorded.physical_id))
    return [*found, *_unmanaged(live, matched, frozenset(own))]


def _index(resources: Iterable[Resource]) -> dict[tuple[str, str], Resource]:
    return {_identity(resource): resource for resource in resources}


def _identity(resource: Resource) -> tuple[str, str]:
    owner = _OWNER.get(resource.type)
    if owner == "region":
        return resource.type, str(resource.region)
    if owner is not None:
        return resource.type, str(resource.properties.get(owner))
    return resource.type, str(resource.physical_id)


def _inputs(export: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {entry["urn"]: entry.get("inputs") or {} for entry in export["deployment"]["resources"]}


@cache
def _read_properties() -> Mapping[str, frozenset[str]]:
    """The top-level properties of each type that some rule reads."""
    names: dict[str, set[str]] = defaultdict(set)
    for entry in catalogue().values():
        for read in entry.reads:
            for name in read.get("properties", ()):
                names[read.get("type", "")].add(name.partition(".")[0].partition("[")[0])
    return {kind: frozenset(found) for kind, found in names.items()}


def _differences(recorded: Resource, planned: Mapping[str, Any], live: Resource) -> Iterator[Drift]:
    for name in sorted(_read_properties().get(recorded.type, frozenset()) & live.properties.keys()):
        if name not in planned and name not in recorded.properties:
            continue  # nobody asked for it and the stack does not know it: the provider's own default
        known = recorded.properties.get(name)
        asked = planned.get(name, known)
        values = (asked, known, live.properties[name])
        if any(isinstance(value, Unknown) for value in values) or name == "region":
            continue
        if not (_same(asked, values[2]) or _same(known, values[2])):
            shown = [_shown(value, recorded) for value in values]
            yield Drift("changed", recorded.id, recorded.type, name, *shown)


def _same(left: Any, right: Any) -> bool:
    """Whether `right`, the fuller side, says what `left` says."""
    left, right = _plain(left), _plain(right)
    if left in _UNSET or right in _UNSET:
        return left in _UNSET and right in _UNSET
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return all(_same(left[key], right[key]) for key in left.keys() & right.keys())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(any(_same(one, other) for other in right) for one in left)
    if isinstance(left, list) and len(left) == 1:
        return _same(left[0], right)
    if isinstance(right, list) and len(right) == 1:
        return _same(left, right[0])
    return str(left) == str(right)


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _shown(value: Any, resource: Resource) -> Any:
    text = json.dumps(value, default=str)
    return "[secret]" if any(secret in text for secret in resource.secrets if len(secret) >= 4) else value


def _is_gone(recorded: Resource, live: Graph) -> bool:
    """Only of a type that a sweep matches by id and listed without a gap; of the rest nobody can say."""
    return recorded.type in _HAND_MADE and recorded.type not in live.unavailable and bool(recorded.physical_id)


def _unmanaged(live: Graph, matched: set[int], own: frozenset[str]) -> Iterator[Drift]:
    for resource in live.resources:
        if resource.type in _HAND_MADE and id(resource) not in matched and resource.physical_id not in own:
            yield Drift("unmanaged", resource.id, resource.type, "", live=resource.physical_id)


def lines(found: Any) -> Iterator[str]:
    """The drift of a report, as it stands in the live stage's coverage, for people to read."""
    if not isinstance(found, list):
        yield f"drift: not known: {(found or {}).get('unknown', 'the live stage did not run')}"
        return
    yield f"drift: {len(found)} differences between plan, state and live"
    for each in found:
        values = " ".join(f"{name}={json.dumps(each[name])}" for name in ("planned", "recorded", "live"))
        yield f"{each['kind']:<10}{each['resource']} {each['property']} {values if each['property'] else ''}".rstrip()
