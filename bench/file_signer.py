"""CometBFT's own file signer, measured by a Go program that is built against the pinned engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from gchain.toolchain.go import find_go
from gchain.workspace import REPOSITORY

__all__ = ["build", "measure"]

_ENGINE = REPOSITORY / "tools" / "cometbft"


def build(directory: Path) -> Path:
    """The program, built in `directory` from the module versions and hashes that the engine is built from."""
    directory.mkdir()
    for name in ("go.mod", "go.sum"):
        shutil.copy(_ENGINE / name, directory / name)
    shutil.copy(REPOSITORY / "bench" / "filepv.go", directory / "main.go")
    program = directory / "filepv"
    environment = os.environ | {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    subprocess.run([find_go(), "build", "-o", program, "."], cwd=directory, env=environment, check=True)
    return program


def measure(program: Path, key_type: str, rounds: int, directory: Path) -> dict[str, float]:
    """`{p50_ms, p99_ms}` of so many votes; `directory` is where its state file is written."""
    directory.mkdir()
    done = subprocess.run([program, key_type, str(rounds), directory], capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
