"""Pruning under a real CometBFT: the engine forgets a block, and its transactions' receipts can still be made."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from gchain_node import genesis
from gchain_node.codes import Code
from gchain_node.export_cli import fetch_export
from gchain_node.proof import trust
from gchain_node.proof.receipt import verify_receipt
from node.tests.engine.cometbft.test_export import audited

pytestmark = pytest.mark.slow


def earliest(validator: Any) -> int:
    answer = httpx.get(f"http://127.0.0.1:{validator.rpc}/status", timeout=30).json()
    return int(answer["result"]["sync_info"]["earliest_block_height"])


def test_receipts_and_an_audit_outlive_the_engines_copy_of_a_block(ledgers: Any, tmp_path: Path) -> None:
    ledger = ledgers.make(1)
    validator = ledger.validators[0]
    with (validator.home / "node.toml").open("a") as config:
        config.write("[storage]\nretain_blocks = 10\n")
    ledger.start()
    ledger.go_live()
    member, args = validator.member, {"id": "kept", "commitment": hashlib.sha256(b"kept").digest()}
    with validator.client() as client:
        outcome = client.transact("records", "commit", args, key=member.keys["member"], signer=member.name)
    ledgers.wait_until("the engine to prune the block", lambda: earliest(validator) > outcome.height + 1)
    anchor = trust.from_genesis(ledger.consortium.genesis, genesis.digest(ledger.consortium.genesis))
    with validator.client() as client:
        proven = verify_receipt(client.receipt(outcome.hash, verified=False), anchor)
    assert (proven.tx_hash, proven.height, proven.code) == (outcome.hash, outcome.height, Code.OK)
    block = validator.get(f"/v1/blocks/{outcome.height}")
    assert [tx["hash"] for tx in block["transactions"]] == [outcome.hash.hex()]
    fetch_export(f"http://127.0.0.1:{validator.status}", tmp_path / "ledger.export")
    assert audited(ledger, tmp_path / "ledger.export", tmp_path)["first"] == 1
    validator.engine.kill(signal.SIGTERM)
    validator.node.kill(signal.SIGTERM)
    command = [sys.executable, "-m", "gchain_node", "db", "verify", "--config", str(validator.home / "node.toml")]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
    assert "agree with their headers" in verified.stdout
