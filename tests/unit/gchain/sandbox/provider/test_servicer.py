"""The provider's refusals and promises, asked over gRPC as the engine would, against a real local cloud."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf import any_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from gchain.sandbox.provider.server import listen
from gchain.sandbox.provider.wire import UNKNOWN, decode, encode

from .conftest import LocalCloud
from .engine import CheckRefusedError, Engine

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GROUP = "aws:ec2/securityGroup:SecurityGroup"


def urn(token: str, name: str = "it") -> str:
    return f"urn:pulumi:test::gchain::{token}::{name}"


@pytest.fixture
def unconfigured() -> Iterator[Engine]:
    server, port = listen()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Engine(provider_pb2_grpc.ResourceProviderStub(channel))
    server.stop(None)


def refusal(raised: pytest.ExceptionInfo[grpc.RpcError]) -> str:
    return str(raised.value.details())


def test_an_unknown_type_is_refused_by_name_and_the_nearest_is_named(engine: Engine) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        engine.check(urn("aws:ec2/vpx:Vpc"), {})
    assert "does not know the resource type aws:ec2/vpx:Vpc (near: aws:ec2/vpc:Vpc)" in refusal(raised)


def test_a_service_without_any_type_is_refused_by_name(engine: Engine) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        engine.check(urn("aws:rds/instance:Instance"), {})
    assert "aws:rds/instance:Instance" in refusal(raised)


def test_an_unknown_property_is_refused_by_name_and_the_nearest_is_named(engine: Engine) -> None:
    with pytest.raises(CheckRefusedError) as raised:
        engine.check(urn(VPC), {"cidrBlock": "10.0.0.0/16", "enableDnsHostname": True})
    assert list(raised.value.failures) == ["enableDnsHostname"]
    assert "did you mean 'enableDnsHostnames'?" in raised.value.failures["enableDnsHostname"]


def test_an_unknown_property_inside_an_object_is_refused_by_its_path(engine: Engine) -> None:
    rules = [{"protocol": "tcp", "fromPort": 1, "toPort": 2, "cidrBlok": ["10.0.0.0/8"]}]
    with pytest.raises(CheckRefusedError) as raised:
        engine.check(urn(GROUP), {"vpcId": "vpc-1", "ingress": rules})
    assert list(raised.value.failures) == ["ingress[0].cidrBlok"]


def test_a_missing_required_property_is_asked_for(engine: Engine) -> None:
    with pytest.raises(CheckRefusedError) as raised:
        engine.check(urn(SUBNET), {"vpcId": "vpc-1"})
    assert raised.value.failures == {"cidrBlock": f"{SUBNET} needs cidrBlock"}


def test_an_unknown_value_satisfies_a_required_property(engine: Engine) -> None:
    checked = engine.check(urn(SUBNET), {"vpcId": UNKNOWN, "cidrBlock": "10.0.0.0/24"})
    assert checked["vpcId"] is UNKNOWN


def test_defaults_and_the_providers_region_are_filled_in(engine: Engine) -> None:
    checked = engine.check(urn(VPC), {"cidrBlock": "10.0.0.0/16"})
    assert checked["enableDnsSupport"] is True
    assert checked["region"] == "us-gov-west-1"


def test_an_automatic_name_is_kept_from_the_update_before(engine: Engine) -> None:
    first = engine.check(urn(GROUP), {"vpcId": "vpc-1"})
    second = engine.check(urn(GROUP, "renamed"), {"vpcId": "vpc-1"}, first)
    assert second["name"] == first["name"]


def test_credentials_of_another_account_are_refused(unconfigured: Engine, cloud: LocalCloud) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        unconfigured.configure(cloud.configuration() | {"allowedAccountIds": '["210987654321"]'})
    assert "belong to account 123456789012, allowedAccountIds has 210987654321" in refusal(raised)


def test_credentials_of_the_allowed_account_are_accepted(unconfigured: Engine, cloud: LocalCloud) -> None:
    unconfigured.configure(cloud.configuration() | {"allowedAccountIds": '["123456789012"]'})
    assert unconfigured.check(urn(VPC), {"cidrBlock": "10.0.0.0/16"})["region"] == "us-gov-west-1"


def test_a_key_that_the_cloud_did_not_issue_is_refused(unconfigured: Engine, cloud: LocalCloud) -> None:
    stranger = cloud.configuration() | {"accessKey": "AKIASTRANGER", "allowedAccountIds": '["123456789012"]'}
    with pytest.raises(grpc.RpcError) as raised:
        unconfigured.configure(stranger)
    assert "sts.get_caller_identity" in refusal(raised)


def test_an_endpoint_off_loopback_is_refused(unconfigured: Engine, cloud: LocalCloud) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        unconfigured.configure(cloud.configuration() | {"endpoints": '[{"ec2": "https://ec2.amazonaws.com"}]'})
    assert "speaks to loopback only" in refusal(raised)


def test_a_missing_endpoint_is_refused(
    unconfigured: Engine, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with pytest.raises(grpc.RpcError) as raised:
        unconfigured.configure(cloud.configuration() | {"endpoints": "[]"})
    assert "has no endpoint" in refusal(raised)


def test_an_unknown_configuration_key_is_refused_by_name(unconfigured: Engine) -> None:
    request = provider_pb2.CheckRequest(news=encode({"region": "eu-west-2", "alowedAccountIds": "[]"}))
    failures = unconfigured.stub.CheckConfig(request).failures
    assert [failure.property for failure in failures] == ["alowedAccountIds"]
    assert "did you mean 'allowedAccountIds'?" in failures[0].reason


def test_a_preview_of_a_new_resource_changes_nothing_and_knows_no_id(engine: Engine, cloud: LocalCloud) -> None:
    before = len(cloud.client("ec2").describe_vpcs()["Vpcs"])
    checked = engine.check(urn(VPC), {"cidrBlock": "10.9.0.0/16"})
    answer = engine.stub.Create(provider_pb2.CreateRequest(urn=urn(VPC), properties=encode(checked), preview=True))
    outputs = decode(answer.properties)
    assert answer.id == ""
    assert outputs["arn"] is UNKNOWN
    assert outputs["tagsAll"] == {"gchain:member": "treasury"}
    assert len(cloud.client("ec2").describe_vpcs()["Vpcs"]) == before


def test_a_value_that_is_not_known_yet_forces_the_replacement_that_it_may_need(engine: Engine) -> None:
    vpc = engine.create(VPC, "unknown-parent", {"cidrBlock": "10.9.0.0/16"})
    subnet = engine.create(SUBNET, "unknown-child", {"vpcId": vpc.id, "cidrBlock": "10.9.1.0/24"})
    plan = engine.plan(subnet, {"vpcId": UNKNOWN, "cidrBlock": "10.9.1.0/24"})
    assert plan.replaces == ["vpcId"]
    assert plan.delete_first
    engine.delete(subnet)
    engine.delete(vpc)


def test_a_resource_that_fails_half_way_is_recorded(engine: Engine) -> None:
    """The group is made, a rule for a missing group is refused: the engine must learn the group's id."""
    vpc = engine.create(VPC, "half-way", {"cidrBlock": "10.9.0.0/16"})
    rules = [{"protocol": "tcp", "fromPort": 1, "toPort": 1, "securityGroups": ["sg-0123456789abcdef0"]}]
    with pytest.raises(grpc.RpcError) as raised:
        engine.create(GROUP, "half-way", {"vpcId": vpc.id, "ingress": rules})
    failed = init_failure(raised.value)
    assert failed.id.startswith("sg-")
    assert "authorize_security_group_ingress" in failed.reasons[0]
    assert "InvalidGroup.NotFound" in failed.reasons[0]


def init_failure(error: grpc.RpcError) -> provider_pb2.ErrorResourceInitFailed:
    trailers = {item.key: item.value for item in error.trailing_metadata()}
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    detail: any_pb2.Any = status.details[0]
    failed = provider_pb2.ErrorResourceInitFailed()
    assert detail.Unpack(failed)
    return failed


def test_an_action_that_the_cloud_lacks_is_named_and_never_taken_for_gone(engine: Engine) -> None:
    """moto has no UnmonitorInstances: it answers with an HTML page."""
    instance = engine.create("aws:ec2/instance:Instance", "watched", HOST | {"monitoring": True})
    with pytest.raises(grpc.RpcError) as raised:
        engine.update(instance, HOST | {"monitoring": False})
    assert "ec2.unmonitor_instances in us-gov-west-1: the local cloud does not implement this" in refusal(raised)
    engine.delete(instance)


HOST = {"ami": "ami-0123456789abcdef0", "instanceType": "m6i.large"}


def test_a_second_route_to_the_same_place_is_refused(engine: Engine) -> None:
    vpc = engine.create(VPC, "routed", {"cidrBlock": "10.9.0.0/16"})
    table = engine.create("aws:ec2/routeTable:RouteTable", "routed", {"vpcId": vpc.id})
    gateway = engine.create("aws:ec2/vpnGateway:VpnGateway", "routed", {"vpcId": vpc.id})
    route = {"routeTableId": table.id, "destinationCidrBlock": "192.168.0.0/24", "gatewayId": gateway.id}
    engine.create("aws:ec2/route:Route", "one", route)
    with pytest.raises(grpc.RpcError) as raised:
        engine.create("aws:ec2/route:Route", "two", route)
    assert "already has a route to 192.168.0.0/24" in refusal(raised)


def test_the_functions_answer_for_the_configured_account_and_region(engine: Engine) -> None:
    def invoke(name: str) -> dict[str, object]:
        request = provider_pb2.InvokeRequest(tok=f"aws:index/{name}:{name}")
        return decode(getattr(engine.stub.Invoke(request), "return"))

    assert invoke("getCallerIdentity")["accountId"] == "123456789012"
    assert invoke("getRegion")["region"] == "us-gov-west-1"
    assert invoke("getPartition")["partition"] == "aws-us-gov"


def test_an_unknown_function_is_refused_by_name(engine: Engine) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        engine.stub.Invoke(provider_pb2.InvokeRequest(tok="aws:ec2/getAmi:getAmi"))
    assert "does not know the function aws:ec2/getAmi:getAmi" in refusal(raised)
