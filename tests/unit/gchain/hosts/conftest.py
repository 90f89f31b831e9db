"""A member's workspace with stack outputs, and a local cloud in which its instances exist."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gchain.workspace import Workspace
from tests.local_cloud import REGION, RunningCloud

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGV09zYe6FZl0kDOZAe3PGAui9Z4nWeHCv0nu"
CONSOLE = f"""\r
Debian GNU/Linux 12\r
-----BEGIN SSH HOST KEY KEYS-----\r
{KEY}OLD\r
-----END SSH HOST KEY KEYS-----\r
rebooting\r
-----BEGIN SSH HOST KEY KEYS-----\r
{KEY}NEW root@validator\r
-----END SSH HOST KEY KEYS-----\r
"""


@dataclass(frozen=True)
class Cloud(RunningCloud):
    """A running local cloud in which members have accounts and instances have consoles."""

    def open_account(self, account: str, credentials: Path) -> None:
        """The member's own key, as the sandbox gives it out."""
        key, secret = self.new_key(account)
        credentials.parent.mkdir(parents=True)
        credentials.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")

    def start_instance(self, account: str, console: str) -> str:
        """The id of a new instance whose console reads `console`."""
        ec2 = self.company("ec2", account)
        made = ec2.run_instances(ImageId="ami-0d0c0de1200000001", MinCount=1, MaxCount=1, InstanceType="m6i.large")
        instance = str(made["Instances"][0]["InstanceId"])
        (self.consoles / instance).mkdir()
        (self.consoles / instance / "console.log").write_text(console)
        return instance


@pytest.fixture(scope="session")
def cloud(started_cloud: RunningCloud) -> Cloud:
    return Cloud(started_cloud.url, started_cloud.consoles, started_cloud.token)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace", "sandbox", "test")


def outputs(instance: str = "i-0123456789abcdef0", **changes: Any) -> dict[str, Any]:
    """What treasury's stack says, in the shape of docs/interfaces.md."""
    host = {
        "name": "validator-1",
        "role": "validator",
        "instance_id": instance,
        "private_ip": "10.61.0.11",
        "az": "eu-central-1a",
        "az_id": "euc1-az1",
        "fqdn": "validator-1.treasury.gchain.internal",
        "ssh_user": "admin",
    }
    return {
        "member": "treasury",
        "account": "111122223333",
        "region": REGION,
        "vpc_cidr": "10.61.0.0/20",
        "zone_domain": "gchain.internal",
        "hosts": [host],
    } | changes


def write_outputs(workspace: Workspace, content: dict[str, Any]) -> Path:
    path = workspace.member("treasury").root / "outputs.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def wheelhouse_cache(tmp_path: Path) -> Path:
    """A finished wheelhouse in a cache of its own: the inventory reads its sums, nobody installs from it."""
    directory = tmp_path / "cache" / "wheelhouse" / ("1" * 64)
    directory.mkdir(parents=True)
    (directory / "SHA256SUMS").write_text(f"{'2' * 64}  cometbft\n{'3' * 64}  requirements.txt\n")
    return directory
