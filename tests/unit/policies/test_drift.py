"""What differs between plan, state and live is reported; what a provider chose by itself is not."""

from __future__ import annotations

from typing import Any

import pytest

from policies import drift
from policies.errors import SourceError
from policies.graph import Graph, Resource

STACK = "sandbox-treasury"
BUCKET = "aws:s3/bucketVersioning:BucketVersioning"
VPC, KEY, GROUP = "aws:ec2/vpc:Vpc", "aws:kms/key:Key", "aws:ec2/subnet:Subnet"


def entry(kind: str, identifier: str, inputs: dict[str, Any], outputs: dict[str, Any] | None = None) -> dict[str, Any]:
    urn = f"urn:pulumi:{STACK}::gchain::{kind}::{identifier}"
    outputs = {"region": "eu-central-1", **(inputs if outputs is None else outputs)}
    return {"urn": urn, "type": kind, "id": identifier, "inputs": inputs, "outputs": outputs}


def live(kind: str, identifier: str, properties: dict[str, Any]) -> Resource:
    stated = {"region": "eu-central-1", **properties}
    return Resource(f"1/{identifier}", kind, identifier, stated, physical_id=identifier)


def compared(entries: list[dict[str, Any]], *resources: Resource, **given: Any) -> list[drift.Drift]:
    export = {"version": 3, "deployment": {"resources": entries}}
    return drift.compare({STACK: export}, Graph(list(resources)), **given)


def test_a_setting_changed_by_hand_is_shown_with_its_three_values() -> None:
    subnet = entry(GROUP, "subnet-1", {"mapPublicIpOnLaunch": False})
    found = compared([subnet], live(GROUP, "subnet-1", {"mapPublicIpOnLaunch": True}))
    assert [(d.kind, d.property, d.planned, d.recorded, d.live) for d in found] == [
        ("changed", "mapPublicIpOnLaunch", False, False, True)
    ]


def test_what_agrees_is_no_drift_whatever_its_spacing_and_order() -> None:
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["a","b"]}]}'
    same = '{"Statement": {"Action": ["b", "a"], "Effect": "Allow"}, "Version": "2012-10-17"}'
    key = entry(KEY, "k-1", {"policy": policy, "multiRegion": None})
    assert compared([key], live(KEY, "k-1", {"policy": same, "multiRegion": False})) == []


def test_a_default_that_nobody_asked_for_is_no_drift() -> None:
    vpc = entry(VPC, "vpc-1", {"cidrBlock": "10.20.0.0/16"})
    found = compared([vpc], live(VPC, "vpc-1", {"cidrBlock": "10.20.0.0/16", "ipv6CidrBlock": "2001:db8::/56"}))
    assert found == []


def test_a_part_of_a_bucket_is_compared_with_the_same_part_of_the_same_bucket() -> None:
    enabled, off = ({"versioningConfiguration": {"status": state}} for state in ("Enabled", "Suspended"))
    stack = [entry(BUCKET, name, {"bucket": name, **enabled}) for name in ("one", "two")]
    clouds = [
        live(BUCKET, f"{name}/BucketVersioning", {"bucket": name, **state})
        for name, state in (("one", enabled), ("two", off))
    ]
    assert [d.resource.rpartition("::")[2] for d in compared(stack, *clouds)] in ([], ["two"])


def test_what_is_gone_and_what_was_made_by_hand_are_told_apart() -> None:
    found = compared([entry(VPC, "vpc-1", {"cidrBlock": "10.20.0.0/16"})], live(VPC, "vpc-2", {}))
    assert [(d.kind, d.recorded, d.live) for d in found] == [("gone", "vpc-1", None), ("unmanaged", None, "vpc-2")]


def test_nothing_is_called_gone_where_its_type_could_not_be_listed() -> None:
    export = {"version": 3, "deployment": {"resources": [entry(VPC, "vpc-1", {"cidrBlock": "10.20.0.0/16"})]}}
    assert drift.compare({STACK: export}, Graph([], unavailable={VPC: "AccessDenied in eu-central-1"})) == []


def test_what_belongs_to_the_backend_is_not_called_unmanaged() -> None:
    vpc = entry(VPC, "vpc-1", {})
    found = compared([vpc], live(VPC, "vpc-1", {}), live(KEY, "k-9", {}), own=["k-9"])
    assert found == []


def test_a_secret_is_not_shown() -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"hunter22"'}
    group = entry(VPC, "vpc-1", {"cidrBlock": secret}, {"cidrBlock": secret})
    found = compared([group], live(VPC, "vpc-1", {"cidrBlock": "10.9.0.0/16"}))
    assert "hunter22" not in str(found)


def test_an_export_of_another_stack_is_refused() -> None:
    export = {"version": 3, "deployment": {"resources": [entry(VPC, "vpc-1", {})]}}
    with pytest.raises(SourceError, match="not of stack"):
        drift.compare({"sandbox-health": export}, Graph())
