"""How the rules grow with an estate: time and memory of the whole catalogue, from a stack export of mixed resources.

    python -m bench.rules       # a line of JSON for each size; `python -m bench gate` publishes them

The resources are those of the rule cases (clean and leaking, every type that a rule reads), repeated. Needs no sandbox.
"""

from __future__ import annotations

import copy
import json
import resource
import subprocess
import sys
import time
from typing import Any

import yaml

from gchain.workspace import REPOSITORY
from policies.engine import evaluate
from policies.graph import PROVIDER
from policies.outcomes import Stage
from policies.rules import RULES
from policies.sources import stack_state
from policies.zone import ZonePolicy

__all__ = ["SIZES", "export_of", "main", "measure"]

SIZES = (2_500, 5_000, 10_000)
_CASES = REPOSITORY / "tests" / "cases" / "rules"
_STACK = "bench"
_ZONE = f"urn:pulumi:{_STACK}::gchain::{PROVIDER}::zone"


def export_of(size: int) -> dict[str, Any]:
    """A stack export of `size` resources."""
    kinds = [entry for path in sorted(_CASES.glob("*/*state*.yaml")) for entry in _resources(path.read_text())]
    provider = {"urn": _ZONE, "type": PROVIDER, "id": "p", "inputs": {"region": "eu-central-1"}}
    entries = [provider]
    for number in range(size):
        given = kinds[number % len(kinds)]
        urn = f"urn:pulumi:{_STACK}::gchain::{given['type']}::{given['name']}-{number}"
        properties = copy.deepcopy(given["properties"])
        sides = {"inputs": properties, "outputs": copy.deepcopy(properties)}
        entries.append({"urn": urn, "type": given["type"], "id": str(number), "provider": f"{_ZONE}::p", **sides})
    return {"version": 3, "deployment": {"resources": entries}}


def _resources(text: str) -> list[dict[str, Any]]:
    found = (yaml.safe_load(text) or {}).get("resources", [])
    return [each for each in found if each["type"].startswith("aws:")]


def measure() -> list[dict[str, float]]:
    """A row for each size, measured in a process of its own: the peak of memory is the process's."""
    command = [sys.executable, "-m", "bench.rules"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    zone = ZonePolicy.from_mapping(yaml.safe_load((_CASES / "zone.yaml").read_text()))
    for size in SIZES:
        export = export_of(size)
        started = time.perf_counter()
        graph = stack_state.graph(export, _STACK)
        found = evaluate(graph, zone, Stage.STATE)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        row = {"resources": len(graph.resources), "rules": len(RULES), "seconds": seconds}
        print(json.dumps(row | {"findings": len(found), "memory": peak}))


if __name__ == "__main__":
    main()
