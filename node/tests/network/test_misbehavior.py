"""A validator that signs twice: found by the others' engines, written on the ledger, put out by the members."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from gchain_node.proof.block import BlockId, PartSetHeader, vote_sign_bytes
from gchain_node.proof.rpc_json import parse_time, text_time

pytestmark = pytest.mark.slow
Ledgers, Ledger, Validator = Any, Any, Any  # of node/tests/network, through the fixture
PRECOMMIT = 2


def reports(validator: Validator) -> list[dict[str, Any]]:
    """The reports in the state, oldest first."""
    index = validator.get("/v1/query/governance/misbehavior")
    paths = index["value"]["latest"] if index and index["result"] == "OK" else []
    return [validator.get(f"/v1/query/{path}")["value"] for path in paths]


def twin_of(ledgers: Ledgers, ledger: Ledger, original: Validator) -> Validator:
    """A second node and engine with the validator key of the first, and no knowledge of what the first has signed."""
    twin = ledgers.add_observer(ledger)
    key = json.dumps(original.validator_key())
    (twin.home / "engine" / "config" / "priv_validator_key.json").write_text(key)
    return twin


def test_two_engines_with_one_key_are_caught_and_the_member_is_put_out(ledgers: Ledgers) -> None:
    """Both make proposals and vote for their own: two different proposals and votes by one validator."""
    ledger = ledgers.start(4)
    ledger.go_live()
    culprit, *honest = ledger.validators
    twin = twin_of(ledgers, ledger, culprit)
    twin.start()
    ledgers.wait_until("the evidence to be on the ledger", lambda: reports(honest[0]), 120)
    found = reports(honest[0])[0]
    assert (found["kind"], found["member"], found["power"]) == ("duplicate_vote", culprit.member.name, 10)
    for process in (twin, culprit):
        process.stop()
    suspend(ledgers, honest, culprit)
    last = ledger.commit_record(honest[1], "without-the-culprit")
    assert last.committed
    for validator in honest:
        ledgers.wait_until("the block after", lambda v=validator: v.has_reached(last.height + 2))
    assert len({ledger.app_hash(validator, last.height) for validator in honest}) == 1
    signers = honest[0].ask(f"validators?height={last.height + 1}")["validators"]
    assert len(signers) == 3


def suspend(ledgers: Ledgers, voters: list[Validator], culprit: Validator) -> None:
    """Each voter asks its own node, so each step waits until every node has the block of the step before."""
    args: dict[str, Any] = {"id": "out", "kind": "member.suspend", "args": {"member": culprit.member.name}}
    for number, voter in enumerate(voters):
        call = "vote" if number else "propose"
        with voter.client() as client:
            officer = voter.member.keys["officer"]
            outcome = client.transact("governance", call, args, key=officer, signer=voter.member.officer)
            outcome.raise_for_code()
        for other in voters:
            ledgers.wait_until("the block of the vote", lambda v=other, h=outcome.height: v.has_reached(h))
        args = {"proposal": "out", "ballot": "yes"}
    status = voters[0].get(f"/v1/query/members/{culprit.member.name}")["value"]["status"]
    assert status == "suspended"


def test_evidence_given_to_one_engine_reaches_the_state_of_all_and_a_forged_one_none(ledgers: Ledgers) -> None:
    """Two precommits of one height and round for different blocks, signed with a stolen validator key."""
    ledger = ledgers.start(4)
    culprit, witness = ledger.validators[0], ledger.validators[1]
    height = 2
    ledger.wait_height(height + 2)
    evidence = duplicate_vote(culprit, witness, height)
    forged = json.loads(json.dumps(evidence))
    forged["value"]["vote_b"]["signature"] = base64.b64encode(bytes(64)).decode()
    assert "error" in _give(witness, forged)
    answer = _give(witness, evidence)
    assert "error" not in answer, answer
    for validator in ledger.validators:
        ledgers.wait_until(f"the report at {validator.member.name}", lambda v=validator: reports(v))
        (found,) = reports(validator)
        assert (found["member"], found["height"], found["kind"]) == (culprit.member.name, height, "duplicate_vote")
    assert _give(witness, evidence).get("error") or len(reports(witness)) == 1, "told twice, counted twice"


def _give(validator: Validator, evidence: dict[str, Any]) -> dict[str, Any]:
    body = {"jsonrpc": "2.0", "id": 1, "method": "broadcast_evidence", "params": {"evidence": evidence}}
    answer: dict[str, Any] = httpx.post(f"http://127.0.0.1:{validator.rpc}/", json=body, timeout=60).json()
    return answer


def duplicate_vote(culprit: Validator, witness: Validator, height: int) -> dict[str, Any]:
    """DuplicateVoteEvidence as the RPC takes it (CometBFT v0.38 types/evidence.go), in the order of the blocks."""
    time = witness.ask(f"block?height={height}")["block"]["header"]["time"]
    signers = witness.ask(f"validators?height={height}")["validators"]
    address = culprit.validator_key()["address"]
    index = [signer["address"] for signer in signers].index(address)
    votes = [_vote(culprit, witness, height, index, bytes([number]) * 32) for number in (1, 2)]
    return {
        "type": "tendermint/DuplicateVoteEvidence",
        "value": {
            "vote_a": votes[0],
            "vote_b": votes[1],
            "TotalVotingPower": str(sum(int(signer["voting_power"]) for signer in signers)),
            "ValidatorPower": signers[index]["voting_power"],
            "Timestamp": time,
        },
    }


def _vote(culprit: Validator, witness: Validator, height: int, index: int, block: bytes) -> dict[str, Any]:
    block_id = BlockId(block, PartSetHeader(1, block))
    time_ns = parse_time(witness.ask(f"block?height={height}")["block"]["header"]["time"])
    signed = vote_sign_bytes("gchain-test", PRECOMMIT, height, 0, block_id, time_ns)
    digest = block.hex().upper()
    return {
        "type": PRECOMMIT,
        "height": str(height),
        "round": 0,
        "block_id": {"hash": digest, "parts": {"total": 1, "hash": digest}},
        "timestamp": text_time(time_ns),
        "validator_address": culprit.validator_key()["address"],
        "validator_index": index,
        "signature": base64.b64encode(culprit.member.keys["validator"].sign(signed)).decode(),
    }
