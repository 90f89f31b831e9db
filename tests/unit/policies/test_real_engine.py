"""The pack under the real engine: a bucket that replicates out of the zone never comes to be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gchain import environment
from gchain.sandbox.provider.install import install
from gchain.workspace import REPOSITORY, cache_directory
from policies.zone import ZonePolicy
from tests.unit.policies.local_cloud import ACCOUNT, Cloud

PROGRAM = REPOSITORY / "tests" / "cases" / "policies" / "program"
PACK = REPOSITORY / "policies" / "pack"
_SEARCH = os.pathsep.join(
    [str(Path(sys.executable).parent), str(cache_directory() / "bin"), os.environ.get("PATH", "")]
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("pulumi", path=_SEARCH) is None, reason="the engine (pulumi) is not built"),
]


@dataclass(frozen=True)
class Stack:
    directory: Path
    variables: dict[str, str]

    def pulumi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["pulumi", "--non-interactive", "--cwd", str(self.directory), *arguments]
        return subprocess.run(command, env=self.variables, capture_output=True, text=True, check=False)

    def judged(self, operation: str, destination: str, pack: Path = PACK) -> subprocess.CompletedProcess[str]:
        assert self.pulumi("config", "set", "case:destination", destination).returncode == 0
        options = ["--yes", "--skip-preview"] if operation == "up" else []
        return self.pulumi(operation, *options, "--policy-pack", str(pack))


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


def test_the_pack_as_a_directory_judges_or_stops_the_run(stack: Stack) -> None:
    """The language host that the kit builds cannot start a directory; an official one does. Neither lets a leak by."""
    done = stack.judged("preview", "case-far", PACK.parent)
    assert done.returncode != 0
    assert "RES-010" in done.stdout or f'policy pack "{PACK.parent}" failed to start' in done.stderr
