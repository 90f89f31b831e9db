"""What the embedded engine makes of a block is what CometBFT makes of it: every hash, the parts, the commit."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from gchain_node import genesis
from gchain_node.app import APP_VERSION
from gchain_node.engine.embedded.assembly import Chain, block_id, consensus_hash
from gchain_node.proof.block import EMPTY_COMMIT, BlockId, ValidatorSet
from gchain_node.proof.light import LightBlock, Trusted, verify_light_block, verify_step
from gchain_node.proof.rpc_json import commit_from_json, header_from_json, validators_from_json

pytestmark = pytest.mark.slow
UNKNOWN_HERE = {"time_ns", "proposer_address"}


def rpc(validator: Any, call: str) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"http://127.0.0.1:{validator.rpc}/{call}", timeout=30).json()["result"]
    return answer


def test_the_embedded_engines_blocks_are_cometbfts(ledgers: Any) -> None:
    ledger = ledgers.start(1)
    ledger.go_live()
    validator = ledger.validators[0]
    ledger.wait_height(4)
    document = ledger.consortium.genesis
    validators = validators_from_json(document["validators"])
    last_id = BlockId()
    app_hash = b""
    for height in range(1, 4):
        found = rpc(validator, f"block?height={height}")
        block = found["block"]
        header, txs = header_from_json(block["header"]), [base64.b64decode(raw) for raw in block["data"]["txs"]]
        last_commit = commit_from_json(block["last_commit"]) if height > 1 else EMPTY_COMMIT
        name = block_id(header, txs, last_commit)
        assert name.hash.hex().upper() == found["block_id"]["hash"]
        assert name.parts.hash.hex().upper() == found["block_id"]["parts"]["hash"]
        app_hash = app_hash or header.app_hash
        chain = Chain(
            chain_id=document["chain_id"],
            app_version=APP_VERSION,
            consensus_hash=consensus_hash(document["consensus_params"]),
            height=height - 1,
            time_ns=0,
            last_block_id=last_id,
            app_hash=app_hash,
            validators=validators,
            next_validators=validators,
            last_validators=validators if height > 1 else ValidatorSet(()),
            results=_rows(validator, height - 1),
        )
        made = chain.header(txs, last_commit, header.time_ns)
        for field in set(made.__slots__) - UNKNOWN_HERE:
            assert getattr(made, field) == getattr(header, field), f"{field} of block {height}"
        last_id = name
        app_hash = base64.b64decode(rpc(validator, f"block_results?height={height}")["app_hash"])
    assert genesis.digest(document).startswith("sha256:")


def _rows(validator: Any, height: int) -> tuple[bytes, ...]:
    from gchain_node.engine.cometbft.rpc import tx_result
    from gchain_node.engine.embedded.assembly import result_rows

    if height == 0:
        return ()
    return result_rows([tx_result(r) for r in rpc(validator, f"block_results?height={height}")["txs_results"] or []])


def test_the_light_client_follows_a_real_chain_of_four(ledgers: Any) -> None:
    ledger = ledgers.start(4)
    ledger.wait_height(5)
    source = ledger.validators[0]

    def light_block(height: int) -> LightBlock:
        signed = rpc(source, f"commit?height={height}")["signed_header"]
        validators = rpc(source, f"validators?height={height}")["validators"]
        header, commit = header_from_json(signed["header"]), commit_from_json(signed["commit"])
        return LightBlock(header, commit, validators_from_json(validators))

    first, last = light_block(1), light_block(4)
    verify_light_block(first, ledger.consortium.genesis["chain_id"])
    known = Trusted(first.header, light_block(2).validators)
    signers = verify_step(known, last, now_ns=last.header.time_ns + 1, period_ns=10**15)
    assert signers.power * 3 > signers.total * 2
