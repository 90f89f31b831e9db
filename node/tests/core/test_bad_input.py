"""Bad transactions: each has a stable code and a sentence, the same in mempool and block, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gchain_node import cbor, tx
from gchain_node.codes import Code
from gchain_node.modules import MODULES
from gchain_node.tx import Tx
from node.tests.bad_transactions import BAD, RECORD, encoded, nested
from node.tests.examples import examples

Ledger = Any  # of conftest.py, which pytest does not let tests import


def state_of(ledger: Ledger) -> list[tuple[bytes, bytes]]:
    """All but the log's head: that a block held a refused transaction is on record too."""
    return [row for row in ledger.app._store.scan(b"") if row[0] != b"log"]


@pytest.mark.parametrize("case", BAD)
def test_a_bad_transaction_has_its_code_and_a_sentence_and_writes_nothing(live: Ledger, case: str) -> None:
    make, code = BAD[case]
    raw, before = make(live), state_of(live)
    checked, delivered = live.app.check_tx(raw), live.deliver(raw)[0]
    assert (checked.code, delivered.code) == (code, code), checked.log
    assert checked.log == delivered.log
    assert len(checked.log.split()) > 3, "a sentence"
    assert state_of(live) == before


# What an earlier transaction of the same block, or of one that another validator has already, may have made good.
PLAUSIBLE = {"an unknown key", "another's key", "out of order"}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_transaction_makes_a_proposal_be_refused_unless_an_earlier_one_could_make_it_good(
    live: Ledger, case: str
) -> None:
    raw, good, height = BAD[case][0](live), live.tx("treasury", "records/commit", RECORD), live.height + 1
    assert live.app.process_proposal([good, raw], height, 0) is (case in PLAUSIBLE)
    proposed = live.app.prepare_proposal([raw, good], 1 << 20, height, 0)
    assert proposed == ([raw, good] if case in PLAUSIBLE else [good])


def test_the_good_twin_of_the_bad_transactions_passes(live: Ledger) -> None:
    assert live.deliver(encoded(live))[0].code == Code.OK


def test_a_number_used_or_below_the_window_writes_nothing(live: Ledger) -> None:
    assert live.deliver(encoded(live, nonce=5000))[0].ok
    before = state_of(live)
    for nonce, code in ((5000, Code.NONCE_USED), (5000 - 1024, Code.NONCE_TOO_OLD)):
        raw = encoded(live, nonce=nonce, args=RECORD | {"id": f"r{nonce}"})
        assert (live.app.check_tx(raw).code, live.deliver(raw)[0].code) == (code, code)
    assert state_of(live) == before


def test_the_keys_of_a_suspended_member_sign_nothing(live: Ledger) -> None:
    raw = live.tx("interior/officer", "records/commit", RECORD)
    args = {"id": "out", "kind": "member.suspend", "args": {"member": "interior"}}
    live.call("treasury/officer", "governance/propose", args)
    for voter in ("finance", "justice"):
        live.call(f"{voter}/officer", "governance/vote", {"proposal": "out", "ballot": "yes"})
    before = state_of(live)
    assert (live.app.check_tx(raw).code, live.deliver(raw)[0].code) == (Code.MEMBER_SUSPENDED,) * 2
    assert state_of(live) == before


AT_THE_LIMIT: dict[str, tuple[Callable[[int], dict[str, Any]], int, Code]] = {
    "a name": (lambda size: {"signer": "x" * size}, 128, Code.MALFORMED),
    "a module": (lambda size: {"module": "x" * size}, 128, Code.MALFORMED),
    "an action": (lambda size: {"action": "x" * size}, 128, Code.MALFORMED),
    "a number": (lambda size: {"nonce": size}, 2**63 - 1, Code.MALFORMED),
    "an expiry": (lambda size: {"expires_height": size}, 2**63 - 1, Code.MALFORMED),
    "an argument": (lambda size: {"args": {"x": size}}, 2**63 - 1, Code.MALFORMED),
    "a negative argument": (lambda size: {"args": {"x": -size}}, 2**63, Code.MALFORMED),
    "the depth": (lambda size: {"args": {"x": nested(size)}}, cbor.MAX_DEPTH - 2, Code.TOO_DEEP),
}


@pytest.mark.parametrize("case", AT_THE_LIMIT)
def test_a_limit_of_the_decoder_is_where_it_is_said_to_be(live: Ledger, case: str) -> None:
    make, limit, code = AT_THE_LIMIT[case]
    assert isinstance(_outcome(encoded(live, **make(limit))), Tx)
    assert _outcome(encoded(live, **make(limit + 1))) is code


def test_a_transaction_of_just_the_limit_passes_and_a_byte_more_does_not(live: Ledger) -> None:
    spare = tx.MAX_TX_BYTES - len(encoded(live, args={"x": bytes(1 << 16)})) + (1 << 16)
    raw = encoded(live, args={"x": bytes(spare)})
    assert len(raw) == tx.MAX_TX_BYTES
    assert isinstance(_outcome(raw), Tx)
    assert _outcome(encoded(live, args={"x": bytes(spare + 1)})) is Code.TOO_LARGE


ENDPOINT = {"host": "node.finance.example", "port": 26656, "id": "ab" * 20}


@pytest.mark.parametrize(
    "peer",
    [
        ENDPOINT | {"host": 'x"\nunsafe = true'},
        ENDPOINT | {"host": "x,evil@10.0.0.1"},
        ENDPOINT | {"host": "füße.example"},
        ENDPOINT | {"host": "x\n"},
        ENDPOINT | {"id": "AB" * 20},
        ENDPOINT | {"id": "ab" * 20 + "\n"},
        ENDPOINT | {"port": 65536},
        ENDPOINT | {"port": True},
        ENDPOINT | {"extra": 1},
    ],
)
def test_an_endpoint_that_would_reach_into_the_others_configuration_is_refused(live: Ledger, peer: Any) -> None:
    refused = live.call("finance", "membership/set_endpoints", {"peer": peer})
    assert refused.code == Code.BAD_ARGUMENTS
    assert "argument peer" in refused.log


def test_a_member_cannot_pose_as_anothers_peer(live: Ledger) -> None:
    assert live.call("finance", "membership/set_endpoints", {"peer": ENDPOINT}).ok
    assert live.call("interior", "membership/set_endpoints", {"peer": ENDPOINT}).code == Code.ALREADY_EXISTS


@pytest.mark.parametrize("pem", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x" * 9000])
def test_what_is_no_issuing_certificate_does_not_become_one(live: Ledger, pem: str) -> None:
    assert live.call("finance", "membership/set_tls_ca", {"tls_ca": pem}).code == Code.BAD_ARGUMENTS
    others = live.members["interior"].contribution["payload"]["tls_ca"]
    assert live.call("finance", "membership/set_tls_ca", {"tls_ca": others}).code == Code.BAD_ARGUMENTS


def test_a_defect_in_a_module_refuses_one_transaction_and_ends_no_node(
    live: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defective(context: Any, args: Any) -> Any:
        context.state.put("records/half", {"written": True})
        raise KeyError("oversight")

    monkeypatch.setitem(MODULES, "records", {**MODULES["records"], "commit": defective})
    result = live.call("treasury", "records/commit", RECORD)
    assert (result.code, result.data) == (Code.INTERNAL, b"")
    assert "KeyError" in result.log
    assert live.read("records/half") is None
    assert "oversight" in caplog.text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=40) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
ACTIONS = sorted((module, action) for module, actions in MODULES.items() for action in actions)
NAMES = sorted(
    {"id", "commitment", "schema", "version", "kind", "args", "member", "proposal", "ballot", "closes_height"}
    | {"table", "subject", "approvals", "peer", "api", "tls_ca", "contribution", "name", "public_key", "pop"}
)
ARGS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(300))
@given(call=st.sampled_from(ACTIONS), args=ARGS)
@example(call=("governance", "go_live"), args={"table": b"[NaN]", "subject": b"{}", "approvals": []})
@example(call=("governance", "go_live"), args={"table": b"[" * 5000, "subject": b"[" * 5000, "approvals": []})
@example(call=("governance", "propose"), args={"id": "x", "kind": "member.add", "args": {"contribution": b"[" * 9000}})
def test_no_argument_finds_a_defect_in_a_module(ledger: Ledger, call: tuple[str, str], args: dict[str, Any]) -> None:
    """A defect would be answered INTERNAL; check and deliver agree whatever the argument."""
    result = ledger.call("treasury/officer", "/".join(call), args)
    assert result.code not in (Code.OK, Code.INTERNAL) or call[1] in ("propose", "vote", "set_endpoints", "set_tls_ca")


def _mutations() -> st.SearchStrategy[list[tuple[int, int]]]:
    return st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(500))
@given(mutations=_mutations(), cut=st.integers(0, 400) | st.none(), junk=st.binary(max_size=20))
def test_a_mutated_transaction_is_refused_or_is_the_very_same(
    live: Ledger, mutations: list[tuple[int, int]], cut: int | None, junk: bytes
) -> None:
    good = live.tx("treasury", "records/commit", RECORD, nonce=1)
    raw = bytearray(good)
    for place, value in mutations:
        raw[place % len(raw)] = value
    mutated = bytes(raw[:cut]) + junk
    assert live.app.check_tx(mutated).ok is False or mutated == good
    live.deliver()  # forgets what the mempool let in


@given(raw=st.binary(max_size=200))
@settings(max_examples=examples(1000), deadline=None)
def test_chance_bytes_are_refused_by_the_decoder_with_a_code_of_the_encoding(raw: bytes) -> None:
    for attempt in (raw, b"\xd2" + raw, b"\xd2\x84" + raw):
        assert _outcome(attempt) in (Code.MALFORMED, Code.NOT_CANONICAL, Code.TOO_DEEP, Code.ALGORITHM_NOT_ALLOWED)


def test_a_good_transaction_decodes(live: Ledger) -> None:
    assert isinstance(_outcome(live.tx("treasury", "records/commit", RECORD)), Tx)


def _outcome(raw: bytes) -> Tx | Code:
    """The decoded transaction, or why it is refused; any other exception passes."""
    try:
        return tx.decode(raw).tx
    except tx.TransactionError as error:
        return error.code
