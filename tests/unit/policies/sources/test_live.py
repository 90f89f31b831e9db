"""The live sweep against the local cloud: planted leaks in several regions, and nothing else, are found."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from policies.engine import evaluate
from policies.errors import SourceError
from policies.graph import Graph
from policies.outcomes import Finding, Outcome, Stage
from policies.sources.live import Coverage, sweep
from policies.zone import ZonePolicy
from tests.unit.policies.local_cloud import ACCOUNT, Cloud

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def planted(cloud: Cloud) -> dict[str, str]:
    """Leaks by rule: the id of the resource that must be found."""
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    group = ec2.create_security_group(GroupName="open", Description="open", VpcId=vpc)["GroupId"]
    anywhere = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=anywhere)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/24")["Subnet"]["SubnetId"]
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everyone]})
    kms = cloud.client("kms", "eu-west-3")
    shared = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    open_key = kms.create_key(Policy=policy)["KeyMetadata"]["KeyId"]
    far = cloud.client("kms", "us-east-1").create_key()["KeyMetadata"]["KeyId"]
    cloud.bucket("live-archive", "eu-central-1")
    rule = {"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::case-far"}}
    replication = {"Role": f"arn:aws:iam::{ACCOUNT}:role/r", "Rules": [rule]}
    cloud.s3().put_bucket_replication(Bucket="live-archive", ReplicationConfiguration=replication)
    return {
        "RES-001": far,
        "RES-010": "live-archive/BucketReplicationConfig",
        "RES-040": shared,
        "RES-042": open_key,
        "RES-085": gateway,
        "HRD-003": subnet,
        "HRD-004": group,
    }


@pytest.fixture(scope="module")
def swept(cloud: Cloud, planted: dict[str, str]) -> tuple[Graph, Coverage]:
    return sweep(cloud.session(), _zone(), endpoint=cloud.url)


def _zone() -> ZonePolicy:
    from tests.unit.policies.rule_cases import zone

    return zone()


def failures(found: list[Finding], rule: str) -> set[str]:
    return {f.resource.split("/", 3)[-1] for f in found if f.rule == rule and f.outcome is Outcome.FAIL}


def test_each_planted_leak_is_found(swept: tuple[Graph, Coverage], planted: dict[str, str]) -> None:
    found = evaluate(swept[0], _zone(), Stage.LIVE)
    for rule, identifier in planted.items():
        assert any(identifier in resource for resource in failures(found, rule)), rule


def test_nothing_else_is_found(swept: tuple[Graph, Coverage], planted: dict[str, str]) -> None:
    found = evaluate(swept[0], _zone(), Stage.LIVE)
    assert failures(found, "RES-040") == {planted["RES-040"]}
    assert failures(found, "RES-042") == {planted["RES-042"]}
    assert failures(found, "RES-085") == {planted["RES-085"]}
    assert failures(found, "RES-001") == {planted["RES-001"], "case-far", "case-far/BucketVersioning"}


def test_every_enabled_region_is_looked_at_and_empty_default_networks_are_set_aside(
    swept: tuple[Graph, Coverage],
) -> None:
    coverage = swept[1]
    assert coverage.zone_regions == ["eu-central-1", "eu-west-3"]
    assert "us-east-1" in coverage.probed_regions
    assert coverage.gaps == []
    assert any(each["region"] == "us-east-1" and each["resource"].startswith("vpc-") for each in coverage.set_aside)


def test_credentials_of_another_account_are_refused(cloud: Cloud) -> None:
    stranger = dataclasses.replace(_zone(), accounts={"member_a": "999988887777"})
    with pytest.raises(SourceError, match="none of zone"):
        sweep(cloud.session(), stranger, endpoint=cloud.url)


def test_a_service_that_errors_makes_its_rules_indeterminate(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from policies.sources.aws import account

    real = account.Account.pages

    def broken(self: Any, service: str, region: str, operation: str, key: str, **arguments: Any) -> Any:
        if operation == "list_keys" and region == "eu-west-3":
            raise ConnectionError("cut")
        return real(self, service, region, operation, key, **arguments)

    monkeypatch.setattr(account.Account, "pages", broken)
    graph, coverage = sweep(cloud.session(), _zone(), endpoint=cloud.url)
    assert {gap["type"] for gap in coverage.gaps} >= {"aws:kms/key:Key", "aws:kms/grant:Grant"}
    found = evaluate(graph, _zone(), Stage.LIVE)
    assert Outcome.INDETERMINATE in {f.outcome for f in found if f.rule == "RES-040"}
    assert Outcome.INDETERMINATE not in {f.outcome for f in found if f.rule == "RES-085"}
