"""A local cloud of its own on loopback, and the provider behind its gRPC interface."""

from __future__ import annotations

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

import boto3
import grpc
import pytest
from botocore.config import Config
from pulumi.runtime.proto import provider_pb2_grpc

from gchain.sandbox.provider.server import listen

from .engine import Engine

ACCOUNT = "123456789012"
REGION = "us-gov-west-1"


@dataclass(frozen=True)
class LocalCloud:
    """A running cloud and the keys of one account in it."""

    url: str
    access_key: str
    secret_key: str

    def client(self, service: str, region: str = REGION) -> Any:
        """A way into the cloud behind the provider's back."""
        session: Any = boto3.Session(self.access_key, self.secret_key, region_name=region)
        return session.client(service, endpoint_url=self.url, config=Config(s3={"addressing_style": "path"}))

    def configuration(self) -> dict[str, object]:
        """What a Pulumi program says on its `aws.Provider`."""
        return {
            "region": REGION,
            "accessKey": self.access_key,
            "secretKey": self.secret_key,
            "endpoints": f'[{{"sts": "{self.url}", "*": "{self.url}"}}]',
            "defaultTags": '{"tags": {"gchain:member": "treasury"}}',
        }


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud that only this test run uses, with account 123456789012 opened."""
    directory, port = tmp_path_factory.mktemp("cloud"), _free_port()
    token = directory / "token"
    token.write_text(secrets.token_hex())
    command = [sys.executable, "-m", "gchain.sandbox.cloud", "--port", str(port), "--company-token", str(token)]
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_it_answers(process, port, log)
        yield _open_account(f"http://127.0.0.1:{port}", token.read_text())
    finally:
        process.terminate()
        process.wait(timeout=20)


def _open_account(url: str, token: str) -> LocalCloud:
    """The account's first key is given out by the cloud company."""
    iam = boto3.Session("company", "company", region_name=REGION).client("iam", endpoint_url=url)

    def as_company(request: Any, **_: Any) -> None:
        request.headers["x-gchain-company"] = token
        request.headers["x-moto-account-id"] = ACCOUNT

    iam.meta.events.register("before-sign.iam", as_company)
    iam.create_user(UserName="engineer")
    key = iam.create_access_key(UserName="engineer")["AccessKey"]
    return LocalCloud(url, key["AccessKeyId"], key["SecretAccessKey"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/gchain-api/changes"):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the local cloud did not answer within 60 s: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def channel() -> Iterator[grpc.Channel]:
    server, port = listen()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    server.stop(None)


@pytest.fixture(scope="session")
def engine(cloud: LocalCloud, channel: grpc.Channel) -> Engine:
    """What the engine does with a provider, configured for one region of the local cloud and default tags."""
    engine = Engine(provider_pb2_grpc.ResourceProviderStub(channel))
    engine.configure(cloud.configuration())
    return engine
