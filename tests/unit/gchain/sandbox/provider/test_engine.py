"""The provider under the real engine: up, no change, drift, update in place, replace, import, destroy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gchain.sandbox.provider.install import VERSION, install
from gchain.workspace import cache_directory

from .conftest import LocalCloud

PROGRAM = Path(__file__).resolve().parents[4] / "cases" / "provider" / "program"
_SEARCH = os.pathsep.join(
    [str(Path(sys.executable).parent), str(cache_directory() / "bin"), os.environ.get("PATH", "")]
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("pulumi", path=_SEARCH) is None, reason="the engine (pulumi) is not built"),
]


@dataclass(frozen=True)
class Stack:
    """A stack in a directory of its own, run by the `pulumi` program."""

    directory: Path
    environment: dict[str, str]

    def pulumi(self, *arguments: str) -> str:
        done = subprocess.run(
            ["pulumi", "--non-interactive", "--cwd", str(self.directory), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def operate(self, operation: str, *options: str) -> dict[str, int]:
        """How many resources the operation touched, by kind."""
        skip = [] if operation == "preview" else ["--yes", "--skip-preview"]
        text = self.pulumi(operation, "--json", *skip, *options)
        summaries = [event["summaryEvent"] for event in _events(text) if "summaryEvent" in event]
        found: dict[str, int] = summaries[-1]["resourceChanges"]
        return found

    def resources(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.pulumi("stack", "export"))["deployment"].get("resources", [])
        return found


def _events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.fixture
def stack(tmp_path: Path, cloud: LocalCloud) -> Stack:
    home, backend, project = tmp_path / "home", tmp_path / "backend", tmp_path / "project"
    backend.mkdir()
    shutil.copytree(PROGRAM, project)
    install(home)
    environment = {
        "PATH": _SEARCH,
        "HOME": str(tmp_path),
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": "throw-away",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true",
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_key,
    }
    made = Stack(project, environment)
    made.pulumi("stack", "init", "case")
    made.pulumi("config", "set", "endpoint", cloud.url)
    return made


def test_a_stack_lives_from_up_to_destroy(stack: Stack, cloud: LocalCloud) -> None:
    ec2 = cloud.client("ec2")
    assert stack.operate("up") == {"create": 12}
    assert stack.operate("up") == {"same": 12}
    assert stack.operate("refresh") == {"same": 12}

    vpc = stack.pulumi("stack", "output", "vpc_id").strip()
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    assert stack.operate("refresh") == {"same": 11, "update": 1}
    assert stack.operate("up") == {"same": 11, "update": 1}

    stack.pulumi("config", "set", "description", "other")
    assert stack.operate("up") == {"same": 11, "update": 1}

    stack.pulumi("config", "set", "subnet_cidr", "10.7.2.0/24")
    assert stack.operate("up") == {"same": 10, "replace": 2}
    assert stack.pulumi("stack", "output", "host").startswith("10.7.2.")
    assert stack.operate("up") == {"same": 12}

    assert stack.operate("destroy") == {"delete": 12}
    assert stack.resources() == []
    assert [item for item in ec2.describe_vpcs()["Vpcs"] if item["VpcId"] == vpc] == []
    used = [item for item in ec2.describe_network_interfaces()["NetworkInterfaces"] if item["VpcId"] == vpc]
    assert used == []


def test_the_engine_finds_the_installed_provider_and_downloads_nothing(stack: Stack, tmp_path: Path) -> None:
    plugins = json.loads(stack.pulumi("plugin", "ls", "--json"))
    assert [(plugin["name"], plugin["version"]) for plugin in plugins] == [("aws", VERSION)]
    install(tmp_path / "home")
    program = tmp_path / "home" / "plugins" / f"resource-aws-v{VERSION}" / "pulumi-resource-aws"
    assert program.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in program.parent.iterdir()] == [program.name]
