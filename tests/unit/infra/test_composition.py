from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gchain.errors import ConfigurationError
from infra.settings import Settings

from .conftest import Composed, settings_of

# The generated package warns of its own deprecated classes while it loads; nothing here uses them.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")

TAGS = {
    "gchain:consortium",
    "gchain:member",
    "gchain:zone",
    "gchain:environment",
    "gchain:owner",
    "gchain:data-classification",
    "gchain:control-baseline",
}
TAGLESS = {
    "accountPublicAccessBlock:AccountPublicAccessBlock",
    "bucketObjectLockConfiguration:BucketObjectLockConfiguration",
    "bucketOwnershipControls:BucketOwnershipControls",
    "bucketPolicy:BucketPolicy",
    "bucketPublicAccessBlock:BucketPublicAccessBlock",
    "bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "bucketVersioning:BucketVersioning",
    "account:Account",
    "alias:Alias",
    "defaultKmsKey:DefaultKmsKey",
    "deliveryChannel:DeliveryChannel",
    "enabler:Enabler",
    "encryptionByDefault:EncryptionByDefault",
    "hsm:Hsm",
    "organization:Organization",
    "policyAttachment:PolicyAttachment",
    "record:Record",
    "recorder:Recorder",
    "recorderStatus:RecorderStatus",
    "rolePolicy:RolePolicy",
    "resolverFirewallConfig:ResolverFirewallConfig",
    "resolverFirewallRule:ResolverFirewallRule",
    "route:Route",
    "routeTableAssociation:RouteTableAssociation",
    "volumeAttachment:VolumeAttachment",
    "vpcBlockPublicAccessOptions:VpcBlockPublicAccessOptions",
    "vpcDhcpOptionsAssociation:VpcDhcpOptionsAssociation",
    "vpnGatewayAttachment:VpnGatewayAttachment",
}


@pytest.mark.parametrize("foundation", [False, True])
@pytest.mark.parametrize("name", ["sandbox", "us-gov"])
def test_every_taggable_resource_has_all_compliance_tags(name: str, foundation: bool, compose: Composed) -> None:
    stack = compose(settings_of(name, foundation=foundation))
    for each in stack.recorder.cloud:
        if each.typ.split("/")[1] not in TAGLESS:
            assert each.inputs["tags"].keys() >= TAGS, each.typ


@pytest.mark.parametrize("foundation", [False, True])
def test_no_resource_uses_a_default_provider(foundation: bool, compose: Composed) -> None:
    stack = compose(settings_of(foundation=foundation))
    assert len([each for each in stack.recorder.registered if each.typ == "pulumi:providers:aws"]) == 1
    assert len({each.provider for each in stack.recorder.cloud}) == 1
    assert all(each.provider.endswith("pulumi:providers:aws::zone::zone-id") for each in stack.recorder.cloud)


def test_the_provider_is_pinned_to_the_members_account_and_region(compose: Composed, settings: Settings) -> None:
    provider = compose(settings).recorder.of_type("aws")[0].inputs
    assert provider["region"] == "eu-central-1"
    assert json.loads(provider["allowedAccountIds"]) == ["111122223333"]
    assert "endpoints" not in provider


def test_an_endpoint_is_set_for_every_service_only_when_given(compose: Composed, settings: Settings) -> None:
    stack = compose(replace(settings, endpoint="http://127.0.0.1:1"))
    endpoints = json.loads(stack.recorder.of_type("aws")[0].inputs["endpoints"])
    assert set(endpoints[0].values()) == {"http://127.0.0.1:1"}


def test_nothing_leads_to_the_internet(any_settings: Settings, compose: Composed) -> None:
    stack = compose(any_settings)
    kinds = {each.typ.split(":")[-1] for each in stack.recorder.cloud}
    assert not kinds & {"InternetGateway", "NatGateway", "EgressOnlyInternetGateway", "Eip", "CarrierGateway"}
    assert all(each.inputs["destinationCidrBlock"] != "0.0.0.0/0" for each in stack.recorder.of_type("Route"))
    assert all(not each.inputs["mapPublicIpOnLaunch"] for each in stack.recorder.of_type("Subnet"))
    assert all(not each.inputs["associatePublicIpAddress"] for each in stack.recorder.of_type("Instance"))


def test_the_resolver_asks_for_names_of_the_zone_and_of_the_endpoints_and_for_no_other(
    compose: Composed, any_settings: Settings
) -> None:
    recorder = compose(any_settings).recorder
    names = {f"{each.name}-id": each.inputs["domains"] for each in recorder.of_type("ResolverFirewallDomainList")}
    rules = sorted(
        (each.inputs for each in recorder.of_type("ResolverFirewallRule")), key=lambda rule: rule["priority"]
    )
    zone, stack = any_settings.environment.zone, any_settings.stack
    foreign = {mirror.name for mirror in zone.mirrors if not mirror.name.endswith(f".{zone.domain}")}
    assert [rule["action"] for rule in rules] == ["ALLOW", "ALLOW", "BLOCK"]
    assert set(names[rules[0]["firewallDomainListId"]]) == {zone.domain, f"*.{zone.domain}", *foreign}
    cloud = names[rules[1]["firewallDomainListId"]]
    assert len(cloud) == len(stack.interface_endpoints) + 2
    assert all(f".{any_settings.member.region}.amazonaws." in name for name in cloud)
    assert names[rules[2]["firewallDomainListId"]] == ["*"]
    (association,) = recorder.of_type("ResolverFirewallRuleGroupAssociation")
    (config,) = recorder.of_type("ResolverFirewallConfig")
    vpc = f"{any_settings.member.name}-id"
    assert association.inputs["vpcId"] == config.inputs["resourceId"] == vpc
    assert config.inputs["firewallFailOpen"] == "DISABLED"
    protection = "ENABLED" if stack.deletion_protection else "DISABLED"
    assert association.inputs["mutationProtection"] == protection


def test_subnets_are_placed_by_zone_id(any_settings: Settings, compose: Composed) -> None:
    ids = {az.id for az in any_settings.region.availability_zones}
    stack = compose(any_settings)
    assert {each.inputs["availabilityZoneId"] for each in stack.recorder.of_type("Subnet")} <= ids


def test_the_default_group_is_emptied_and_groups_start_without_rules(compose: Composed, settings: Settings) -> None:
    stack = compose(settings)
    for each in stack.recorder.of_type("DefaultSecurityGroup") + stack.recorder.of_type("SecurityGroup"):
        assert not each.inputs.get("ingress")
        assert not each.inputs.get("egress")


def test_hosts_ask_for_session_tokens_and_encrypt_their_volumes(compose: Composed, settings: Settings) -> None:
    stack = compose(settings)
    host = stack.recorder.of_type("Instance")[0].inputs
    assert host["metadataOptions"]["httpTokens"] == "required"
    assert host["metadataOptions"]["httpPutResponseHopLimit"] == 1
    assert host["rootBlockDevice"]["encrypted"] is True
    assert host["rootBlockDevice"]["tags"].keys() >= TAGS
    assert host["tags"]["gchain:role"] == "validator"
    assert host["tags"]["Name"] == "validator-1.treasury.gchain.internal"
    assert stack.recorder.of_type("Volume")[0].inputs["encrypted"] is True


def test_keys_rotate_stay_in_their_region_and_wait_thirty_days(compose: Composed, any_settings: Settings) -> None:
    for each in compose(any_settings).recorder.of_type("Key"):
        assert each.inputs["enableKeyRotation"] is True
        assert each.inputs["multiRegion"] is False
        assert each.inputs["deletionWindowInDays"] == 30


def test_unnamed_volumes_get_a_key_of_their_own_region_in_every_region_of_the_zone(
    compose: Composed, any_settings: Settings
) -> None:
    recorder = compose(any_settings).recorder
    regions = {region.name for region in any_settings.environment.zone.regions}
    encrypted = {each.inputs["region"]: each.inputs["enabled"] for each in recorder.of_type("EncryptionByDefault")}
    assert encrypted == dict.fromkeys(regions, True)
    key_regions = {f"arn:aws:mock:::{each.name}": each.inputs["region"] for each in recorder.of_type("Key")}
    defaults = {each.inputs["region"]: each.inputs["keyArn"] for each in recorder.of_type("DefaultKmsKey")}
    assert defaults.keys() == regions
    assert all(key_regions[key] == region for region, key in defaults.items())
    assert defaults[any_settings.member.region].endswith(f"{any_settings.member.name}-data")


def test_the_account_lets_no_internet_in_or_out_and_no_bucket_be_public(
    compose: Composed, any_settings: Settings
) -> None:
    recorder = compose(any_settings).recorder
    blocked = {
        each.inputs["region"]: each.inputs["internetGatewayBlockMode"]
        for each in recorder.of_type("VpcBlockPublicAccessOptions")
    }
    assert blocked == {region.name: "block-bidirectional" for region in any_settings.environment.zone.regions}
    switches = dict(recorder.of_type("AccountPublicAccessBlock")[0].inputs)
    assert switches.pop("accountId") == any_settings.member.account
    assert len(switches) == 4
    assert all(switches.values())


def test_the_foundation_leaves_settings_of_the_shared_account_to_the_convenors_member_stack(compose: Composed) -> None:
    recorder = compose(settings_of(foundation=True)).recorder
    for kind in ("EncryptionByDefault", "DefaultKmsKey", "VpcBlockPublicAccessOptions", "AccountPublicAccessBlock"):
        assert not recorder.of_type(kind), kind


@pytest.mark.parametrize("foundation", [False, True])
def test_every_bucket_is_closed_versioned_encrypted_and_locked(foundation: bool, compose: Composed) -> None:
    recorder = compose(settings_of(foundation=foundation)).recorder
    buckets = {each.inputs["bucket"] for each in recorder.of_type("Bucket")}
    assert buckets
    for kind in (
        "BucketVersioning",
        "BucketPublicAccessBlock",
        "BucketServerSideEncryptionConfiguration",
        "BucketObjectLockConfiguration",
        "BucketPolicy",
        "BucketOwnershipControls",
    ):
        assert {each.inputs["bucket"] for each in recorder.of_type(kind)} == buckets, kind
    modes = {
        each.inputs["bucket"].split("-")[2]: each.inputs["rule"]["defaultRetention"]["mode"]
        for each in recorder.of_type("BucketObjectLockConfiguration")
    }
    assert {mode for purpose, mode in modes.items() if purpose != "backup"} == {"COMPLIANCE"}


def test_endpoints_carry_the_perimeter_policy(compose: Composed, any_settings: Settings) -> None:
    endpoints = compose(any_settings).recorder.of_type("VpcEndpoint")
    assert len(endpoints) == 1 + len(any_settings.stack.interface_endpoints)
    for each in endpoints:
        assert any_settings.environment.zone.organization_id in each.inputs["policy"]


def test_a_hardware_cluster_exists_exactly_where_the_settings_ask_for_it(
    compose: Composed, any_settings: Settings
) -> None:
    stack = compose(any_settings)
    assert bool(stack.recorder.of_type("Cluster")) is (any_settings.stack.hsm == "cloudhsm")
    assert stack.outputs["hsm"]["kind"] == any_settings.stack.hsm


def test_outputs_are_what_the_inventory_reads(compose: Composed, settings: Settings) -> None:
    outputs = compose(settings).outputs
    assert outputs["hosts"] == [
        {
            "name": "validator-1",
            "role": "validator",
            "instance_id": "treasury-validator-1-id",
            "private_ip": "10.61.0.10",
            "az": "eu-central-1a",
            "az_id": "euc1-az1",
            "fqdn": "validator-1.treasury.gchain.internal",
            "ssh_user": "admin",
        }
    ]
    assert set(outputs["kms_keys"]) == {"data", "evidence", "logs"}
    assert set(outputs["buckets"]) == {"backup", "evidence", "logs"}
    assert outputs["public_facts"]["cidrs"] == ["10.61.0.0/20"]


def test_a_member_without_an_administrator_key_is_refused(compose: Composed, settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="ssh_public_key is missing"):
        compose(replace(settings, ssh_public_key=None))


def test_round_one_connects_to_nobody(compose: Composed, settings: Settings) -> None:
    stack = compose(settings)
    assert not stack.recorder.of_type("VpcPeeringConnection")
    assert not stack.recorder.of_type("VpcPeeringConnectionAccepter")


def test_the_last_of_the_names_accepts_every_request_it_finds(compose: Composed, with_peers: Settings) -> None:
    stack = compose(with_peers)
    accepted = {
        each.inputs["vpcPeeringConnectionId"] for each in stack.recorder.of_type("VpcPeeringConnectionAccepter")
    }
    assert accepted == {"pcx-customs", "pcx-health", "pcx-registry"}
    assert not stack.recorder.of_type("VpcPeeringConnection")
    assert stack.outputs["public_facts"]["peerings"] == {}


def test_the_first_of_the_names_requests_from_every_other(compose: Composed, with_peers: Settings) -> None:
    stack = compose(replace(with_peers, member=with_peers.environment.member("customs")))
    requests = {each.inputs["peerOwnerId"] for each in stack.recorder.of_type("VpcPeeringConnection")}
    assert requests == {"111122223333", "222233334444", "333344445555"}
    assert set(stack.outputs["public_facts"]["peerings"]) == {"treasury", "health", "registry"}


def test_peers_hosts_have_names_in_the_own_zone(compose: Composed, with_peers: Settings) -> None:
    names = {each.inputs["name"]: each.inputs["records"] for each in compose(with_peers).recorder.of_type("Record")}
    assert names["validator-1.customs.gchain.internal"] == ["10.64.0.10"]
    assert names["validator-1.treasury.gchain.internal"] == ["10.61.0.10"]


def test_peers_reach_hosts_by_network_and_never_by_group(compose: Composed, with_peers: Settings) -> None:
    stack = compose(with_peers)
    rules = stack.recorder.of_type("SecurityGroupIngressRule") + stack.recorder.of_type("SecurityGroupEgressRule")
    assert not [each for each in rules if "referencedSecurityGroupId" in each.inputs]
    ports = {each.inputs["fromPort"] for each in rules if each.inputs.get("cidrIpv4") == "10.64.0.0/20"}
    assert ports == {26656, 8443}


def test_a_peer_that_has_not_requested_yet_is_left_out(compose: Composed, with_peers: Settings, tmp_path: Path) -> None:
    (tmp_path / "facts" / "health.json").unlink()
    stack = compose(with_peers)
    networks = {each.inputs["destinationCidrBlock"] for each in stack.recorder.of_type("Route")}
    assert "10.62.0.0/20" not in networks
    assert {"10.63.0.0/20", "10.64.0.0/20"} <= networks


def test_the_foundation_denies_foreign_regions_to_the_whole_organization(compose: Composed) -> None:
    recorder = compose(settings_of(foundation=True)).recorder
    assert recorder.of_type("PolicyAttachment")[0].inputs["targetId"] == "r-mock"


def test_an_existing_organization_gets_the_policy_on_every_other_account(compose: Composed) -> None:
    recorder = compose(settings_of("us-gov", foundation=True)).recorder
    assert not recorder.of_type("Organization")
    targets = {each.inputs["targetId"] for each in recorder.of_type("PolicyAttachment")}
    assert targets == {"202020202022", "303030303033", "404040404044", "707070707077"}


def test_the_audit_trail_sees_all_regions_and_validates_its_files(compose: Composed) -> None:
    trail = compose(settings_of(foundation=True)).recorder.of_type("Trail")[0].inputs
    assert trail["isMultiRegionTrail"] is True
    assert trail["enableLogFileValidation"] is True
    assert trail["kmsKeyId"]
