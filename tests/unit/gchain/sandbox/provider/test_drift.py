"""What a refresh finds of changes made behind the provider's back, and what the next update would do about them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import LocalCloud
from .engine import Engine, Resource

VPC = "aws:ec2/vpc:Vpc"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INPUTS = {"cidrBlock": "10.8.0.0/16", "enableDnsHostnames": True, "tags": {"Name": "ledger"}}


@pytest.fixture
def vpc(engine: Engine) -> Iterator[Resource]:
    made = engine.create(VPC, "drifting", INPUTS)
    yield made
    engine.delete(made)


def test_a_changed_attribute_is_found_and_put_back(engine: Engine, cloud: LocalCloud, vpc: Resource) -> None:
    cloud.client("ec2").modify_vpc_attribute(VpcId=vpc.id, EnableDnsHostnames={"Value": False})
    assert engine.refresh(vpc)
    assert vpc.inputs["enableDnsHostnames"] is False
    assert engine.plan(vpc, INPUTS).changes == ["enableDnsHostnames"]
    engine.update(vpc, INPUTS)
    live = cloud.client("ec2").describe_vpc_attribute(VpcId=vpc.id, Attribute="enableDnsHostnames")
    assert live["EnableDnsHostnames"]["Value"] is True


def test_a_changed_and_an_added_tag_are_found_and_put_back(engine: Engine, cloud: LocalCloud, vpc: Resource) -> None:
    changed = [{"Key": "Name", "Value": "other"}, {"Key": "stray", "Value": "yes"}]
    cloud.client("ec2").create_tags(Resources=[vpc.id], Tags=changed)
    assert engine.refresh(vpc)
    assert vpc.inputs["tags"] == {"Name": "other", "stray": "yes"}
    engine.update(vpc, INPUTS)
    assert vpc.outputs["tagsAll"] == {"Name": "ledger", "gchain:member": "treasury"}


def test_a_removed_default_tag_is_found_and_put_back(engine: Engine, cloud: LocalCloud, vpc: Resource) -> None:
    cloud.client("ec2").delete_tags(Resources=[vpc.id], Tags=[{"Key": "gchain:member"}])
    assert engine.refresh(vpc)
    assert engine.plan(vpc, INPUTS).changes == ["tagsAll"]
    engine.update(vpc, INPUTS)
    assert vpc.outputs["tagsAll"]["gchain:member"] == "treasury"


def test_a_deleted_resource_is_gone(engine: Engine, cloud: LocalCloud) -> None:
    made = engine.create(VPC, "doomed", INPUTS)
    cloud.client("ec2").delete_vpc(VpcId=made.id)
    assert not engine.refresh(made)
    engine.delete(made)


def test_a_stray_rule_in_a_group_that_owns_its_rules_is_found(engine: Engine, cloud: LocalCloud, vpc: Resource) -> None:
    inputs = {"vpcId": vpc.id, "ingress": [], "description": "hosts"}
    group = engine.create(GROUP, "owning", inputs)
    stray = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    cloud.client("ec2").authorize_security_group_ingress(GroupId=group.id, IpPermissions=[stray])
    assert engine.refresh(group)
    assert engine.plan(group, inputs).changes == ["ingress"]
    engine.update(group, inputs)
    assert cloud.client("ec2").describe_security_groups(GroupIds=[group.id])["SecurityGroups"][0]["IpPermissions"] == []
    engine.delete(group)


def test_a_rule_of_its_own_in_a_group_without_inline_rules_is_no_drift(
    engine: Engine, cloud: LocalCloud, vpc: Resource
) -> None:
    group = engine.create(GROUP, "shared", {"vpcId": vpc.id})
    rule = engine.create(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "api",
        {"securityGroupId": group.id, "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "10.0.0.0/8"},
    )
    before = dict(group.outputs)
    assert engine.refresh(group)
    assert group.outputs == before
    engine.delete(rule)
    engine.delete(group)


def test_a_bucket_policy_taken_away_is_gone(engine: Engine, cloud: LocalCloud) -> None:
    bucket = engine.create("aws:s3/bucket:Bucket", "policed", {"bucket": "gchain-drift-policy"})
    document = '{"Version": "2012-10-17", "Statement": []}'
    inputs = {"bucket": bucket.id, "policy": document}
    policy = engine.create("aws:s3/bucketPolicy:BucketPolicy", "policed", inputs)
    cloud.client("s3").delete_bucket_policy(Bucket=bucket.id)
    assert not engine.refresh(policy)
    engine.delete(bucket)
