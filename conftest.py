"""What every test of both distributions shares: reproducible property tests, and the kit's own programs on PATH."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_ROOT = Path(__file__).parent

# A time limit on an example fails on a busy machine; CI draws the same examples every time: it fails only on a change.
settings.register_profile("kit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("kit"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "kit")

os.environ["PATH"] = os.pathsep.join([str(_ROOT / ".venv" / "bin"), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


class _Lanes(LoadScopeScheduling):
    """What `make test` runs side by side, each part in its order: what needs the sandbox's hosts waits much and
    computes little; what shares ports stays together; the rules and their sources, half of all tests, go to who is
    free first.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/sandbox/"):
            return "hosts"
        return "rules" if nodeid.startswith("tests/unit/policies/") else "machine"


@pytest.hookimpl(optionalhook=True)  # unknown to a run with `-p no:xdist`
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Lanes:
    return _Lanes(config, log)
