"""Cloud Custodian, run as its users run it, in an environment of its own: it pins boto3 and cryptography.

Made once and kept in the cache under the digest of `requirements/custodian.txt`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from gchain.workspace import REPOSITORY, cache_directory
from tests.unit.policies.local_cloud import Cloud

__all__ = ["run"]

_PINNED = REPOSITORY / "requirements" / "custodian.txt"


def _program() -> Path:
    digest = hashlib.sha256(_PINNED.read_bytes()).hexdigest()[:12]
    home = cache_directory() / "custodian" / digest
    ready = home / ".ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        install = [str(home / "bin" / "pip"), "install", "--quiet", "--require-hashes", "-r", str(_PINNED)]
        subprocess.run(install, check=True)
        ready.touch()
    return home / "bin" / "custodian"


def run(
    cloud: Cloud, policies: dict[str, dict[str, Any]], regions: tuple[str, ...], directory: Path
) -> dict[str, list[Any]]:
    """What each policy (name -> resource and filters) found in the regions, as the cloud describes it."""
    document = {"policies": [{"name": name, **policy} for name, policy in policies.items()]}
    file = directory / "policies.yml"
    file.write_text(yaml.safe_dump(document))
    out = directory / "out"
    chosen = [f"--region={region}" for region in regions]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_key,
        "AWS_DEFAULT_REGION": regions[0],
        "AWS_ENDPOINT_URL": cloud.url,
        # Where it knows better than the endpoint it was given, it must not get out.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }
    command = [str(_program()), "run", "--cache-period=0", *chosen, "-s", str(out), str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"custodian ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, list[Any]] = {name: [] for name in policies}
    for path in out.rglob("resources.json"):
        found[path.parent.name] += json.loads(path.read_text())
    return found
