from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gchain.cli import _COMMANDS, main


def _gchain(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gchain.cli", *arguments], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_explains_itself(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"])  # which the command adds to
    monkeypatch.setattr("sys.argv", ["gchain", command, "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    shown, said = capsys.readouterr()
    assert (ended.value.code, said) == (0, "")
    assert "Usage" in shown


@pytest.mark.slow
@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_loads_what_it_needs_itself(command: str) -> None:
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
