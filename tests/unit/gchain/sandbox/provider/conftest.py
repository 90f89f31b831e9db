"""A local cloud of its own on loopback, and the provider behind its gRPC interface."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from botocore.config import Config
from pulumi.runtime.proto import provider_pb2_grpc

from gchain.sandbox.provider.server import listen
from tests.local_cloud import RunningCloud, new_session

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
        session: Any = new_session(self.access_key, self.secret_key, region)
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
def cloud(started_cloud: RunningCloud) -> LocalCloud:
    """A local cloud with account 123456789012 opened, which these tests alone use."""
    return LocalCloud(started_cloud.url, *started_cloud.new_key(ACCOUNT))


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
