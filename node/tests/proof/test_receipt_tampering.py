"""A receipt with anything changed is refused, or proves exactly what it proved: never anything else, never a crash."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gchain_node import genesis, tx
from gchain_node.api.feed import BlockFeed
from gchain_node.api.view import LedgerView
from gchain_node.app import App
from gchain_node.dev_service import open_ledger
from gchain_node.development import DevelopmentConsortium
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.errors import VerificationError
from gchain_node.proof.proven import Proven
from gchain_node.proof.receipt import build_receipt, verify_receipt
from gchain_node.proof.trust import Trust, from_genesis
from gchain_node.store import Store
from gchain_node.tlog.log import TransparencyLog
from node.tests.examples import examples

Receipt = dict[str, Any]
NAMES = ("finance", "interior", "justice", "treasury")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Receipt, Receipt, Trust]]:
    """A receipt from before a change of the validators, one from after it, and the trust file of genesis."""
    consortium = DevelopmentConsortium.open(
        tmp_path_factory.mktemp("ledger"), ("finance", "interior", "justice", "treasury")
    )
    store = Store(None)
    app = App(store)
    engine = EmbeddedEngine(app, None, consortium.genesis, [m.keys["validator"] for m in consortium.members])
    view = LedgerView(app, engine, BlockFeed(), chain_id="gchain-dev", member="finance")
    open_ledger(view, engine, consortium)
    log = TransparencyLog(store, "gchain-dev", lambda: consortium.members[0].keys["receipt"])

    def send(signer: str, key: Any, call: str, nonce: int, **args: Any) -> None:
        module, _, action = call.partition("/")
        assert engine.broadcast(tx.sign(tx.Tx("gchain-dev", module, action, args, signer, nonce, 1000), key)).ok

    def record(name: str, nonce: int) -> Receipt:
        member = consortium.members[0]
        digest = hashlib.sha256(name.encode()).digest()
        for number in range(3):
            send(
                "finance",
                member.keys["member"],
                "records/commit",
                nonce + number,
                id=f"{name}{number}",
                commitment=digest,
            )
        height = engine.make_block().height
        engine.make_block()
        return json.loads(json.dumps(build_receipt(engine.source, height, 1, log.evidence)))  # type: ignore[no-any-return]

    before = record("before", 1)
    officers = {member.officer: member.keys["officer"] for member in consortium.members}
    suspend = {"kind": "member.suspend", "args": {"member": "justice"}}
    send("finance/officer", officers["finance/officer"], "governance/propose", 900, id="out", **suspend)
    engine.make_block()
    for voter in ("interior/officer", "treasury/officer"):
        send(voter, officers[voter], "governance/vote", 900, proposal="out", ballot="yes")
    for _ in range(4):
        engine.make_block()
    after = record("after", 11)
    yield before, after, from_genesis(consortium.genesis, genesis.digest(consortium.genesis))
    engine.close()


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))
    else:
        yield path


def replaced(receipt: Receipt, path: tuple[Any, ...], value: Any) -> Receipt:
    changed = copy.deepcopy(receipt)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


def proves(receipt: Any, trust: Trust) -> Proven | None:
    try:
        return verify_receipt(receipt, trust)
    except VerificationError:
        return None


def other(value: Any) -> list[Any]:
    """Values next to one: what a forger or a broken disk would put."""
    if isinstance(value, int):
        return [value + 1, -1, None, "1", True]
    if isinstance(value, str) and value:
        middle = len(value) // 2
        turned = "B" if value[middle] == "A" else "A"
        return [value[:middle] + turned + value[middle + 1 :], value[:-1], "", None, 7]
    return ["x", 1, []]


def test_receipts_from_before_and_after_a_change_of_the_validators_verify(made: Any) -> None:
    before, after, trust = made
    first, second = verify_receipt(before, trust), verify_receipt(after, trust)
    assert first.attested is not None
    assert second.attested is not None
    assert (first.attested.changes, second.attested.changes) == (0, 1)
    assert (first.attested.signers.total, second.attested.signers.total) == (40, 30)
    assert first.log is not None
    assert second.log is not None
    with pytest.raises(VerificationError):
        verify_receipt(after | {"changes": []}, trust)


@pytest.mark.parametrize("which", [0, 1], ids=["before", "after"])
def test_no_field_can_be_changed_so_that_something_else_is_proven(made: Any, which: int) -> None:
    receipt, trust = made[which], made[2]
    truth = verify_receipt(receipt, trust)
    for path in leaves(receipt):
        value = receipt
        for step in path:
            value = value[step]
        for forged in other(value):
            found = proves(replaced(receipt, path, forged), trust)
            assert found is None or found == truth, f"{path}: {value!r} replaced by {forged!r}"


@pytest.mark.parametrize("field", ["raw", "data", "signature", "app_hash"])
def test_no_byte_of_what_is_proven_or_of_what_proves_it_can_be_changed(made: Any, field: str) -> None:
    receipt, _, trust = made
    places = {
        "raw": ("transaction", "raw"),
        "data": ("result", "data"),
        "signature": ("commit", "signatures", 0, "signature"),
        "app_hash": ("next_header", "app_hash"),
    }
    value: Any = receipt
    for step in places[field]:
        value = value[step]
    raw = bytes.fromhex(value) if field == "app_hash" else base64.b64decode(value)
    for place in range(len(raw)):
        flipped = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        text = flipped.hex() if field == "app_hash" else base64.b64encode(flipped).decode()
        assert proves(replaced(receipt, places[field], text), trust) is None


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_shape_makes_the_verifier_fail_in_another_way(made: Any, data: st.DataObject) -> None:
    receipt, _, trust = made
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )
    path = data.draw(st.sampled_from(list(leaves(receipt))))
    cut = data.draw(st.integers(1, len(path)))
    found = proves(replaced(receipt, path[:cut], data.draw(json_values)), trust)
    whole = verify_receipt(receipt, trust)
    assert found in (None, whole, replace(whole, log=None))  # a receipt without its place in the log proves the rest
    assert proves(data.draw(json_values), trust) is None
