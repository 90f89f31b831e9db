"""Hashes and sign bytes against vectors computed with CometBFT v0.38.25."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gchain_node.proof import block, merkle
from gchain_node.proof.rpc_json import (
    commit_from_json,
    commit_to_json,
    header_from_json,
    header_to_json,
    parse_time,
    text_time,
    validators_from_json,
)
from gchain_node.proof.wire import ZERO_TIME_NS

CASES = Path(__file__).parent.parent / "cases" / "cometbft"


def cases(name: str, kind: str | None = None) -> list[Any]:
    found = json.loads((CASES / name).read_text())["cases"]
    return [pytest.param(case, id=case["id"]) for case in found if kind is None or case["kind"] == kind]


@pytest.mark.parametrize("case", cases("header_hash.json"))
def test_a_header_hashes_as_the_engine_hashes_it(case: dict[str, Any]) -> None:
    header = header_from_json(case["header"])
    assert header.hash().hex().upper() == case["hash"]
    assert header_from_json(header_to_json(header)) == header


@pytest.mark.parametrize("case", cases("validator_set_hash.json"))
def test_a_validator_set_hashes_as_the_engine_hashes_it(case: dict[str, Any]) -> None:
    validators = validators_from_json(list(reversed(case["validators"])))
    assert validators.hash().hex().upper() == case["hash"]
    assert str(validators.total_power) == case["total_voting_power"]


@pytest.mark.parametrize("case", cases("data_hash.json"))
def test_transactions_hash_as_the_engine_hashes_them(case: dict[str, Any]) -> None:
    import hashlib

    txs = [bytes.fromhex(tx) for tx in case["txs"]]
    assert block.data_hash(txs).hex().upper() == case["data_hash"]
    names = [hashlib.sha256(tx).digest() for tx in txs]
    for proof in case["proofs"]:
        assert [aunt.hex() for aunt in merkle.inclusion_path(names, proof["index"])] == proof["aunts"]
        assert merkle.leaf_hash(names[proof["index"]]).hex() == proof["leaf_hash"]


@pytest.mark.parametrize("case", cases("last_results_hash.json"))
def test_results_hash_as_the_engine_hashes_them(case: dict[str, Any]) -> None:
    rows = [
        block.result_bytes(r["code"], bytes.fromhex(r["data"]), int(r["gas_wanted"]), int(r["gas_used"]))
        for r in case["results"]
    ]
    assert block.results_hash(rows).hex().upper() == case["last_results_hash"]


@pytest.mark.parametrize("case", cases("keys.json"))
def test_a_validators_address_is_the_engines(case: dict[str, Any]) -> None:
    validator = block.Validator(case["type"], bytes.fromhex(case["pub_key"]), 1)
    assert validator.address.hex().upper() == case["address"]


@pytest.mark.parametrize("case", cases("sign_bytes.json", "vote"))
def test_a_vote_is_signed_over_the_engines_bytes(case: dict[str, Any]) -> None:
    message = case["message"]
    parts = message["block_id"]["part_set_header"]
    block_id = block.BlockId(
        bytes.fromhex(message["block_id"]["hash"]),
        block.PartSetHeader(parts["total"], bytes.fromhex(parts["hash"])),
    )
    time_ns = int(message["timestamp"]["seconds"]) * 10**9 + message["timestamp"]["nanos"]
    made = block.vote_sign_bytes(
        case["chain_id"], message["type"], int(message["height"]), message["round"], block_id, time_ns
    )
    assert made.hex() == case["sign_bytes"]


@pytest.mark.parametrize(
    "text", ["2026-05-01T10:00:00.123456789Z", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2026-12-31T23:59:59.5Z"]
)
def test_a_time_survives_being_read_and_written(text: str) -> None:
    assert text_time(parse_time(text)) == text


def test_the_zero_time_is_the_engines() -> None:
    assert parse_time("0001-01-01T00:00:00Z") == ZERO_TIME_NS


def test_a_commit_survives_being_written_and_read() -> None:
    absent = block.CommitSig(block.BLOCK_ID_ABSENT, b"", ZERO_TIME_NS, b"")
    present = block.CommitSig(block.BLOCK_ID_COMMIT, bytes(20), 1, bytes(64))
    commit = block.Commit(5, 1, block.BlockId(bytes(32), block.PartSetHeader(1, bytes(32))), (absent, present))
    assert commit_from_json(commit_to_json(commit)) == commit
