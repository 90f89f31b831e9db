"""One local cloud for every test of the kit that talks to one. Accounts keep them apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local_cloud import RunningCloud, running_cloud


@pytest.fixture(scope="session")
def started_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running
