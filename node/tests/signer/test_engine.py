"""The signer as a process, with its key in a token, under a real CometBFT."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gchain_node.signer.journal import JOURNAL

pytestmark = pytest.mark.slow


def _signer(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gchain_node.cli", "signer", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _assert_one_content_a_position(journal: Path) -> None:
    """Over all that the journal recorded. Its own checks allow no second intent for a position; read it without
    them.
    """
    seen: dict[tuple[int, int, int], str] = {}
    for line in (journal / JOURNAL).read_text().splitlines():
        record = json.loads(line.partition(" ")[2])
        if record["kind"] == "intent":
            position = (record["height"], record["round"], record["step"])
            assert seen.setdefault(position, record["sign_bytes"]) == record["sign_bytes"]
    assert len(seen) > 10


@pytest.mark.parametrize("key_type", ["ed25519", "secp256k1"])
def test_a_chain_goes_on_while_its_signer_is_killed(new_validator: Any, key_type: str) -> None:
    validator = new_validator(key_type)
    assert _signer("init", "--config", str(validator.config), "--initial-height", "1").returncode == 0
    validator.start_signer()
    validator.start_engine()
    for _ in range(5):
        validator.wait_for_height(validator.height() + 6)
        validator.kill_signer()
        validator.start_signer()
    height = validator.height() + 3
    validator.wait_for_height(height)
    signatures = validator.rpc(f"commit?height={height - 1}")["signed_header"]["commit"]["signatures"]
    assert [entry["block_id_flag"] for entry in signatures] == [2]
    assert validator.rpc(f"block?height={height}")["block"]["evidence"]["evidence"] == []
    _assert_one_content_a_position(validator.config.parent / "journal")


def test_an_engine_that_was_killed_finds_its_signer_again(new_validator: Any) -> None:
    validator = new_validator("ed25519")
    assert _signer("init", "--config", str(validator.config), "--initial-height", "1").returncode == 0
    validator.start_signer()
    validator.start_engine()
    validator.wait_for_height(4)
    reached = validator.height()
    validator.kill_engine()
    (validator.config.parent / "privval.sock").unlink()  # as the unit does before each start
    validator.start_engine()
    validator.wait_for_height(reached + 8)


def test_a_signer_without_journal_a_second_one_and_one_with_another_journal_refuse(
    new_validator: Any, tmp_path: Path
) -> None:
    validator = new_validator("ed25519")
    config = str(validator.config)
    missing = _signer("run", "--config", config)
    assert missing.returncode == 8
    assert "missing" in missing.stderr
    assert _signer("init", "--config", config, "--initial-height", "1").returncode == 0
    other = tmp_path / "other.toml"
    other.write_text(validator.config.read_text().replace("/journal", "/journal-2"))
    assert _signer("init", "--config", str(other), "--initial-height", "1").returncode == 0
    validator.start_signer()
    second = _signer("run", "--config", config)
    assert second.returncode == 8
    third = _signer("run", "--config", str(other))
    assert third.returncode == 8
    assert "another signer on this host" in third.stderr


def test_init_twice_changes_nothing_and_status_needs_no_key(new_validator: Any) -> None:
    config = str(new_validator("ed25519").config)
    first = json.loads(_signer("init", "--config", config, "--initial-height", "7", "--json").stdout)
    again = json.loads(_signer("init", "--config", config, "--initial-height", "7", "--json").stdout)
    assert (first["created"], again["created"]) == (True, False)
    assert json.loads(_signer("status", "--config", config, "--json").stdout)["last"] is None


def test_init_without_a_height_is_refused(new_validator: Any) -> None:
    result = _signer("init", "--config", str(new_validator("ed25519").config))
    assert result.returncode == 2
    assert "--initial-height" in result.stderr


def test_a_key_of_another_type_than_configured_is_refused(new_validator: Any) -> None:
    validator = new_validator("ed25519")
    validator.config.write_text(validator.config.read_text().replace('"ed25519"', '"secp256k1"'))
    result = _signer("init", "--config", str(validator.config), "--initial-height", "1")
    assert result.returncode == 2
    assert "key_type is secp256k1" in result.stderr
