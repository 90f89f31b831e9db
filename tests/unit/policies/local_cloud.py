"""The local cloud with one account opened, as rules and sources meet it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.local_cloud import running_cloud

ACCOUNT = "111122223333"


@dataclass(frozen=True)
class Cloud:
    url: str
    access_key: str
    secret_key: str

    def session(self, region: str = "eu-central-1") -> boto3.Session:
        return boto3.Session(self.access_key, self.secret_key, region_name=region)

    def client(self, service: Any, region: str = "eu-central-1") -> Any:
        return _client(self, service, region)

    def s3(self, region: str = "eu-central-1") -> Any:
        return self.client("s3", region)

    def bucket(self, name: str, region: str) -> None:
        location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self.s3(region).create_bucket(Bucket=name, **location)
        self.s3(region).put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


@cache
def _session(cloud: Cloud) -> boto3.Session:
    return cloud.session()


@cache
def _client(cloud: Cloud, service: Any, region: str) -> Any:
    # Making a client reads the service's model: an estate of hundreds of resources would wait for little else.
    settings = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    return _session(cloud).client(service, region_name=region, endpoint_url=cloud.url, config=settings)


@contextmanager
def running(directory: Path) -> Iterator[Cloud]:
    """A cloud with one opened account and a bucket in and out of the zone."""
    with running_cloud(directory) as started:
        made = Cloud(started.url, *started.new_key(ACCOUNT))
        made.bucket("case-near", "eu-west-3")
        made.bucket("case-far", "us-east-1")
        yield made
