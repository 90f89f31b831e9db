"""Cloud states from `tests/cases/sandbox/network/*.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gchain.sandbox.network.state import (
    AclEntry,
    CloudState,
    Instance,
    Interface,
    NetworkAcl,
    Peering,
    Permission,
    Route,
    SecurityGroup,
    Subnet,
    Vpc,
    Zone,
)

CASES = Path(__file__).parents[4] / "cases" / "sandbox" / "network"


def _frozen(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


def _subnet(entry: dict[str, Any]) -> Subnet:
    return Subnet(**{**entry, "routes": tuple(Route(*each) for each in entry["routes"])})


def _acl(entry: dict[str, Any]) -> NetworkAcl:
    return NetworkAcl(entry["id"], tuple(AclEntry(**_frozen(each)) for each in entry["entries"]))


def _group(entry: dict[str, Any]) -> SecurityGroup:
    def permissions(key: str) -> tuple[Permission, ...]:
        return tuple(Permission(**_frozen(each)) for each in entry.get(key, []))

    return SecurityGroup(entry["id"], entry["vpc"], permissions("ingress"), permissions("egress"))


def _zone(entry: dict[str, Any]) -> Zone:
    records = {(name, kind): tuple(values) for name, kind, values in entry["records"]}
    return Zone(entry["name"], frozenset(entry["vpcs"]), records)


def load(name: str) -> CloudState:
    """The state of a case file."""
    document = json.loads((CASES / f"{name}.json").read_text())

    def keyed(key: str, make: Any) -> dict[str, Any]:
        return {each["id"]: make(each) for each in document[key]}

    return CloudState(
        vpcs=keyed("vpcs", lambda each: Vpc(**_frozen(each))),
        subnets=keyed("subnets", _subnet),
        peerings=keyed("peerings", lambda each: Peering(**each)),
        acls=keyed("acls", _acl),
        groups=keyed("groups", _group),
        interfaces=keyed("interfaces", lambda each: Interface(**_frozen(each))),
        instances=keyed("instances", lambda each: Instance(**each)),
        zones=tuple(_zone(each) for each in document["zones"]),
    )


@pytest.fixture
def two_vpcs() -> CloudState:
    return load("two_vpcs")
