"""The local cloud itself on a free port, and clients of its accounts."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from gchain.sandbox.cloud.company import COMPANY_HEADER

TOKEN = "company-token-of-the-tests"
REGION = "eu-central-1"
ALPHA, BETA = "300000000001", "300000000002"
_CONFIG = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


@dataclass(frozen=True)
class Cloud:
    url: str
    consoles: Path

    def client(self, service: str, key: str, secret: str, region: str = REGION) -> Any:
        session = botocore.session.Session()
        session.set_credentials(key, secret)
        return session.create_client(service, region_name=region, endpoint_url=self.url, config=_CONFIG)

    def company(self, service: str, account: str, token: str = TOKEN) -> Any:
        """A client that names any account, as the cloud company does."""
        client = self.client(service, "company", "company")

        def show(request: Any, **_: Any) -> None:
            request.headers["x-moto-account-id"] = account
            request.headers[COMPANY_HEADER] = token

        client.meta.events.register("before-sign.*.*", show)
        return client


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    consoles = tmp_path_factory.mktemp("consoles")
    token = consoles / "company-token"
    token.write_text(TOKEN)
    port = _free_port()
    command = [sys.executable, "-m", "gchain.sandbox.cloud", "--port", str(port)]
    command += ["--company-token", str(token), "--consoles", str(consoles)]
    with subprocess.Popen(command) as process:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/gchain-api/changes", process)
        yield Cloud(url, consoles)
        process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url):  # noqa: S310 (loopback)
                return
        except OSError:
            assert process.poll() is None, "the cloud ended"
            assert time.monotonic() < end, "the cloud did not answer within a minute"
            time.sleep(0.05)


Member = Callable[..., Any]


def _member(cloud: Cloud, account: str) -> Member:
    iam = cloud.company("iam", account)
    iam.create_user(UserName="platform")
    key = iam.create_access_key(UserName="platform")["AccessKey"]
    return lambda service, region=REGION: cloud.client(service, key["AccessKeyId"], key["SecretAccessKey"], region)


@pytest.fixture(scope="session")
def alpha(cloud: Cloud) -> Member:
    """Makes clients with the keys of one account; `beta` with those of another."""
    return _member(cloud, ALPHA)


@pytest.fixture(scope="session")
def beta(cloud: Cloud) -> Member:
    return _member(cloud, BETA)
