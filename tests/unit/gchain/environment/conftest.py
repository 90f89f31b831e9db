"""Environments to spoil: a copy of the sandbox's files in a temporary directory."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gchain.workspace import REPOSITORY


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of environments that `load` reads, holding a copy of `sandbox`."""
    shutil.copytree(REPOSITORY / "environments" / "sandbox", tmp_path / "sandbox")
    monkeypatch.setenv("GCHAIN_ENVIRONMENTS", str(tmp_path))
    return tmp_path
