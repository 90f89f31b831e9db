"""The commands as roles run them: in processes of their own."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def keys() -> Run:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gchain_node.keys", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, keys: Run) -> Path:
    """A store with an initialised token. Tests leave it as it is, or add keys of names of their own to it."""
    base = tmp_path_factory.mktemp("token")
    assert _init(keys, base).returncode == 0
    return base / "store"


def _init(keys: Run, base: Path, *more: object) -> subprocess.CompletedProcess[str]:
    pins = ("--pin-file", base / "pin", "--so-pin-file", base / "so-pin")
    return keys("token-init", "--label", "validator", *pins, "--store", base / "store", "--json", *more)


def _uri(store: Path, label: str = "consensus", pin: Path | None = None) -> str:
    return f"pkcs11:token=validator;object={label};type=private?pin-source=file:{pin or store.parent / 'pin'}"


def test_initialising_twice_changes_nothing_the_second_time(keys: Run, store: Path) -> None:
    again = json.loads(_init(keys, store.parent).stdout)
    assert again["created"] is False


def test_generate_reports_whether_it_made_the_key(keys: Run, store: Path) -> None:
    first = json.loads(keys("generate", "--uri", _uri(store), "--type", "ed25519", "--store", store, "--json").stdout)
    second = json.loads(keys("generate", "--uri", _uri(store), "--type", "ed25519", "--store", store, "--json").stdout)
    assert (first["created"], second["created"]) == (True, False)
    assert first["public_key"] == second["public_key"]


def test_what_the_hsm_cannot_do_is_told_by_exit_code_and_table(keys: Run, store: Path) -> None:
    good = keys("probe", "--uri", _uri(store), "--require", "ed25519", "--store", store)
    assert good.returncode == 0
    assert "ed25519" in good.stdout
    bad = keys("probe", "--uri", _uri(store), "--require", "ed448", "--store", store)
    assert bad.returncode == 7
    assert "ed448" in bad.stderr


def test_a_wrong_pin_ends_with_the_status_that_forbids_a_restart(keys: Run, store: Path, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("000000000000\n")
    (tmp_path / "pin").chmod(0o600)
    result = keys("list", "--uri", _uri(store, pin=tmp_path / "pin"), "--store", store)
    assert result.returncode == 7
    assert "refuses the PIN" in result.stderr
    assert "000000000000" not in result.stderr + result.stdout


def test_a_store_that_does_not_exist_is_named(keys: Run, store: Path) -> None:
    result = keys("list", "--uri", _uri(store), "--store", "/nowhere/store")
    assert result.returncode == 7
    assert "/nowhere/store" in result.stderr


def test_no_pin_is_ever_an_argument_or_in_the_output(keys: Run, store: Path) -> None:
    pins = {(store.parent / name).read_text().strip() for name in ("pin", "so-pin")}
    result = keys("generate", "--uri", _uri(store, "quiet"), "--type", "p256", "--store", store, "--json")
    assert not any(pin in result.stdout + result.stderr for pin in pins)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_makes_a_token_that_belongs_to_another_user(keys: Run, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for path in (base, *base.parents):
        if path != Path("/"):
            path.chmod(path.stat().st_mode | 0o011)
    result = _init(keys, base, "--user", "nobody")
    assert result.returncode == 0, result.stderr
    owner = pwd.getpwnam("nobody").pw_uid
    owned: list[Any] = [base / "store", *(base / "store").rglob("*")]
    assert all(path.stat().st_uid == owner for path in owned)
    assert (base / "pin").stat().st_uid == 0
    made = keys(
        "generate", "--uri", _uri(base / "store"), "--type", "p256", "--store", base / "store", "--user", "nobody"
    )
    assert made.returncode == 0, made.stderr
    assert all(path.stat().st_uid == owner for path in (base / "store").rglob("*"))
