from __future__ import annotations

from pathlib import Path

import pytest

from gchain.sandbox.faults import Faults
from gchain.sandbox.layout import Layout


def test_faults_are_kept_until_healed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCHAIN_SANDBOX_ROOT", str(tmp_path))
    layout = Layout("t", 1)
    layout.run.mkdir(parents=True)
    faults = Faults(layout)
    assert (faults.cut(), faults.killed()) == (set(), set())
    faults.plant("cut", "i-1")
    faults.plant("killed", "i-2")
    assert (Faults(layout).cut(), Faults(layout).killed()) == ({"i-1"}, {"i-2"})
    faults.heal("cut", "i-1")
    assert Faults(layout).cut() == set()
