"""One sandbox for all end-to-end tests: built once, forming first, then opened; taken down at the end.

`GCHAIN_TEST_SANDBOX` names it (default `test`), `GCHAIN_KEEP_SANDBOX=1` keeps it and finds it again in the next run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from gchain.environment import load_for
from gchain.sandbox import slots
from gchain.sandbox.cli import down
from gchain.sandbox.rollout import Rollout
from gchain.sandbox.sandbox import Sandbox

from .consortium import Consortium

NAME = os.environ.get("GCHAIN_TEST_SANDBOX", "test")
KEEP = os.environ.get("GCHAIN_KEEP_SANDBOX") == "1"
_PHASES = ("forming", "live", "rotated", "ending")
"""The order in which tests need the sandbox; `rotated` replaces an agency's keys, `ending` takes it down."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the forming ledger before those of the live one, and those that end it last; others stay in front."""

    def phase(item: pytest.Item) -> int:
        names = getattr(item, "fixturenames", ())
        return max((number for number, name in enumerate(_PHASES, 1) if name in names), default=0)

    items.sort(key=phase)


@pytest.fixture(scope="session")
def _consortium() -> Iterator[Consortium]:
    if os.geteuid() != 0:
        pytest.skip("real hosts need root")
    sandbox = Sandbox(NAME)
    made = Consortium(Rollout(load_for(sandbox.workspace), sandbox))
    with slots.exclusive(f"{NAME}-tests"):  # two test runs at once need two names
        if not KEEP and made.sandbox.exists:
            down(NAME)  # left behind by a run that was killed
        try:
            yield made
        finally:
            if not KEEP:
                down(NAME)


@pytest.fixture(scope="session")
def _judged(_consortium: Consortium) -> Consortium:
    """A running ledger, forming or, in a sandbox that was kept, live already."""
    if not _consortium.phase():
        _consortium.build_forming()
    return _consortium


@pytest.fixture(scope="session")
def forming(_judged: Consortium) -> Consortium:
    """Four agencies whose ledger runs and is judged, and has not gone live."""
    if _judged.phase() != "forming":
        pytest.skip(f"sandbox {NAME}, which was kept, is live already: take it down first")
    return _judged


@pytest.fixture(scope="session")
def live(_judged: Consortium) -> Consortium:
    """The same, opened by its officers, with its first record committed."""
    if _judged.phase() != "live":
        _judged.open()
    return _judged


@pytest.fixture(scope="session")
def ending(live: Consortium) -> Consortium:
    """For tests that take the sandbox down: they run last."""
    return live
