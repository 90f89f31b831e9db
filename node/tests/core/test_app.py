"""The state machine: phases, replay, order of calls, queries with proof."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gchain_node.codes import TABLE, Code, markdown
from gchain_node.errors import EngineError, GenesisError, VerificationError
from gchain_node.keys.file_key import FileKey
from gchain_node.messages import Block, Misbehavior
from gchain_node.proof import merkle
from gchain_node.proof.state import StateProof
from gchain_node.tlog.entries import Entry
from gchain_node.tx import P256_ORDER

Ledger = Any  # of conftest.py, which pytest does not let tests import
DIGEST = hashlib.sha256(b"salt" + b"document").digest()
RECORD = {"id": "budget-2026", "commitment": DIGEST}


def test_every_code_is_documented() -> None:
    assert set(TABLE) == set(Code)
    page = Path(__file__).parents[3] / "docs" / "result-codes.md"
    assert page.read_text() == markdown()


def test_a_code_keeps_its_name_and_number_for_ever() -> None:
    """Clients switch on them. A new code is a new line in the file."""
    published = json.loads((Path(__file__).parents[1] / "cases" / "result_codes.json").read_text())
    assert {code.name: int(code) for code in Code} == published


def test_a_business_transaction_waits_until_the_ledger_is_live(ledger: Ledger) -> None:
    assert ledger.call("treasury", "records/commit", RECORD).code == Code.FORMING
    assert ledger.go_live().code == Code.OK
    assert ledger.call("treasury", "records/commit", RECORD).code == Code.OK


def test_a_record_can_be_read_back_with_a_proof_that_ends_in_the_app_hash(live: Ledger) -> None:
    live.call("treasury", "records/commit", RECORD)
    app_hash = live.app.info().last_block_app_hash
    present = live.app.query("records/budget-2026", prove=True)
    proof = StateProof.decode(present.proof)
    proof.verify(app_hash)
    assert proof.value == present.value
    assert cbor2.loads(present.value)["commitment"] == DIGEST
    absent = live.app.query("records/budget-2027", prove=True)
    assert absent.code == Code.NOT_FOUND
    StateProof.decode(absent.proof).verify(app_hash)
    with pytest.raises(VerificationError):
        proof.verify(hashlib.sha256(app_hash).digest())
    with pytest.raises(VerificationError):
        StateProof(proof.key, None, proof.siblings, proof.end).verify(app_hash)
    with pytest.raises(VerificationError):
        StateProof(proof.key, b"other", proof.siblings, proof.end).verify(app_hash)


def test_a_record_is_superseded_by_its_owner_alone(live: Ledger) -> None:
    live.call("treasury", "records/commit", RECORD)
    newer = {"id": "budget-2026", "commitment": hashlib.sha256(b"newer").digest()}
    assert live.call("interior", "records/supersede", newer).code == Code.NOT_AUTHORISED
    assert live.call("treasury", "records/commit", newer).code == Code.ALREADY_EXISTS
    assert live.call("treasury", "records/supersede", newer | {"version": 2}).code == Code.CONFLICT
    assert live.call("treasury", "records/supersede", newer | {"version": 1}).code == Code.OK
    record = live.read("records/budget-2026")
    assert record["version"] == 2
    assert record["superseded"][0]["commitment"] == DIGEST


@pytest.mark.parametrize(
    "args",
    [
        {"id": "budget-2026"},
        {"id": "budget-2026", "commitment": b"short"},
        {"id": "Jane Doe", "commitment": DIGEST},
        {"id": "budget-2026", "commitment": DIGEST, "name": "Jane Doe"},
        {"id": 7, "commitment": DIGEST},
    ],
)
def test_a_record_with_bad_arguments_is_refused_and_writes_nothing(live: Ledger, args: dict[str, Any]) -> None:
    assert live.call("treasury", "records/commit", args).code == Code.BAD_ARGUMENTS
    assert live.app.query("records/budget-2026").code == Code.NOT_FOUND


def test_a_number_is_used_once_in_any_order_within_the_window(live: Ledger) -> None:
    def commit(nonce: int, **changes: Any) -> int:
        args = {"id": f"r-{nonce}-{live.height}", "commitment": DIGEST}
        return int(live.call("treasury", "records/commit", args, nonce=nonce, **changes).code)

    assert commit(2000) == Code.OK
    assert commit(2000) == Code.NONCE_USED
    assert commit(1500) == Code.OK
    assert commit(1500) == Code.NONCE_USED
    assert commit(2000 - 1023) == Code.OK
    assert commit(2000 - 1024) == Code.NONCE_TOO_OLD
    assert commit(2002, ordered=True) == Code.OUT_OF_ORDER
    assert commit(2001, ordered=True) == Code.OK
    assert commit(9000) == Code.OK
    assert commit(2002) == Code.NONCE_TOO_OLD


def test_a_number_is_used_also_by_a_transaction_that_its_module_refuses(live: Ledger) -> None:
    assert live.call("treasury", "records/commit", {}, nonce=77).code == Code.BAD_ARGUMENTS
    assert live.call("treasury", "records/commit", RECORD, nonce=77).code == Code.NONCE_USED


def test_the_same_transaction_twice_in_a_block_takes_effect_once(live: Ledger) -> None:
    raw = live.tx("treasury", "records/commit", RECORD)
    assert [r.code for r in live.deliver(raw, raw)] == [Code.OK, Code.NONCE_USED]


def test_the_mempool_sees_what_waits_in_it(live: Ledger) -> None:
    first = live.tx("treasury", "records/commit", RECORD)
    second = live.tx("treasury", "records/supersede", RECORD)
    assert live.app.check_tx(second).code == Code.NOT_FOUND
    assert live.app.check_tx(first).ok
    assert live.app.check_tx(second).ok
    assert live.app.check_tx(first).code == Code.NONCE_USED
    live.deliver()
    assert live.app.check_tx(first, recheck=True).ok
    live.deliver(first)
    assert live.app.check_tx(first, recheck=True).code == Code.NONCE_USED


def test_the_wrong_key_signer_chain_or_time_has_its_own_code(live: Ledger) -> None:
    stranger = FileKey(ec.generate_private_key(ec.SECP256R1()))
    call = "records/commit"
    assert live.call("treasury", call, RECORD, key=stranger).code == Code.UNKNOWN_KEY
    assert live.call("treasury", call, RECORD, key=live.key("interior")).code == Code.SIGNER_MISMATCH
    assert live.call("treasury", call, RECORD, key=live.key("treasury/officer")).code == Code.SIGNER_MISMATCH
    assert live.call("treasury", call, RECORD, chain_id="gchain-other").code == Code.WRONG_CHAIN
    assert live.call("treasury", call, RECORD, expires_height=live.height).code == Code.EXPIRED
    assert live.call("treasury", "mint/coins", RECORD).code == Code.UNKNOWN_MODULE
    assert live.call("treasury", "records/erase", RECORD).code == Code.UNKNOWN_ACTION
    assert live.app.query("records/budget-2026").code == Code.NOT_FOUND
    assert live.call("treasury", call, RECORD, expires_height=live.height + 1).code == Code.OK


def test_a_changed_byte_breaks_the_signature_and_a_high_s_is_named(live: Ledger) -> None:
    raw = live.tx("treasury", "records/commit", RECORD)
    changed = raw.replace(DIGEST, hashlib.sha256(b"forged").digest())
    assert live.app.check_tx(changed).code == Code.BAD_SIGNATURE
    s = int.from_bytes(raw[-32:], "big")
    high = raw[:-32] + (P256_ORDER - s).to_bytes(32, "big")
    assert live.app.check_tx(high).code == Code.HIGH_S
    assert live.app.check_tx(raw).ok


def test_a_signature_found_good_does_not_outlive_the_right_to_sign(live: Ledger) -> None:
    raw = live.tx("interior/officer", "records/commit", RECORD)
    assert live.app.check_tx(raw).ok
    propose = {"id": "out", "kind": "officer.add", "args": {}}
    assert live.call("treasury", "governance/propose", propose).code == Code.NOT_AUTHORISED
    suspend = {"id": "out", "kind": "member.suspend", "args": {"member": "interior"}}
    for name, call, args in (
        ("treasury", "governance/propose", suspend),
        ("justice", "governance/vote", {"proposal": "out", "ballot": "yes"}),
        ("finance", "governance/vote", {"proposal": "out", "ballot": "yes"}),
    ):
        assert live.call(f"{name}/officer", call, args).ok
    assert live.app.check_tx(raw, recheck=True).code == Code.MEMBER_SUSPENDED
    assert live.deliver(raw)[0].code == Code.MEMBER_SUSPENDED


def test_a_proposal_with_what_could_never_be_valid_is_refused(live: Ledger) -> None:
    good = live.tx("treasury", "records/commit", RECORD)
    forged = good.replace(DIGEST, hashlib.sha256(b"forged").digest())
    foreign = live.tx("treasury", "records/commit", RECORD, chain_id="gchain-other")
    expired = live.tx("treasury", "records/commit", RECORD, expires_height=1)
    height = live.height + 1
    assert live.app.process_proposal([good], height, 0)
    for bad in (forged, foreign, expired, b"garbage", good[:-1], good + b"\0"):
        assert not live.app.process_proposal([good, bad], height, 0)
        assert live.app.prepare_proposal([bad, good], 100_000, height, 0) == [good]
    assert not live.app.process_proposal([good, good], height, 0)
    live.deliver(good)
    assert not live.app.process_proposal([good], height + 1, 0), "a block of what was committed before"
    assert live.app.prepare_proposal([good], 100_000, height + 1, 0) == []


def test_a_proposal_keeps_within_the_engines_bytes(live: Ledger) -> None:
    txs = [live.tx("treasury", "records/commit", {"id": f"r{i}", "commitment": DIGEST}) for i in range(5)]
    room = sum(len(raw) + 3 for raw in txs[:3])
    assert live.app.prepare_proposal(txs, room, live.height + 1, 0) == txs[:3]
    assert live.app.prepare_proposal(txs, room - 1, live.height + 1, 0) == txs[:2]


def test_a_block_out_of_order_is_refused(live: Ledger) -> None:
    with pytest.raises(EngineError, match="next height"):
        live.app.finalize_block(Block(live.height + 2, 0, ()))
    with pytest.raises(EngineError, match="without a finalized block"):
        live.app.commit()


def test_finalizing_persists_nothing_and_may_be_repeated(live: Ledger) -> None:
    before = live.app.info()
    raw = live.tx("treasury", "records/commit", RECORD)
    other = live.finalize()
    result = live.finalize(raw)
    assert result.app_hash != other.app_hash
    assert live.app.info() == before
    assert live.app.query("records/budget-2026").code == Code.NOT_FOUND
    live.app.commit()
    assert live.app.info().last_block_app_hash == result.app_hash


def test_an_empty_block_leaves_the_app_hash(live: Ledger) -> None:
    before = live.app.info().last_block_app_hash
    assert live.finalize().app_hash == before


def test_two_nodes_with_the_same_blocks_have_the_same_app_hash(
    make_ledger: Callable[..., Ledger], tmp_path: Path
) -> None:
    one, two = make_ledger(), make_ledger(tmp_path / "state.db")
    assert one.start() == two.start()
    txs = [one.tx("treasury/officer", "governance/go_live", one.go_live_args())]
    txs += [one.tx("finance", "records/commit", {"id": f"r{i}", "commitment": DIGEST}) for i in range(20)]
    assert one.finalize(*txs) == two.finalize(*txs)


def test_misbehaviour_is_written_down_for_governance(live: Ledger) -> None:
    report = Misbehavior("duplicate_vote", bytes(20), 10, 1, 0, 40)
    live.app.finalize_block(Block(live.height + 1, 0, (), misbehavior=(report,)))
    live.app.commit()
    assert live.read(f"governance/misbehavior/1-{bytes(20).hex()}-duplicate_vote")["kind"] == "duplicate_vote"


def test_queries_for_other_heights_and_paths_have_their_codes(live: Ledger) -> None:
    assert live.app.query("consortium", height=live.height).code == Code.OK
    assert live.app.query("consortium", height=live.height + 1).code == Code.HEIGHT_AHEAD
    live.deliver()
    assert live.app.query("consortium", height=live.height - 1).code == Code.HEIGHT_PRUNED
    assert live.app.query("secrets").code == Code.UNKNOWN_QUERY
    assert live.app.query("", b"members/treasury").code == Code.OK


def test_another_genesis_than_the_contributions_make_is_refused(make_ledger: Callable[..., Ledger]) -> None:
    ledger = make_ledger()
    ledger.genesis = ledger.genesis | {"validators": ledger.genesis["validators"][:3]}
    with pytest.raises(GenesisError, match="validators"):
        ledger.start()


def test_every_transaction_of_a_block_enters_the_log_that_the_app_hash_attests(live: Ledger) -> None:
    before = live.read("log")
    raws = [live.tx("treasury", "records/commit", RECORD), b"no transaction at all"]
    results = live.deliver(*raws)
    expected = [
        Entry.of(live.height, i, raw, int(r.code), r.data) for i, (raw, r) in enumerate(zip(raws, results, strict=True))
    ]
    kept = live.app._store.log
    assert [Entry.decode(raw) for raw in kept.entries(before["size"], before["size"] + 9)] == expected
    head = live.read("log")
    assert head["root"] == merkle.root(kept.entries(0, head["size"]))
    assert kept.size_before(live.height) == before["size"] == head["size"] - 2
    proof = StateProof.decode(live.app.query("log", prove=True).proof)
    proof.verify(live.app.info().last_block_app_hash)
    live.deliver()
    assert live.read("log") == head, "a block without transactions adds nothing"
