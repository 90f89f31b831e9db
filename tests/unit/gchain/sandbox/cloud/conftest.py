"""The local cloud itself on a free port, and clients of its accounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.local_cloud import REGION, RunningCloud

ALPHA, BETA = "300000000001", "300000000002"

Member = Callable[..., Any]


@pytest.fixture(scope="session")
def cloud(started_cloud: RunningCloud) -> RunningCloud:
    return started_cloud


def _member(cloud: RunningCloud, account: str) -> Member:
    key, secret = cloud.new_key(account)
    return lambda service, region=REGION: cloud.client(service, key, secret, region)


@pytest.fixture(scope="session")
def alpha(cloud: RunningCloud) -> Member:
    """Makes clients with the keys of one account; `beta` with those of another."""
    return _member(cloud, ALPHA)


@pytest.fixture(scope="session")
def beta(cloud: RunningCloud) -> Member:
    return _member(cloud, BETA)
