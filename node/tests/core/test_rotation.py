"""Rotation on the ledger: a key gives way to a new one at a named height, and no rotation may cost the quorum."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gchain_node.codes import Code
from gchain_node.keys import Key, encode_public_key
from gchain_node.keys.file_key import FileKey
from gchain_node.keys.possession import prove
from gchain_node.keys.public import cometbft_address, cometbft_bytes, key_id, public_der
from gchain_node.messages import Block, BlockResult, Misbehavior, Vote
from gchain_node.proof.rpc_json import parse_time
from gchain_node.tls import make_authority

Ledger = Any  # of conftest.py, which pytest does not let tests import
DIGEST = bytes(32)


def fresh(curve: ec.EllipticCurve | None = None) -> FileKey:
    return FileKey(ec.generate_private_key(curve) if curve else Ed25519PrivateKey.generate())


def proved(key: Key, member: str, purpose: str) -> dict[str, Any]:
    pop = prove(key, consortium="development", member=member, purpose=purpose)
    return {"public_key": encode_public_key(key.public_key), "pop": pop}


def rotate(ledger: Ledger, member: str, key: Key, lead: int = 5, **more: Any) -> Any:
    args = proved(key, member, "validator") | {"height": ledger.height + 1 + lead} | more
    return ledger.call(f"{member}/officer", "membership/rotate_validator_key", args)


def block(ledger: Ledger, *txs: bytes, votes: tuple[Vote, ...] = ()) -> BlockResult:
    height = ledger.height + 1
    time_ns = parse_time(ledger.genesis["genesis_time"]) + height * 10**9
    result: BlockResult = ledger.app.finalize_block(Block(height, time_ns, txs, last_commit=votes))
    ledger.app.commit()
    return result


def blocks_until(ledger: Ledger, height: int) -> dict[int, BlockResult]:
    results = {}
    while ledger.height < height:
        result = block(ledger)
        results[ledger.height] = result
    return results


def test_both_keys_are_told_to_the_engine_two_blocks_before_the_new_one_votes(live: Ledger) -> None:
    new = fresh()
    old = live.read("members/treasury")["validator"]
    first = live.height + 6
    assert rotate(live, "treasury", new).ok
    assert live.read("members/treasury")["validator"] == old, "nothing changes at once"
    results = blocks_until(live, first)
    updates = {height: result.validator_updates for height, result in results.items() if result.validator_updates}
    assert list(updates) == [first - 2]
    assert {(u.public_key, u.power) for u in updates[first - 2]} == {
        (old["public_key"], 0),
        (cometbft_bytes(new.public_key), 10),
    }
    assert live.read("members/treasury")["validator"]["address"] == cometbft_address(new.public_key)
    assert live.read("governance/rotated/" + old["address"].hex())["status"] == "retired"


def test_a_rotation_is_open_until_the_new_key_has_voted(live: Ledger) -> None:
    new, first = fresh(), live.height + 6
    assert rotate(live, "treasury", new).ok
    blocks_until(live, first + 3)
    address = cometbft_address(new.public_key)
    block(live, votes=(Vote(address, 10, signed=False),))
    assert [entry["member"] for entry in live.read("governance/rotations")["open"]] == ["treasury"]
    block(live, votes=(Vote(address, 10, signed=True),))
    assert live.read("governance/rotations")["open"] == []
    assert live.read(f"governance/rotated/{address.hex()}")["status"] == "active"


def test_a_second_rotation_that_puts_a_third_of_the_power_at_risk_is_refused_until_the_first_is_done(
    live: Ledger,
) -> None:
    new, first = fresh(), live.height + 6
    assert rotate(live, "treasury", new).ok
    refused = rotate(live, "justice", fresh())
    assert refused.code == Code.REFUSED_BY_RULES
    assert "20 of 40" in refused.log
    blocks_until(live, first)
    block(live, votes=(Vote(cometbft_address(new.public_key), 10, signed=True),))
    assert rotate(live, "justice", fresh()).ok


def test_a_halt_must_be_accepted_in_so_many_words(live: Ledger) -> None:
    assert rotate(live, "treasury", fresh()).ok
    assert rotate(live, "justice", fresh(), halt_accepted=1).code == Code.REFUSED_BY_RULES
    assert rotate(live, "justice", fresh(), halt_accepted=True).ok


@pytest.mark.parametrize("lead", [2, 10_001])
def test_a_height_that_the_engine_cannot_reach_or_nobody_will_see_is_refused(live: Ledger, lead: int) -> None:
    assert rotate(live, "treasury", fresh(), lead=lead).code == Code.BAD_ARGUMENTS
    assert rotate(live, "treasury", fresh(), lead=3).ok


def test_a_consensus_key_of_another_type_than_genesis_allows_is_refused(live: Ledger) -> None:
    assert rotate(live, "treasury", fresh(ec.SECP256K1())).code == Code.BAD_ARGUMENTS
    assert rotate(live, "treasury", fresh(ec.SECP256R1())).code == Code.BAD_ARGUMENTS


def test_a_key_without_its_own_proof_of_possession_is_refused(live: Ledger) -> None:
    new, other = fresh(), fresh()
    stolen = proved(new, "treasury", "validator") | {"public_key": encode_public_key(other.public_key)}
    args = stolen | {"height": live.height + 6}
    assert live.call("treasury/officer", "membership/rotate_validator_key", args).code == Code.BAD_ARGUMENTS
    args = proved(new, "justice", "validator") | {"height": live.height + 6}
    assert live.call("treasury/officer", "membership/rotate_validator_key", args).code == Code.BAD_ARGUMENTS


def test_a_replaced_key_never_comes_back(live: Ledger) -> None:
    old, first = live.members["treasury"].keys["validator"], live.height + 6
    assert rotate(live, "treasury", fresh()).ok
    blocks_until(live, first + 1)
    again = rotate(live, "treasury", old)
    assert (again.code, "retired" in again.log) == (Code.ALREADY_EXISTS, True)
    assert rotate(live, "justice", live.members["finance"].keys["validator"]).code in (
        Code.ALREADY_EXISTS,
        Code.BAD_ARGUMENTS,
    )


@pytest.mark.parametrize(
    "call", ["rotate_validator_key", "rotate_member_key", "rotate_receipt_key", "rotate_officer_key", "cancel_rotation"]
)
def test_a_members_key_which_lies_on_a_host_rotates_nothing(live: Ledger, call: str) -> None:
    purpose = {"rotate_validator_key": "validator", "rotate_officer_key": "officer/officer"}.get(call, "member")
    args: dict[str, Any] = {} if call == "cancel_rotation" else proved(fresh(), "treasury", purpose)
    more = {"rotate_validator_key": {"height": live.height + 6}, "rotate_member_key": {"until": live.height + 9}}
    args |= more.get(call, {}) | ({"name": "officer"} if call == "rotate_officer_key" else {})
    assert live.call("treasury", f"membership/{call}", args).code == Code.NOT_AUTHORISED


def test_a_rotation_can_be_taken_back_until_the_engine_has_been_told(live: Ledger) -> None:
    first = live.height + 6
    assert live.call("treasury/officer", "membership/cancel_rotation", {}).code == Code.NOT_FOUND
    first = live.height + 6
    assert rotate(live, "treasury", fresh()).ok
    old = live.read("members/treasury")["validator"]
    assert live.call("treasury/officer", "membership/cancel_rotation", {}).ok
    blocks_until(live, first + 1)
    assert live.read("members/treasury")["validator"] == old
    first = live.height + 6
    assert rotate(live, "treasury", fresh()).ok
    blocks_until(live, first - 2)
    assert live.call("treasury/officer", "membership/cancel_rotation", {}).code == Code.NOT_FOUND


def _suspend(live: Ledger, member: str) -> None:
    args = {"id": f"s{live.height}", "kind": "member.suspend", "args": {"member": member}}
    assert live.call("finance/officer", "governance/propose", args).ok
    for voter in ("interior", "justice"):
        vote = {"proposal": args["id"], "ballot": "yes"}
        assert live.call(f"{voter}/officer", "governance/vote", vote).ok


def test_the_rotation_of_a_suspended_member_is_dropped_and_the_engine_hears_nothing_of_it(live: Ledger) -> None:
    new = fresh()
    assert rotate(live, "treasury", new, lead=12).ok
    first = live.read("governance/rotations")["open"][0]["height"]
    _suspend(live, "treasury")
    while live.height < first:
        assert block(live).validator_updates == ()
    assert live.read("governance/rotations")["open"] == []
    assert live.read(f"governance/rotated/{cometbft_address(new.public_key).hex()}")["status"] == "dropped"


def test_the_old_member_key_signs_until_the_overlap_ends_and_the_new_one_at_once(live: Ledger) -> None:
    new, until = fresh(ec.SECP256R1()), live.height + 4
    args = proved(new, "treasury", "member") | {"until": until}
    assert live.call("treasury/officer", "membership/rotate_member_key", args).ok
    assert live.read("members/treasury")["member_key"] == public_der(new.public_key)
    assert live.call("treasury", "records/commit", {"id": "a", "commitment": DIGEST}, key=new).ok
    assert live.call("treasury", "records/commit", {"id": "b", "commitment": DIGEST}).ok
    blocks_until(live, until)
    late = live.call("treasury", "records/commit", {"id": "c", "commitment": DIGEST})
    assert (late.code, str(until) in late.log) == (Code.KEY_RETIRED, True)
    assert live.call("treasury", "records/commit", {"id": "c", "commitment": DIGEST}, key=new).ok


def test_a_secp256k1_key_never_signs_transactions(live: Ledger) -> None:
    args = proved(fresh(ec.SECP256K1()), "treasury", "member") | {"until": live.height + 4}
    refused = live.call("treasury/officer", "membership/rotate_member_key", args)
    assert refused.code == Code.ALGORITHM_NOT_ALLOWED


def test_an_officers_new_key_replaces_the_old_one_in_the_next_block(live: Ledger) -> None:
    new = fresh(ec.SECP256R1())
    args = proved(new, "treasury", "officer/officer") | {"name": "officer"}
    digest = live.read("consortium")["membership_digest"]
    assert live.call("treasury/officer", "membership/rotate_officer_key", args).ok
    assert live.read("consortium")["membership_digest"] != digest
    propose = {"id": "p", "kind": "member.suspend", "args": {"member": "justice"}}
    assert live.call("treasury/officer", "governance/propose", propose).code == Code.KEY_RETIRED
    assert live.call("treasury/officer", "governance/propose", propose, key=new).ok
    unknown = proved(fresh(ec.SECP256R1()), "treasury", "officer/nobody") | {"name": "nobody"}
    assert live.call("treasury/officer", "membership/rotate_officer_key", unknown, key=new).code == Code.NOT_FOUND


def test_a_receipt_key_is_replaced_once_and_remembered(live: Ledger) -> None:
    old, new = live.members["treasury"].keys["receipt"], fresh(ec.SECP256R1())
    call = "membership/rotate_receipt_key"
    assert live.call("treasury/officer", call, proved(new, "treasury", "receipt")).ok
    assert live.read("members/treasury")["receipt_key"] == public_der(new.public_key)
    assert live.read(f"governance/rotated/{key_id(old.public_key).hex()}")["status"] == "retired"
    assert live.call("treasury/officer", call, proved(old, "treasury", "receipt")).code == Code.ALREADY_EXISTS


def test_two_issuing_certificates_stand_side_by_side_in_an_overlap_and_three_are_refused(live: Ledger) -> None:
    one = live.read("members/treasury")["tls_ca"]
    other = make_authority(fresh(ec.SECP256R1()), member="treasury", now=dt.datetime.now(dt.UTC)).decode()
    foreign = live.read("members/justice")["tls_ca"]
    assert live.call("treasury", "membership/set_tls_ca", {"tls_ca": one + other}).ok
    assert live.read("members/treasury")["tls_ca"] == one + other
    for wrong in (one + other + one, one + foreign, foreign):
        assert live.call("treasury", "membership/set_tls_ca", {"tls_ca": wrong}).code == Code.BAD_ARGUMENTS
    assert live.call("treasury", "membership/set_tls_ca", {"tls_ca": other}).ok


def test_misbehaviour_of_a_replaced_key_is_still_its_members(live: Ledger) -> None:
    address, first = live.read("members/treasury")["validator"]["address"], live.height + 6
    assert rotate(live, "treasury", fresh()).ok
    blocks_until(live, first + 1)
    height, time_ns = live.height + 1, parse_time(live.genesis["genesis_time"])
    found = Misbehavior("duplicate_vote", address, 10, first - 1, time_ns, 40)
    live.app.finalize_block(Block(height, time_ns + height * 10**9, (), misbehavior=(found,)))
    live.app.commit()
    assert live.read(f"governance/misbehavior/{first - 1}-{address.hex()}-duplicate_vote")["member"] == "treasury"
