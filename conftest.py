"""What every test of both distributions shares: reproducible property tests, and the kit's own programs on PATH."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_ROOT = Path(__file__).parent

# A time limit on an example fails on a busy machine; CI draws the same examples every time: it fails only on a change.
settings.register_profile("kit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("kit"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "kit")

os.environ["PATH"] = os.pathsep.join([str(_ROOT / ".venv" / "bin"), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two lanes that `make test` runs side by side, each in its order: what needs the sandbox's hosts waits much and
    computes little, everything else shares ports and so stays together.
    """
    for item in items:
        lane = "hosts" if (_ROOT / "tests" / "sandbox") in item.path.parents else "machine"
        item.add_marker(pytest.mark.xdist_group(lane))
