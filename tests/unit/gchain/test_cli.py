from __future__ import annotations

import subprocess
import sys

import pytest


def _gchain(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gchain.cli", *arguments], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    "command",
    ["env", "sandbox", "status", "up", "stack", "host", "consortium", "check", "report", "verify", "toolchain"],
)
def test_every_command_explains_itself(command: str) -> None:
    done = _gchain(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_an_error_is_a_sentence_with_what_to_do_and_a_status() -> None:
    done = _gchain("env", "check", "atlantis")
    assert done.returncode == 2
    assert "atlantis" in done.stderr
    assert "what to do:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_sandbox_that_does_not_exist_is_named() -> None:
    done = _gchain("status", "--name", "nosuch")
    assert done.returncode == 7
    assert "nosuch" in done.stderr
