"""The local cloud as its own process, with one account opened, for tests of what talks to a cloud."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ACCOUNT = "111122223333"


@dataclass(frozen=True)
class Cloud:
    url: str
    access_key: str
    secret_key: str

    def session(self, region: str = "eu-central-1") -> boto3.Session:
        return boto3.Session(self.access_key, self.secret_key, region_name=region)

    def client(self, service: Any, region: str = "eu-central-1") -> Any:
        settings = Config(s3={"addressing_style": "path"})
        return self.session(region).client(service, region_name=region, endpoint_url=self.url, config=settings)

    def s3(self, region: str = "eu-central-1") -> Any:
        return self.client("s3", region)

    def bucket(self, name: str, region: str) -> None:
        location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self.s3(region).create_bucket(Bucket=name, **location)
        self.s3(region).put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


@contextmanager
def running(directory: Path) -> Iterator[Cloud]:
    """A cloud with one opened account and a bucket in and out of the zone."""
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
