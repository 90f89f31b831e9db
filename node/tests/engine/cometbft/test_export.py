"""Export and log of a ledger of four real engines, recomputed by the kit's audit in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gchain_node import genesis
from gchain_node.export_cli import fetch_export
from gchain_node.proof.trust import from_genesis

pytestmark = pytest.mark.slow


def suspend_last_member(ledger: Any) -> None:
    """By the others' votes; its validator leaves two blocks later."""
    last = ledger.validators[-1].member.name
    proposal = {"id": "out", "kind": "member.suspend", "args": {"member": last}}
    with ledger.validators[0].client() as client:
        first, *others = [validator.member for validator in ledger.validators[:-1]]
        call = {"key": first.keys["officer"], "signer": first.officer}
        client.transact("governance", "propose", proposal, **call).raise_for_code()
        for member in others:
            ballot = {"proposal": "out", "ballot": "yes"}
            call = {"key": member.keys["officer"], "signer": member.officer}
            client.transact("governance", "vote", ballot, **call).raise_for_code()


def audited(ledger: Any, export: Path, directory: Path) -> dict[str, Any]:
    if importlib.util.find_spec("gchain") is None:
        pytest.skip("the kit (package gchain), which has the audit, is not installed beside the node")
    document = ledger.consortium.genesis
    trust = directory / "trust.json"
    trust.write_text(json.dumps(from_genesis(document, genesis.digest(document)).to_json()))
    line = [sys.executable, "-m", "gchain.cli", "audit", str(export), "--trust", str(trust), "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_four_engines_have_one_log_and_their_export_holds_in_an_audit(ledgers: Any, tmp_path: Path) -> None:
    ledger = ledgers.start(4)
    ledger.go_live()
    for number, validator in enumerate(ledger.validators):
        ledger.commit_record(validator, f"r{number}").raise_for_code()
    suspend_last_member(ledger)
    ledger.commit_record(ledger.validators[0], "after").raise_for_code()
    height = ledger.validators[0].height()
    ledger.wait_height(height + 3)
    logs = [validator.get("/v1/query/log")["value"] for validator in ledger.validators]
    assert all(log == logs[0] for log in logs)
    fetch_export(f"http://127.0.0.1:{ledger.validators[0].status}", tmp_path / "ledger.export")
    report = audited(ledger, tmp_path / "ledger.export", tmp_path)
    assert report["validator_changes"] == 1
    assert (report["log_size"], report["transactions"]) == (logs[0]["size"],) * 2
