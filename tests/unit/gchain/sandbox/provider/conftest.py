"""A local cloud of its own on loopback, and the provider behind its gRPC interface."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import grpc
import pytest
from pulumi.runtime.proto import provider_pb2_grpc

from gchain.sandbox.provider.server import listen

from .engine import Engine

REGION = "us-gov-west-1"


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a moto server, with the sandbox's extensions, that only this test run uses."""
    port = _free_port()
    log = tmp_path_factory.mktemp("cloud") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(_server(port), stdout=output, stderr=subprocess.STDOUT, env=_environment())
    try:
        _wait_until_it_answers(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _server(port: int) -> list[str]:
    return [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]


def _environment() -> dict[str, str]:
    return os.environ | {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false", "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/"):
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
def engine(cloud: str, channel: grpc.Channel) -> Engine:
    """What the engine does with a provider, configured for one region of the local cloud and default tags."""
    engine = Engine(provider_pb2_grpc.ResourceProviderStub(channel))
    engine.configure(configuration(cloud))
    return engine


def configuration(cloud: str) -> dict[str, object]:
    return {
        "region": REGION,
        "accessKey": "test",
        "secretKey": "test",
        "endpoints": f'[{{"sts": "{cloud}", "*": "{cloud}"}}]',
        "defaultTags": '{"tags": {"gchain:member": "treasury"}}',
    }


@pytest.fixture(scope="session")
def session(cloud: str) -> boto3.Session:
    """A way into the same cloud behind the provider's back: `session.client(name, endpoint_url=cloud)`."""
    return boto3.Session("test", "test", region_name=REGION)
