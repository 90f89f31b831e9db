"""One member's credentials reach nothing of another's: not its cloud, not its hosts, not its files."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from .consortium import Consortium

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

OWN, OTHER = "treasury", "health"
"""Two agencies of one region: nothing but the account stands between them."""


def _refusal(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_buckets_of_another_member_are_refused_and_not_listed(forming: Consortium) -> None:
    for purpose in ("backup", "evidence"):
        bucket = forming.outputs(OTHER)["buckets"][purpose]
        assert forming.cloud(OTHER, "s3").list_objects_v2(Bucket=bucket)["KeyCount"] >= 0
        s3 = forming.cloud(OWN, "s3")
        for call in (
            lambda s3=s3, bucket=bucket: s3.list_objects_v2(Bucket=bucket),
            lambda s3=s3, bucket=bucket: s3.get_object(Bucket=bucket, Key="any"),
            lambda s3=s3, bucket=bucket: s3.put_object(Bucket=bucket, Key="any", Body=b"x"),
            lambda s3=s3, bucket=bucket: s3.delete_bucket_policy(Bucket=bucket),
        ):
            with pytest.raises(ClientError) as caught:
                call()
            assert _refusal(caught) in ("AccessDenied", "403")
    own = {each["Name"] for each in forming.cloud(OWN, "s3").list_buckets()["Buckets"]}
    assert own >= set(forming.outputs(OWN)["buckets"].values())
    assert not own & set(forming.outputs(OTHER)["buckets"].values())


def test_another_members_pulumi_state_cannot_be_read(forming: Consortium) -> None:
    other = forming.member(OTHER)
    bucket = f"gchain-state-{OTHER}-{other.account}"
    assert forming.cloud(OTHER, "s3").list_objects_v2(Bucket=bucket)["KeyCount"] > 0
    with pytest.raises(ClientError) as caught:
        forming.cloud(OWN, "s3").list_objects_v2(Bucket=bucket)
    assert _refusal(caught) == "AccessDenied"


def test_each_member_sees_its_own_instances_networks_and_consoles_only(forming: Consortium) -> None:
    for name in forming.names:
        ec2 = forming.cloud(name, "ec2")
        seen = [one["InstanceId"] for each in ec2.describe_instances()["Reservations"] for one in each["Instances"]]
        assert seen == [forming.instance(name)]
        networks = {each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"]}
        others = {forming.outputs(other)["vpc_id"] for other in forming.names if other != name}
        assert forming.outputs(name)["vpc_id"] in networks
        assert not networks & others
    for call in ("get_console_output", "terminate_instances"):
        argument = forming.instance(OTHER) if call == "get_console_output" else [forming.instance(OTHER)]
        key = "InstanceId" if call == "get_console_output" else "InstanceIds"
        with pytest.raises(ClientError) as caught:
            getattr(forming.cloud(OWN, "ec2"), call)(**{key: argument})
        assert _refusal(caught) == "InvalidInstanceID.NotFound"


def test_another_members_key_decrypts_nothing(forming: Consortium) -> None:
    key = forming.outputs(OTHER)["kms_keys"]["data"]
    kms = forming.cloud(OTHER, "kms")
    sealed = kms.encrypt(KeyId=key, Plaintext=b"of the health registry")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"of the health registry"
    for ask in (
        lambda: forming.cloud(OWN, "kms").decrypt(CiphertextBlob=sealed),
        lambda: forming.cloud(OWN, "kms").encrypt(KeyId=key, Plaintext=b"x"),
        lambda: forming.cloud(OWN, "kms").schedule_key_deletion(KeyId=key),
    ):
        with pytest.raises(ClientError) as caught:
            ask()
        assert _refusal(caught) in ("AccessDeniedException", "NotFoundException")


def test_a_credential_that_the_cloud_did_not_issue_is_refused(forming: Consortium) -> None:
    for key in ("AKIAIOSFODNN7EXAMPLE", "ASIAY34FZKBOKMUTVV7A", forming.member(OWN).account):
        session = boto3.Session(key, "any" * 10)
        with pytest.raises(ClientError):
            forming.client_of(session, "s3", forming.member(OWN).region).list_buckets()
        with pytest.raises(ClientError):
            forming.client_of(session, "ec2", forming.member(OWN).region).describe_instances()


def _ssh(forming: Consortium, network_of: str, key_of: str, host_of: str) -> subprocess.CompletedProcess[str]:
    """One SSH attempt; the host key is the right one, so that only network and user key decide."""
    directory = forming.workspace.member(key_of)
    known = forming.workspace.member(host_of).known_hosts
    options = [f"UserKnownHostsFile={known}", "StrictHostKeyChecking=yes", "BatchMode=yes", "IdentitiesOnly=yes"]
    options += ["ConnectTimeout=6", "GlobalKnownHostsFile=/dev/null"]
    line = ["ssh", "-F", "/dev/null", "-i", str(directory.ssh_key), *(p for o in options for p in ("-o", o))]
    line += [f"admin@{forming.address(host_of)}", "true"]
    whole = forming.sandbox.in_operator_network(network_of, *line)
    return subprocess.run(whole, capture_output=True, text=True, check=False, timeout=120)


def test_a_members_ssh_key_opens_its_own_host_and_no_others(forming: Consortium) -> None:
    forming.host(OTHER)  # makes its host key known
    assert _ssh(forming, OTHER, OTHER, OTHER).returncode == 0
    foreign = _ssh(forming, OTHER, OWN, OTHER)
    assert foreign.returncode == 255
    assert "Permission denied (publickey)" in foreign.stderr


def test_a_members_office_network_does_not_even_reach_anothers_ssh_port(forming: Consortium) -> None:
    forming.host(OTHER)
    attempt = _ssh(forming, OWN, OTHER, OTHER)
    assert attempt.returncode == 255
    assert "timed out" in attempt.stderr or "unreachable" in attempt.stderr


def test_one_members_host_cannot_reach_anothers_ssh_or_database_but_its_peer_port(forming: Consortium) -> None:
    here, there = forming.host(OWN), forming.address(OTHER)

    def open_to(port: int) -> bool:
        return bool(here.run(f"timeout 6 bash -c '</dev/tcp/{there}/{port}'").rc == 0)

    assert open_to(26656)
    assert not any(open_to(port) for port in (22, 26657, 9100))


def test_a_members_files_are_its_own_alone(forming: Consortium) -> None:
    for name in forming.names:
        directory = forming.workspace.member(name)
        secrets = [directory.aws_credentials, directory.ssh_key, *directory.officer.glob("*pin*")]
        assert len(secrets) > 2
        assert stat.S_IMODE(directory.root.stat().st_mode) == 0o700
        assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in secrets} == {
            path.name: "0o600" for path in secrets
        }


def test_no_secret_of_a_member_lies_among_the_public_files(forming: Consortium) -> None:
    public = b"".join(path.read_bytes() for path in sorted(forming.workspace.public.rglob("*")) if path.is_file())
    for name in forming.names:
        directory = forming.workspace.member(name)
        words = [line.split("=", 1)[1].strip() for line in _lines(directory.aws_credentials) if "=" in line]
        pins = [path.read_text().strip() for path in directory.officer.glob("*.pin")]
        for secret in (words[0], words[1], *pins):
            assert len(secret) >= 6
            assert secret.encode() not in public


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if "key" in line]
