"""The pack under the real engine: a bucket that replicates out of the zone never comes to be."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from gchain import environment
from gchain.sandbox.provider.install import install
from gchain.workspace import REPOSITORY, cache_directory
from policies.zone import ZonePolicy

PROGRAM = REPOSITORY / "tests" / "cases" / "policies" / "program"
PACK = REPOSITORY / "policies" / "pack"
ACCOUNT = "111122223333"
_SEARCH = os.pathsep.join(
    [str(Path(sys.executable).parent), str(cache_directory() / "bin"), os.environ.get("PATH", "")]
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("pulumi", path=_SEARCH) is None, reason="the engine (pulumi) is not built"),
]


@dataclass(frozen=True)
class Cloud:
    url: str
    access_key: str
    secret_key: str

    def s3(self, region: str = "eu-central-1") -> Any:
        session = boto3.Session(self.access_key, self.secret_key, region_name=region)
        return session.client("s3", endpoint_url=self.url, config=Config(s3={"addressing_style": "path"}))

    def bucket(self, name: str, region: str) -> None:
        location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self.s3(region).create_bucket(Bucket=name, **location)
        self.s3(region).put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("cloud")
    token, log = directory / "token", directory / "log"
    token.write_text(secrets.token_hex())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "gchain.sandbox.cloud", "--port", str(port), "--company-token", str(token)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url, log)
        made = _open_account(url, token.read_text())
        made.bucket("case-near", "eu-west-3")
        made.bucket("case-far", "us-east-1")
        yield made
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/gchain-api/changes", timeout=2):  # noqa: S310 (loopback)
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the local cloud did not answer: {log.read_text()}")


def _open_account(url: str, token: str) -> Cloud:
    iam = boto3.Session("company", "company", region_name="eu-central-1").client("iam", endpoint_url=url)

    def as_company(request: Any, **_: Any) -> None:
        request.headers["x-gchain-company"] = token
        request.headers["x-moto-account-id"] = ACCOUNT

    iam.meta.events.register("before-sign.iam", as_company)
    iam.create_user(UserName="engineer")
    key = iam.create_access_key(UserName="engineer")["AccessKey"]
    return Cloud(url, key["AccessKeyId"], key["SecretAccessKey"])


@dataclass(frozen=True)
class Stack:
    directory: Path
    variables: dict[str, str]

    def pulumi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["pulumi", "--non-interactive", "--cwd", str(self.directory), *arguments]
        return subprocess.run(command, env=self.variables, capture_output=True, text=True, check=False)

    def judged(self, operation: str, destination: str) -> subprocess.CompletedProcess[str]:
        assert self.pulumi("config", "set", "case:destination", destination).returncode == 0
        options = ["--yes", "--skip-preview"] if operation == "up" else []
        return self.pulumi(operation, *options, "--policy-pack", str(PACK))


@pytest.fixture
def stack(tmp_path: Path, cloud: Cloud) -> Iterator[Stack]:
    home, backend, project = tmp_path / "home", tmp_path / "backend", tmp_path / "project"
    backend.mkdir()
    shutil.copytree(PROGRAM, project)
    install(home)
    variables = {
        "PATH": _SEARCH,
        "HOME": str(tmp_path),
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": "throw-away",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_key,
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": cloud.url,
        "GCHAIN_ENVIRONMENT": "sandbox",
        "GCHAIN_MEMBER": "treasury",
        "GCHAIN_EVIDENCE": str(tmp_path / "evidence"),
    }
    made = Stack(project, variables)
    assert made.pulumi("stack", "init", "case").returncode == 0
    for key, value in {"endpoint": cloud.url, "account": ACCOUNT}.items():
        assert made.pulumi("config", "set", f"case:{key}", value).returncode == 0
    for key, values in ZonePolicy.of(environment.load("sandbox")).tags.items():
        value = sorted(values)[0] if values else "platform@treasury.example"
        assert made.pulumi("config", "set", "--path", f'case:tags["{key}"]', value).returncode == 0
    yield made
    made.pulumi("destroy", "--yes", "--skip-preview")


def test_a_bucket_that_replicates_out_of_the_zone_blocks_up(stack: Stack, cloud: Cloud) -> None:
    done = stack.judged("up", "case-far")
    assert done.returncode != 0
    assert "RES-010" in done.stdout
    assert "us-east-1" in done.stdout
    with pytest.raises(cloud.s3().exceptions.ClientError, match="ReplicationConfigurationNotFound"):
        cloud.s3().get_bucket_replication(Bucket="case-archive")
    assert not (Path(stack.variables["GCHAIN_EVIDENCE"]) / "plan-case.json").exists()


def test_the_same_copy_within_the_zone_goes_through_and_is_recorded(stack: Stack, cloud: Cloud) -> None:
    preview = stack.judged("preview", "case-near")
    assert preview.returncode == 0, preview.stdout + preview.stderr
    done = stack.judged("up", "case-near")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cloud.s3().get_bucket_replication(Bucket="case-archive")["ReplicationConfiguration"]["Rules"]
    record = json.loads((Path(stack.variables["GCHAIN_EVIDENCE"]) / "plan-case.json").read_text())
    assert {row["outcome"] for row in record["findings"] if row["rule"] == "RES-010"} == {"pass"}


def test_a_preview_shows_the_leak_and_blocks_too(stack: Stack) -> None:
    done = stack.judged("preview", "case-far")
    assert done.returncode != 0
    assert "RES-010" in done.stdout


def test_without_an_environment_the_pack_refuses_to_judge(stack: Stack) -> None:
    nameless = Stack(stack.directory, {k: v for k, v in stack.variables.items() if k != "GCHAIN_ENVIRONMENT"})
    done = nameless.judged("preview", "case-near")
    assert done.returncode != 0
    assert "GCHAIN_ENVIRONMENT" in done.stdout + done.stderr
