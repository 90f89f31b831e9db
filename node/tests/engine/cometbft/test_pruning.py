"""Pruning under a real CometBFT: the engine forgets a block, and its transactions' receipts can still be made."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest

from gchain_node import genesis
from gchain_node.codes import Code
from gchain_node.proof import trust
from gchain_node.proof.receipt import verify_receipt

pytestmark = pytest.mark.slow


def earliest(validator: Any) -> int:
    answer = httpx.get(f"http://127.0.0.1:{validator.rpc}/status", timeout=5).json()
    return int(answer["result"]["sync_info"]["earliest_block_height"])


def test_a_receipt_outlives_the_engines_copy_of_its_block(ledgers: Any) -> None:
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
    validator.engine.kill(signal.SIGTERM)
    validator.node.kill(signal.SIGTERM)
    command = [sys.executable, "-m", "gchain_node", "db", "verify", "--config", str(validator.home / "node.toml")]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
    assert "agree with their headers" in verified.stdout
