"""What moto lacks and the kit needs, over the same API as everything else."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gchain.sandbox.hosts.console import CONSOLE_FILE


@pytest.fixture
def network(alpha: Any) -> dict[str, Any]:
    """A VPC with two subnets of its own, and the client that made it."""
    ec2 = alpha("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.21.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.21.{index}.0/24", AvailabilityZone=f"eu-central-1{zone}")
        for index, zone in enumerate("ab")
    ]
    return {"ec2": ec2, "vpc": vpc, "subnets": [each["Subnet"]["SubnetId"] for each in subnets]}


def test_the_console_is_the_real_hosts(cloud: Any, network: dict[str, Any]) -> None:
    ec2 = network["ec2"]
    launched = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, SubnetId=network["subnets"][0])
    instance = launched["Instances"][0]["InstanceId"]
    assert ec2.get_console_output(InstanceId=instance)["Output"] == ""
    (cloud.consoles / instance).mkdir()
    (cloud.consoles / instance / CONSOLE_FILE).write_text("x" * 70_000 + "the end")
    output = ec2.get_console_output(InstanceId=instance)["Output"]
    assert output.endswith("the end")
    assert len(output) == 64 * 1024


def test_dhcp_options_keep_the_tags_given_at_creation(network: dict[str, Any]) -> None:
    options = network["ec2"].create_dhcp_options(
        DhcpConfigurations=[{"Key": "ntp-servers", "Values": ["169.254.169.123"]}],
        TagSpecifications=[{"ResourceType": "dhcp-options", "Tags": [{"Key": "owner", "Value": "tax"}]}],
    )["DhcpOptions"]["DhcpOptionsId"]
    (found,) = network["ec2"].describe_dhcp_options(DhcpOptionsIds=[options])["DhcpOptions"]
    assert found["Tags"] == [{"Key": "owner", "Value": "tax"}]


def test_a_new_network_acl_ends_in_a_denial_both_ways(network: dict[str, Any]) -> None:
    entries = network["ec2"].create_network_acl(VpcId=network["vpc"])["NetworkAcl"]["Entries"]
    assert sorted((each["RuleNumber"], each["Egress"], each["RuleAction"]) for each in entries) == [
        (32767, False, "deny"),
        (32767, True, "deny"),
    ]


def test_endpoint_interfaces_stand_in_their_subnets_with_their_groups(network: dict[str, Any]) -> None:
    ec2 = network["ec2"]
    group = ec2.create_security_group(GroupName="ep", Description="ep", VpcId=network["vpc"])["GroupId"]
    endpoint = ec2.create_vpc_endpoint(
        VpcId=network["vpc"],
        ServiceName="com.amazonaws.eu-central-1.kms",
        VpcEndpointType="Interface",
        SubnetIds=network["subnets"],
        SecurityGroupIds=[group],
    )["VpcEndpoint"]
    found = ec2.describe_network_interfaces(NetworkInterfaceIds=endpoint["NetworkInterfaceIds"])["NetworkInterfaces"]
    assert {each["SubnetId"] for each in found} == set(network["subnets"])
    assert all(IPv4Address(each["PrivateIpAddress"]) in IPv4Network("10.21.0.0/16") for each in found)
    assert all([each["GroupId"] for each in interface["Groups"]] == [group] for interface in found)


def test_encryption_by_default_encrypts_new_volumes_with_the_accounts_key(alpha: Any) -> None:
    ec2 = alpha("ec2", "eu-west-3")
    volume = {"Size": 1, "AvailabilityZone": "eu-west-3a"}
    assert not ec2.create_volume(**volume)["Encrypted"]
    key = alpha("kms", "eu-west-3").create_key()["KeyMetadata"]["Arn"]
    ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    ec2.enable_ebs_encryption_by_default()
    made = ec2.create_volume(**volume)
    assert (made["Encrypted"], made["KmsKeyId"]) == (True, key)
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == key


def test_vpc_block_public_access_and_its_exclusions(alpha: Any, network: dict[str, Any]) -> None:
    ec2 = network["ec2"]
    ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode="block-bidirectional")
    options = ec2.describe_vpc_block_public_access_options()["VpcBlockPublicAccessOptions"]
    assert options["InternetGatewayBlockMode"] == "block-bidirectional"
    other = alpha("ec2", "eu-west-3").describe_vpc_block_public_access_options()["VpcBlockPublicAccessOptions"]
    assert other["InternetGatewayBlockMode"] == "off"
    made = ec2.create_vpc_block_public_access_exclusion(
        VpcId=network["vpc"], InternetGatewayExclusionMode="allow-egress"
    )["VpcBlockPublicAccessExclusion"]["ExclusionId"]
    listed = ec2.describe_vpc_block_public_access_exclusions(ExclusionIds=[made])["VpcBlockPublicAccessExclusions"]
    assert listed[0]["ResourceArn"].endswith(f"vpc/{network['vpc']}")
    ec2.delete_vpc_block_public_access_exclusion(ExclusionId=made)
    assert not ec2.describe_vpc_block_public_access_exclusions(ExclusionIds=[made])["VpcBlockPublicAccessExclusions"]


def test_an_hsm_cluster_goes_through_its_states(alpha: Any, network: dict[str, Any]) -> None:
    hsm = alpha("cloudhsmv2")
    cluster = hsm.create_cluster(HsmType="hsm2m.medium", SubnetIds=network["subnets"], Mode="FIPS")["Cluster"]
    identifier = cluster["ClusterId"]
    assert (cluster["State"], cluster["VpcId"]) == ("UNINITIALIZED", network["vpc"])
    assert cluster["SubnetMapping"] == dict(zip(("eu-central-1a", "eu-central-1b"), network["subnets"], strict=True))
    with pytest.raises(ClientError, match="create an HSM"):
        hsm.initialize_cluster(ClusterId=identifier, SignedCert="c", TrustAnchor="t")
    made = hsm.create_hsm(ClusterId=identifier, AvailabilityZone="eu-central-1a")["Hsm"]
    assert IPv4Address(made["EniIp"]) in IPv4Network("10.21.0.0/24")
    assert hsm.initialize_cluster(ClusterId=identifier, SignedCert="c", TrustAnchor="t")["State"] == "INITIALIZED"
    with pytest.raises(ClientError, match="HSMs"):
        hsm.delete_cluster(ClusterId=identifier)
    hsm.delete_hsm(ClusterId=identifier, HsmId=made["HsmId"])
    hsm.delete_cluster(ClusterId=identifier)
    assert identifier not in [each["ClusterId"] for each in hsm.describe_clusters()["Clusters"]]


def test_an_hsm_cluster_stands_in_one_vpc_with_one_subnet_a_zone(alpha: Any, network: dict[str, Any]) -> None:
    ec2 = network["ec2"]
    twice = ec2.create_subnet(VpcId=network["vpc"], CidrBlock="10.21.9.0/24", AvailabilityZone="eu-central-1a")
    with pytest.raises(ClientError, match="one subnet in each"):
        alpha("cloudhsmv2").create_cluster(
            HsmType="hsm2m.medium", SubnetIds=[network["subnets"][0], twice["Subnet"]["SubnetId"]], Mode="FIPS"
        )


@pytest.fixture
def name_filter(alpha: Any, network: dict[str, Any]) -> dict[str, Any]:
    """A DNS Firewall with one rule, associated with the network's VPC."""
    resolver = alpha("route53resolver")
    group = resolver.create_firewall_rule_group(CreatorRequestId="1", Name="closed")["FirewallRuleGroup"]
    names = resolver.create_firewall_domain_list(
        CreatorRequestId="1", Name="all", Tags=[{"Key": "owner", "Value": "tax"}]
    )["FirewallDomainList"]
    resolver.update_firewall_domains(FirewallDomainListId=names["Id"], Operation="ADD", Domains=["*", "Tax.example"])
    rule = {"FirewallRuleGroupId": group["Id"], "FirewallDomainListId": names["Id"]}
    block = {"Action": "BLOCK", "BlockResponse": "NODATA", "Priority": 10, "Name": "rest"}
    resolver.create_firewall_rule(CreatorRequestId="1", **rule, **block)
    association = resolver.associate_firewall_rule_group(
        CreatorRequestId="1", FirewallRuleGroupId=group["Id"], VpcId=network["vpc"], Priority=101, Name="closed"
    )["FirewallRuleGroupAssociation"]
    return {"resolver": resolver, "rule": rule, "names": names, "association": association["Id"]}


def test_a_dns_firewall_keeps_names_rules_and_tags(name_filter: dict[str, Any]) -> None:
    resolver, rule = name_filter["resolver"], name_filter["rule"]
    listed = resolver.list_firewall_domains(FirewallDomainListId=rule["FirewallDomainListId"])["Domains"]
    assert listed == ["*", "tax.example."]
    (found,) = resolver.list_firewall_rules(FirewallRuleGroupId=rule["FirewallRuleGroupId"])["FirewallRules"]
    assert (found["Action"], found["BlockResponse"], found["Priority"]) == ("BLOCK", "NODATA", 10)
    tags = resolver.list_tags_for_resource(ResourceArn=name_filter["names"]["Arn"])["Tags"]
    assert tags == [{"Key": "owner", "Value": "tax"}]


def test_what_a_dns_firewall_uses_cannot_be_deleted(name_filter: dict[str, Any]) -> None:
    resolver, rule = name_filter["resolver"], name_filter["rule"]
    with pytest.raises(ClientError, match="ConflictException"):
        resolver.delete_firewall_domain_list(FirewallDomainListId=rule["FirewallDomainListId"])
    resolver.delete_firewall_rule(**rule)
    resolver.delete_firewall_domain_list(FirewallDomainListId=rule["FirewallDomainListId"])
    with pytest.raises(ClientError, match="ConflictException"):
        resolver.delete_firewall_rule_group(FirewallRuleGroupId=rule["FirewallRuleGroupId"])
    resolver.disassociate_firewall_rule_group(FirewallRuleGroupAssociationId=name_filter["association"])
    resolver.delete_firewall_rule_group(FirewallRuleGroupId=rule["FirewallRuleGroupId"])
    listed = {group["Id"] for group in resolver.list_firewall_rule_groups()["FirewallRuleGroups"]}
    assert rule["FirewallRuleGroupId"] not in listed


def test_a_protected_association_can_be_neither_moved_nor_taken_away(name_filter: dict[str, Any]) -> None:
    resolver, which = name_filter["resolver"], {"FirewallRuleGroupAssociationId": name_filter["association"]}
    resolver.update_firewall_rule_group_association(**which, MutationProtection="ENABLED")
    with pytest.raises(ClientError, match="ConflictException"):
        resolver.update_firewall_rule_group_association(**which, Priority=300)
    with pytest.raises(ClientError, match="ConflictException"):
        resolver.disassociate_firewall_rule_group(**which)
    resolver.update_firewall_rule_group_association(**which, MutationProtection="DISABLED", Priority=300)
    resolver.disassociate_firewall_rule_group(**which)


@pytest.mark.parametrize("priority", [100, 9900])
def test_a_dns_firewall_refuses_priorities_that_the_service_keeps(name_filter: dict[str, Any], priority: int) -> None:
    which = {"FirewallRuleGroupAssociationId": name_filter["association"]}
    with pytest.raises(ClientError, match="ValidationException"):
        name_filter["resolver"].update_firewall_rule_group_association(**which, Priority=priority)


def test_a_vpc_fails_closed_until_someone_opens_it(name_filter: dict[str, Any], network: dict[str, Any]) -> None:
    resolver, vpc = name_filter["resolver"], network["vpc"]
    assert resolver.get_firewall_config(ResourceId=vpc)["FirewallConfig"]["FirewallFailOpen"] == "DISABLED"
    assert vpc not in {each["ResourceId"] for each in resolver.list_firewall_configs()["FirewallConfigs"]}
    resolver.update_firewall_config(ResourceId=vpc, FirewallFailOpen="ENABLED")
    listed = {each["ResourceId"]: each for each in resolver.list_firewall_configs()["FirewallConfigs"]}
    assert listed[vpc]["FirewallFailOpen"] == "ENABLED"
