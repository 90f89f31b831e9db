"""Whose key calls, and what it reaches: its own account and nothing of another's."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

CODES = {
    "ec2": ("describe_vpcs", "AuthFailure"),
    "s3": ("list_buckets", "InvalidAccessKeyId"),
    "sts": ("get_caller_identity", "InvalidClientTokenId"),
    "iam": ("list_users", "InvalidClientTokenId"),
    "route53": ("list_hosted_zones", "InvalidClientTokenId"),
    "kms": ("list_keys", "UnrecognizedClientException"),
    "logs": ("describe_log_groups", "UnrecognizedClientException"),
}


def _code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


@pytest.mark.parametrize("service", CODES)
def test_a_key_that_the_cloud_did_not_issue_is_refused_in_the_services_own_words(cloud: Any, service: str) -> None:
    operation, code = CODES[service]
    with pytest.raises(ClientError) as caught:
        getattr(cloud.client(service, "AKIAINVENTED00000000", "x"), operation)()
    assert _code(caught) == code


def test_an_issued_key_acts_in_its_own_account(alpha: Any) -> None:
    assert alpha("sts").get_caller_identity()["Account"] == "300000000001"


def test_a_deactivated_key_is_refused(cloud: Any) -> None:
    iam = cloud.company("iam", "300000000003")
    iam.create_user(UserName="leaver")
    key = iam.create_access_key(UserName="leaver")["AccessKey"]
    client = cloud.client("sts", key["AccessKeyId"], key["SecretAccessKey"])
    client.get_caller_identity()
    iam.update_access_key(UserName="leaver", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError):
        client.get_caller_identity()


def test_the_account_header_counts_from_the_company_only(cloud: Any, alpha: Any) -> None:
    client = alpha("sts")

    def forge(request: Any, **_: Any) -> None:
        request.headers["x-moto-account-id"] = "300000000002"

    client.meta.events.register("before-sign.*.*", forge)
    assert client.get_caller_identity()["Account"] == "300000000001"
    with pytest.raises(ClientError):
        cloud.company("sts", "300000000002", token="wrong").get_caller_identity()


def test_one_accounts_resources_do_not_exist_for_another(alpha: Any, beta: Any) -> None:
    vpc = alpha("ec2").create_vpc(CidrBlock="10.11.0.0/16")["Vpc"]["VpcId"]
    key = alpha("kms").create_key()["KeyMetadata"]["Arn"]
    for call in (
        lambda: beta("ec2").describe_vpcs(VpcIds=[vpc]),
        lambda: beta("ec2").delete_vpc(VpcId=vpc),
        lambda: beta("kms").encrypt(KeyId=key, Plaintext=b"x"),
    ):
        with pytest.raises(ClientError):
            call()
    assert alpha("ec2").describe_vpcs(VpcIds=[vpc])["Vpcs"]


def _bucket(client: Any, name: str) -> None:
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    client.put_object(Bucket=name, Key="key", Body=b"content")


def test_another_accounts_bucket_is_refused_for_every_kind_of_access(alpha: Any, beta: Any) -> None:
    _bucket(alpha("s3"), "private-of-alpha")
    foreign = beta("s3")
    for call in (
        lambda: foreign.get_object(Bucket="private-of-alpha", Key="key"),
        lambda: foreign.list_objects_v2(Bucket="private-of-alpha"),
        lambda: foreign.put_object(Bucket="private-of-alpha", Key="key", Body=b"x"),
        lambda: foreign.delete_object(Bucket="private-of-alpha", Key="key"),
        lambda: foreign.put_bucket_policy(Bucket="private-of-alpha", Policy="{}"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert _code(caught) == "AccessDenied"
    _bucket(foreign, "own-of-beta")
    with pytest.raises(ClientError):
        foreign.copy_object(Bucket="own-of-beta", Key="stolen", CopySource="private-of-alpha/key")


def test_a_bucket_policy_that_names_the_account_opens_what_it_names(alpha: Any, beta: Any) -> None:
    _bucket(alpha("s3"), "shared-of-alpha")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::300000000002:root"},
        "Action": ["s3:PutObject"],
        "Resource": "arn:aws:s3:::shared-of-alpha/*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    alpha("s3").put_bucket_policy(Bucket="shared-of-alpha", Policy=document)
    beta("s3").put_object(Bucket="shared-of-alpha", Key="report", Body=b"x")
    with pytest.raises(ClientError):
        beta("s3").get_object(Bucket="shared-of-alpha", Key="report")


def test_nobody_can_empty_the_cloud_through_its_control_interface(cloud: Any) -> None:
    request = urllib.request.Request(f"{cloud.url}/moto-api/reset", method="POST")  # noqa: S310 (loopback)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)  # noqa: S310 (loopback)
    with caught.value as answer:
        assert answer.code == 403


def test_changes_are_counted_by_account_region_and_service_and_reading_is_none(cloud: Any, alpha: Any) -> None:
    def count() -> dict[str, Any]:
        with urllib.request.urlopen(f"{cloud.url}/gchain-api/changes") as answer:  # noqa: S310 (loopback)
            return dict(json.load(answer))

    before = count()
    alpha("ec2").describe_vpcs()
    alpha("kms").list_keys()
    alpha("s3").list_buckets()
    assert count() == before
    alpha("ec2", "eu-west-3").create_vpc(CidrBlock="10.12.0.0/16")
    after = count()
    scope = "300000000001/eu-west-3/ec2"
    assert after["changes"] == before["changes"] + 1
    assert after["scopes"][scope] == before["scopes"].get(scope, 0) + 1
