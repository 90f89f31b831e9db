from __future__ import annotations

import os
from pathlib import Path

import pytest

from gchain.errors import ToolchainError
from gchain.toolchain import PROGRAMS, missing, program_path
from gchain.workspace import REPOSITORY


def _program(directory: Path, name: str, version: str) -> None:
    path = directory / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GCHAIN_CACHE", str(tmp_path))
    return tmp_path


def test_an_empty_cache_lacks_every_program(cache: Path) -> None:
    assert missing() == list(PROGRAMS)
    with pytest.raises(ToolchainError, match="cometbft is missing"):
        program_path("cometbft")


def test_a_program_of_another_version_counts_as_missing(cache: Path) -> None:
    for program in PROGRAMS:
        _program(cache, program.name, program.version)
    assert missing() == []
    _program(cache, "cometbft", "1.0.1")
    assert [program.name for program in missing()] == ["cometbft"]


def test_every_program_has_a_module_whose_sources_are_pinned_by_hash() -> None:
    for program in PROGRAMS:
        sums = REPOSITORY / "tools" / program.module / "go.sum"
        assert f" v{program.version}" in sums.read_text()


def test_no_lock_file_carries_an_address() -> None:
    for path in sorted((REPOSITORY / "requirements").glob("*.txt")):
        text = path.read_text()
        assert "://" not in text, path
        assert "--hash=sha256:" in text, path


def test_scripts_can_be_run() -> None:
    for path in ("tools/setup", "tools/requirements", ".ci/run", "policies/pack"):
        assert os.access(REPOSITORY / path, os.X_OK), path
