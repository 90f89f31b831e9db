"""Checkers of other people, each in an environment of its own: their pins would fight with ours and with each other's.

An environment is made once and kept in the cache under the digest of its file in `requirements/`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from gchain.workspace import REPOSITORY, cache_directory

__all__ = ["closed_variables", "file_of_package", "program"]


def program(name: str, executable: str) -> Path:
    """An executable of the environment that `requirements/<name>.txt` pins."""
    return _environment(name) / "bin" / executable


def file_of_package(name: str, path: str) -> Path:
    """A file of a package that `requirements/<name>.txt` pins, installed without what the package depends on."""
    (packages,) = (_environment(name, "--no-deps") / "lib").glob("python3*/site-packages")
    return packages / path


def _environment(name: str, *options: str) -> Path:
    pinned = REPOSITORY / "requirements" / f"{name}.txt"
    home = cache_directory() / name / hashlib.sha256(pinned.read_bytes()).hexdigest()[:12]
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # runs of the tests in other checkouts share the cache
        if not (home / ".ready").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
            install = [str(home / "bin" / "pip"), "install", "--quiet", "--require-hashes", *options]
            subprocess.run([*install, "-r", str(pinned)], check=True)
            (home / ".ready").touch()
    return home


def closed_variables(home: Path) -> dict[str, str]:
    """An environment with nothing of the caller's in it, in which only loopback can be reached."""
    # Where a tool knows better than the endpoint it was given, it must not get out.
    proxies = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    return {"PATH": os.environ["PATH"], "HOME": str(home), **proxies}
