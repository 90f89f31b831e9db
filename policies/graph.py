"""The normalised resource graph that every stage fills and every rule reads.

Resource types are the tokens of the Pulumi AWS provider (`aws:s3/bucket:Bucket`), properties are in camelCase. A value
that is not known yet is `UNKNOWN`; a rule that reads one is indeterminate. Facts that no resource describes lie in
`facts`, a tree with the roots of the catalogue (`node`, `ledger`, `stack`, `env`, `register`, ...).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from policies.canonical import digest

__all__ = ["PROVIDER", "UNKNOWN", "BucketLookup", "Graph", "Resource", "Unknown", "is_regional"]

PROVIDER: Final = "pulumi:providers:aws"

BucketLookup = Callable[[str], str | None]
"""Asks the cloud for the region of a bucket by name; None where it does not know."""


class Unknown:
    """A value that nobody knows yet, or cannot read."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()

_REGION_MEANS_TARGET = frozenset(
    {
        "aws:cloudformation/stackSetInstance:StackSetInstance",
        "aws:cfg/aggregateAuthorization:AggregateAuthorization",
        "aws:servicequotas/template:Template",
        "aws:ssmincidents/replicationSet:ReplicationSet",
    }
)
"""Types whose property `region` names a target and not their own place (header of the catalogue)."""

_GLOBAL_MODULES = frozenset(
    {
        *("iam", "organizations", "route53", "cloudfront", "globalaccelerator", "account", "waf", "shield", "budgets"),
        *("networkmanager", "cur", "bcmdata"),
    }
)
_GLOBAL_TYPES = frozenset(
    {
        "aws:backup/globalSettings:GlobalSettings",
        "aws:directconnect/gateway:Gateway",
        "aws:directconnect/gatewayAssociation:GatewayAssociation",
        "aws:s3control/multiRegionAccessPoint:MultiRegionAccessPoint",
    }
)
_REGIONAL_PREFIX = "route53/resolver"
_ZONE_NAME = re.compile(r"^((?:[a-z]{2}(?:-[a-z]+)+-\d)|(?:us-gov-[a-z]+-\d))[a-z]$")


def is_regional(resource_type: str) -> bool:
    """Whether resources of this type lie in one region: AWS resources outside the partition-wide services."""
    module, _, rest = resource_type.partition(":")
    if module != "aws" or resource_type in _GLOBAL_TYPES:
        return False
    return rest.startswith(_REGIONAL_PREFIX) or rest.split("/", 1)[0] not in _GLOBAL_MODULES


@dataclass(frozen=True, eq=False)
class Resource:
    """One resource: `id` is its URN (plan, state) or its ARN or native id (live).

    `physical_id` is the cloud's own id where known, `secrets` holds plain texts that no message may show.
    """

    id: str
    type: str
    name: str
    properties: Mapping[str, Any]
    provider: Resource | None = None
    provider_is_default: bool | None = None
    protect: bool | None = None
    retain_on_delete: bool | None = None
    physical_id: str | None = None
    secrets: frozenset[str] = frozenset()

    @cached_property
    def region(self) -> str | Unknown | None:
        """The effective region: own property, else the provider's, else that in ARN or zone; None if not regional."""
        if self.type == PROVIDER:
            return _region_value(self.properties.get("region", UNKNOWN))
        if not is_regional(self.type):
            return None
        own = self.properties.get("region")
        if own is not None and self.type not in _REGION_MEANS_TARGET:
            return _region_value(own)
        if self.provider is not None and self.provider.region is not UNKNOWN:
            return self.provider.region
        return self._region_in_names()

    def _region_in_names(self) -> str | Unknown:
        arn = self.properties.get("arn")
        if isinstance(arn, str) and len(parts := arn.split(":")) >= 6 and parts[3]:
            return parts[3]
        zone = self.properties.get("availabilityZone")
        if isinstance(zone, str) and (match := _ZONE_NAME.match(zone)):
            return match.group(1)
        return UNKNOWN

    @cached_property
    def evidence(self) -> str:
        """Digest of what was seen; unknown and secret values enter by the fact that they are such."""
        seen = {"id": self.id, "type": self.type, "region": self.region, "properties": self.properties}
        return digest(_hashable(seen, self.secrets))


def _region_value(value: Any) -> str | Unknown:
    return value if isinstance(value, str) and value else UNKNOWN


def _hashable(value: Any, secrets: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _hashable(item, secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_hashable(item, secrets) for item in value]
    if isinstance(value, Unknown):
        return {"unknown": True}
    if isinstance(value, str) and value in secrets:
        return {"secret": True}
    # RFC 8785 numbers are doubles: an integer beyond 2^53 has no canonical form.
    return str(value) if isinstance(value, int) and abs(value) > 2**53 else value


@dataclass
class Graph:
    """Resources by type, and facts. `unavailable` names what the source could not list: type token to reason."""

    resources: list[Resource] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    bucket_lookup: BucketLookup | None = None
    _owned: dict[tuple[str, str], tuple[Mapping[str, list[Resource]], bool]] = field(default_factory=dict)
    _identifiers: dict[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def _by_type(self) -> dict[str, list[Resource]]:
        index: dict[str, list[Resource]] = defaultdict(list)
        for resource in self.resources:
            index[resource.type].append(resource)
        return index

    @cached_property
    def by_id(self) -> dict[str, Resource]:
        return {resource.id: resource for resource in self.resources}

    @cached_property
    def types(self) -> frozenset[str]:
        return frozenset(self._by_type)

    def of_type(self, *types: str) -> Iterable[Resource]:
        """Every resource of the given types, in the source's order."""
        for name in types:
            yield from self._by_type.get(name, ())

    def owned(self, kind: str, name: str) -> tuple[Mapping[str, list[Resource]], bool]:
        """Resources of one type by the owner that property `name` names; and whether one of them does not tell."""
        if (kind, name) not in self._owned:
            by_owner: dict[str, list[Resource]] = defaultdict(list)
            unsure = False
            for child in self.of_type(kind):
                owner = child.properties.get(name)
                if isinstance(owner, str):
                    by_owner[owner].append(child)
                unsure = unsure or not isinstance(owner, str)
            self._owned[kind, name] = (by_owner, unsure)
        return self._owned[kind, name]

    def identifiers(self, kind: str) -> frozenset[str]:
        """The cloud's ids and the ARNs of every resource of one type, where known."""
        if kind not in self._identifiers:
            given = ((each.physical_id, each.properties.get("arn")) for each in self.of_type(kind))
            self._identifiers[kind] = frozenset(name for names in given for name in names if isinstance(name, str))
        return self._identifiers[kind]

    @cached_property
    def _bucket_regions(self) -> dict[str, str | Unknown | None]:
        regions: dict[str, str | Unknown | None] = {}
        for bucket in self.of_type("aws:s3/bucket:Bucket"):
            for name in (bucket.properties.get("bucket"), bucket.physical_id):
                if isinstance(name, str):
                    regions[name] = bucket.region
        return regions

    def bucket_region(self, name: str) -> str | Unknown | None:
        """The region of a bucket that this graph or its cloud knows; None if neither does."""
        if name in self._bucket_regions:
            return self._bucket_regions[name]
        return self.bucket_lookup(name) if self.bucket_lookup else None
