"""A member's workspace with stack outputs, and a local cloud in which its instances exist."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from gchain.workspace import Workspace

REGION = "eu-central-1"
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
class Cloud:
    """A running local cloud; `consoles` holds `<instance id>/console.log`."""

    url: str
    token: str
    consoles: Path

    def client(self, service: str, account: str) -> Any:
        """A client of the cloud company, which may act in any account."""
        session = botocore.session.Session()
        session.set_credentials("company", "company")
        made = session.create_client(service, region_name=REGION, endpoint_url=self.url)

        def as_company(request: Any, **_: Any) -> None:
            request.headers["x-gchain-company"] = self.token
            request.headers["x-moto-account-id"] = account

        made.meta.events.register("before-sign.*.*", as_company)
        return made

    def open_account(self, account: str, credentials: Path) -> None:
        """The member's own key, as the sandbox gives it out."""
        iam = self.client("iam", account)
        user = f"platform-{secrets.token_hex(4)}"
        iam.create_user(UserName=user)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        credentials.parent.mkdir(parents=True)
        credentials.write_text(
            f"[default]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
        )

    def start_instance(self, account: str, console: str) -> str:
        """The id of a new instance whose console reads `console`."""
        ec2 = self.client("ec2", account)
        made = ec2.run_instances(ImageId="ami-0d0c0de1200000001", MinCount=1, MaxCount=1, InstanceType="m6i.large")
        instance = str(made["Instances"][0]["InstanceId"])
        (self.consoles / instance).mkdir()
        (self.consoles / instance / "console.log").write_text(console)
        return instance


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("cloud")
    token, consoles = directory / "token", directory / "consoles"
    token.write_text(secrets.token_hex())
    consoles.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "gchain.sandbox.cloud", "--port", str(port), "--company-token", str(token)]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--consoles", str(consoles)], stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait(process, f"http://127.0.0.1:{port}", directory / "log")
        yield Cloud(f"http://127.0.0.1:{port}", token.read_text(), consoles)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/gchain-api/changes"):  # noqa: S310 (loopback)
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the local cloud did not answer within 60 s: {log.read_text()[-2000:]}")


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
