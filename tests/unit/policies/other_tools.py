"""Scanners of other people, each in an environment of its own: their pins would fight with ours and with each other's.

An environment is made once and kept in the cache under the digest of its file in `requirements/`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from gchain.workspace import REPOSITORY, cache_directory

__all__ = ["closed_variables", "program"]


def program(name: str, executable: str) -> Path:
    """An executable of the environment that `requirements/<name>.txt` pins."""
    pinned = REPOSITORY / "requirements" / f"{name}.txt"
    digest = hashlib.sha256(pinned.read_bytes()).hexdigest()[:12]
    home = cache_directory() / name / digest
    ready = home / ".ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        install = [str(home / "bin" / "pip"), "install", "--quiet", "--require-hashes", "-r", str(pinned)]
        subprocess.run(install, check=True)
        ready.touch()
    return home / "bin" / executable


def closed_variables(home: Path) -> dict[str, str]:
    """An environment with nothing of the caller's in it, in which only loopback can be reached."""
    # Where a tool knows better than the endpoint it was given, it must not get out.
    proxies = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    return {"PATH": os.environ["PATH"], "HOME": str(home), **proxies}
