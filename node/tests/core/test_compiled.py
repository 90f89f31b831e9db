"""The state path as hosts run it: the modules that every transaction passes through, compiled from the same sources."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import setuptools

pytestmark = [pytest.mark.slow, pytest.mark.source]
_HERE = Path(__file__).parent


def _run(node: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(node)}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    return done.stdout


def test_hosts_install_every_module_of_the_state_path_compiled(
    compiled_node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setuptools, "setup", lambda **_: None)
    names = runpy.run_path(str(_HERE.parents[1] / "setup.py"))["STATE_PATH"]
    modules = [f"gchain_node.{name.replace('/', '.')}" for name in names]
    code = "import importlib, sys\nfor name in sys.argv[1:]: print(importlib.import_module(name).__file__)"
    found = _run(compiled_node, "-c", code, *modules).splitlines()
    assert len(found) == len(names) > 10
    assert [path for path in found if not (path.startswith(str(compiled_node)) and path.endswith(".so"))] == []


def test_the_tests_of_the_state_machine_pass_on_it(compiled_node: Path) -> None:
    """All of them but the longest, which is about the disk, and those that need the sources."""
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not source", "-k", "not long_life"]
    output = _run(compiled_node, "-m", "pytest", *options, str(_HERE))
    passed = re.search(r"(\d+) passed", output)
    assert passed is not None
    assert int(passed[1]) > 400
