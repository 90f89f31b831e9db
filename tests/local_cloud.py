"""The local cloud as its own process on a free port, for tests of what talks to a cloud."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import create_loader

from gchain.sandbox.cloud.company import COMPANY_HEADER

__all__ = ["REGION", "RunningCloud", "new_session", "running_cloud"]

REGION = "eu-central-1"
_CONFIG = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
_MODELS = create_loader()


def new_session(key: str, secret: str, region: str = REGION) -> boto3.Session:
    """A session of its own that shares what others read of the services' models: most of what a client costs."""
    core = botocore.session.Session()
    core.register_component("data_loader", _MODELS)
    return boto3.Session(key, secret, region_name=region, botocore_session=core)


@dataclass(frozen=True)
class RunningCloud:
    """A running cloud; `consoles` holds `<instance id>/console.log`, `token` is the cloud company's."""

    url: str
    consoles: Path
    token: str = field(repr=False)

    def client(self, service: str, key: str, secret: str, region: str = REGION) -> Any:
        made: Any = new_session(key, secret, region)  # not one of the few services that its types list
        return made.client(service, endpoint_url=self.url, config=_CONFIG)

    def company(self, service: str, account: str, *, token: str | None = None) -> Any:
        """A client that names any account, as the cloud company does."""
        made = self.client(service, "company", "company")

        def show(request: Any, **_: Any) -> None:
            request.headers["x-moto-account-id"] = account
            request.headers[COMPANY_HEADER] = token or self.token

        made.meta.events.register("before-sign.*.*", show)
        return made

    def new_key(self, account: str) -> tuple[str, str]:
        """The access key of a new user and its secret, given out by the cloud company: so an account is opened."""
        iam = self.company("iam", account)
        user = f"platform-{secrets.token_hex(4)}"
        iam.create_user(UserName=user)
        made = iam.create_access_key(UserName=user)["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]


@contextmanager
def running_cloud(directory: Path) -> Iterator[RunningCloud]:
    """A cloud that lives as long as the block; its log, token and consoles lie in `directory`."""
    token, consoles, log = directory / "token", directory / "consoles", directory / "log"
    token.write_text(secrets.token_hex())
    consoles.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "gchain.sandbox.cloud", "--port", str(port)]
    command += ["--company-token", str(token), "--consoles", str(consoles)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url, log)
        yield RunningCloud(url, consoles, token.read_text())
    finally:
        process.terminate()
        process.wait(timeout=120)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/gchain-api/changes", timeout=10):  # noqa: S310 (loopback)
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the local cloud did not answer within 120 s: {log.read_text()[-2000:]}")
