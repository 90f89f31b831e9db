"""The node under a real CometBFT v0.38: it starts, agrees, and survives being killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Ledger

pytestmark = pytest.mark.slow


def test_a_single_validator_makes_blocks(make_ledger: Callable[[int], Ledger]) -> None:
    ledger = make_ledger(1)
    status = ledger.validators[0].get("/v1/status")
    assert status is not None
    assert status["phase"] == "forming"
