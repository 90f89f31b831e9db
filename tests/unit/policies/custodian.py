"""Cloud Custodian, run as its users run it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.other_tools import closed_variables, program
from tests.unit.policies.local_cloud import Cloud

__all__ = ["run"]


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
        **closed_variables(directory),
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_key,
        "AWS_DEFAULT_REGION": regions[0],
        "AWS_ENDPOINT_URL": cloud.url,
    }
    command = [str(program("custodian", "custodian")), "run", "--cache-period=0", *chosen, "-s", str(out), str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"custodian ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, list[Any]] = {name: [] for name in policies}
    for path in out.rglob("resources.json"):
        found[path.parent.name] += json.loads(path.read_text())
    return found
