"""What every test of both distributions shares: reproducible property tests, and the kit's own programs on PATH."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

_ROOT = Path(__file__).parent

# A time limit on an example fails on a busy machine; CI draws the same examples every time: it fails only on a change.
settings.register_profile("kit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("kit"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "kit")

os.environ["PATH"] = os.pathsep.join([str(_ROOT / ".venv" / "bin"), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


_ENGINES = ("node/tests/engine/", "node/tests/network/", "node/tests/signer/")


_LONGEST = ("hosts", "tests/unit/gchain", "tests/unit/policies", "engines", "node/tests/api", "node/tests/core")


class _Lanes(LoadScopeScheduling):
    """What `make test` and `make test-quick` run side by side, each part in its order, the next part for who is free
    first: what needs the sandbox's hosts waits much and computes little; tests that start engines choose ports from one
    range and stay together; each other directory, `tests/unit/policies` or `node/tests/api`, has its own servers, files
    and browser. The longest parts come first, so that none is left when the other lane has nothing more to do.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/sandbox/"):
            return "hosts"
        if nodeid.startswith(_ENGINES):
            return "engines"
        return "/".join(nodeid.partition("::")[0].split("/")[:3])

    def _assign_work_unit(self, node: WorkerController) -> None:
        longest = next((part for part in _LONGEST if part in self.workqueue), None)
        if longest is not None:
            self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)  # unknown to a run with `-p no:xdist`
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Lanes:
    return _Lanes(config, log)
