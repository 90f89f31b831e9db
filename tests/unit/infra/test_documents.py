from __future__ import annotations

import json

import pytest

from infra import documents


def test_a_key_policy_names_only_its_account_and_conditioned_services() -> None:
    policy = documents.key_policy("aws", "111122223333", "eu-central-1", ["cloudtrail.amazonaws.com"])
    for statement in policy["Statement"]:
        principal = statement["Principal"]
        if "Service" in principal:
            assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == "111122223333"
        else:
            assert principal == {"AWS": "arn:aws:iam::111122223333:root"}


def test_key_policies_follow_the_partition() -> None:
    assert "arn:aws-us-gov:iam::1" in json.dumps(documents.key_policy("aws-us-gov", "1", "us-gov-west-1"))


def test_a_bucket_policy_denies_plain_http_and_old_tls_to_everyone() -> None:
    policy = documents.bucket_policy("aws", "archive", {}, "111122223333")
    denies = {each["Sid"]: each for each in policy["Statement"] if each["Effect"] == "Deny"}
    assert set(denies) == {"DenyPlainHttp", "DenyOldTls"}
    assert all(each["Principal"] == "*" for each in denies.values())


def test_a_writer_adds_below_its_prefix_for_one_account_only() -> None:
    policy = documents.bucket_policy("aws", "archive", {"config.amazonaws.com": "config"}, "111122223333")
    write = next(each for each in policy["Statement"] if each["Sid"] == "ConfigWrites")
    assert write["Resource"] == "arn:aws:s3:::archive/config/*"
    assert write["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}


def test_the_backend_keeps_every_version() -> None:
    policy = documents.backend_policy("aws", "state")
    keep = next(each for each in policy["Statement"] if each["Sid"] == "KeepEveryVersion")
    assert "s3:DeleteObjectVersion" in keep["Action"]
    assert keep["Effect"] == "Deny"
    assert "Condition" not in keep


def test_a_host_may_delete_nothing_and_touch_only_its_own() -> None:
    policy = documents.host_policy(
        "aws",
        {"backup": "b", "evidence": "e", "logs": "l"},
        {"data": "arn:key/data", "evidence": "arn:key/evidence", "logs": "arn:key/logs"},
        "arn:log-group",
    )
    text = json.dumps(policy)
    assert "Delete" not in text
    assert all(each["Resource"] != "*" for each in policy["Statement"])
    assert all(action != "*" for each in policy["Statement"] for action in _listed(each["Action"]))


@pytest.mark.parametrize(("service", "conditioned"), [("ec2.amazonaws.com", False), ("config.amazonaws.com", True)])
def test_a_service_role_is_for_one_account(service: str, conditioned: bool) -> None:
    statement = documents.service_trust(service, "111122223333")["Statement"][0]
    assert ("Condition" in statement) is conditioned


def test_the_region_deny_names_the_zones_regions() -> None:
    outside = documents.region_deny(["eu-central-1", "eu-west-3"])["Statement"][0]
    assert outside["Condition"] == {"StringNotEquals": {"aws:RequestedRegion": ["eu-central-1", "eu-west-3"]}}


@pytest.mark.parametrize("service", ["s3", "kms", "ec2", "dynamodb", "secretsmanager", "logs", "backup", "rds"])
def test_the_region_deny_exempts_no_service_that_carries_data(service: str) -> None:
    outside = documents.region_deny(["eu-central-1"])["Statement"][0]
    assert not [action for action in outside["NotAction"] if action.startswith(f"{service}:")]


@pytest.mark.parametrize("action", ["cloudhsm:CopyBackupToRegion", "kms:ReplicateKey", "support:CreateCase"])
def test_calls_that_move_data_out_from_inside_are_denied_everywhere(action: str) -> None:
    leaving = documents.region_deny(["eu-central-1"])["Statement"][1]
    assert action in leaving["Action"]
    assert "Condition" not in leaving


def test_the_perimeter_asks_for_the_organizations_callers_and_resources() -> None:
    condition = documents.endpoint_policy("o-abc1234567")["Statement"][0]["Condition"]["StringEquals"]
    assert condition == {"aws:PrincipalOrgID": "o-abc1234567", "aws:ResourceOrgID": "o-abc1234567"}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
