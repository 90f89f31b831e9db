"""The validator set: what would halt the engine is refused, or is never told to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchain_node import validators
from gchain_node.codes import Code
from gchain_node.errors import TransactionError
from gchain_node.messages import ValidatorUpdate
from gchain_node.state import Nothing, State

Ledger = Any  # of conftest.py, which pytest does not let tests import
KEYS = [bytes([number]) * 32 for number in range(4)]


def update(number: int, power: int, kind: str = "ed25519") -> ValidatorUpdate:
    return ValidatorUpdate(kind, KEYS[number], power)


def begun(*powers: int) -> State:
    state = State(Nothing())
    validators.begin(state, [update(number, power) for number, power in enumerate(powers)], ["ed25519"])
    return state


def powers(state: State) -> list[int]:
    return [row["power"] for row in state.get(validators.PATH)["validators"]]


def test_only_the_difference_from_the_set_before_is_told() -> None:
    state = begun(10, 10)
    told = validators.settle(state, [update(2, 10), update(0, 0), update(0, 10), update(1, 20), update(2, 0)])
    assert told == (update(1, 20),)
    assert powers(state) == [10, 20]


def test_a_validator_that_came_and_went_in_one_block_is_never_told() -> None:
    assert validators.settle(begun(10), [update(1, 10), update(1, 0)]) == ()
    assert validators.settle(begun(10), []) == ()


def test_a_key_is_told_once_with_its_last_power() -> None:
    assert validators.settle(begun(10), [update(1, 10), update(1, 7)]) == (update(1, 7),)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([update(0, 0)], "no validator would be left"),
        ([update(1, validators.MAX_TOTAL_POWER)], "total power would be"),
        ([ValidatorUpdate("secp256k1", bytes(33), 10)], "genesis allows ed25519"),
        ([ValidatorUpdate("ed25519", bytes(33), 10)], "33 bytes"),
        ([update(0, -1)], "power -1"),
    ],
    ids=["the last one leaves", "too much power", "a foreign key type", "a key of another length", "negative power"],
)
def test_what_the_engine_does_not_take_is_refused(asked: list[ValidatorUpdate], said: str) -> None:
    with pytest.raises(TransactionError, match=said) as refused:
        validators.check(begun(10), asked)
    assert refused.value.code == Code.REFUSED_BY_RULES


def test_what_the_engine_takes_passes() -> None:
    validators.check(begun(10), [update(1, validators.MAX_TOTAL_POWER - 10), update(2, 0)])
    validators.check(begun(10, 10), [update(0, 0)])


@given(asked=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12))
def test_whatever_a_block_asks_the_engine_can_follow(asked: list[tuple[int, int]]) -> None:
    """The engine's own rules (`validator_set.go`), over every sequence that passes `check` one by one."""
    state, engine = begun(1, 1), {KEYS[0]: 1, KEYS[1]: 1}
    passed: list[ValidatorUpdate] = []
    for number, power in asked:
        try:
            validators.check(state, [*passed, update(number, power)])
        except TransactionError:
            continue
        passed.append(update(number, power))
    told = validators.settle(state, passed)
    assert len({u.public_key for u in told}) == len(told), "a key twice"
    for u in told:
        assert u.power or u.public_key in engine, "the removal of a stranger"
        engine[u.public_key] = u.power
    assert any(engine.values()), "an empty set"
    assert [engine[key] for key in sorted(engine) if engine[key]] == powers(state)


def _votes(live: Ledger, name: str, kind: str, member: str) -> list[bytes]:
    args = {"id": name, "kind": kind, "args": {"member": member}}
    txs = [live.tx("treasury/officer", "governance/propose", args)]
    return txs + [
        live.tx(f"{voter}/officer", "governance/vote", {"proposal": name, "ballot": "yes"})
        for voter in ("finance", "justice")
    ]


def test_a_member_reinstated_and_suspended_in_one_block_does_not_reach_the_engine(live: Ledger) -> None:
    live.deliver(*_votes(live, "out", "member.suspend", "interior"))
    assert [row["power"] for row in live.read(validators.PATH)["validators"]] == [10, 10, 10]
    block = live.finalize(
        *_votes(live, "in", "member.reinstate", "interior"), *_votes(live, "out-again", "member.suspend", "interior")
    )
    assert block.validator_updates == ()
    live.app.commit()
    assert [live.read(f"governance/proposals/{name}")["status"] for name in ("in", "out-again")] == ["accepted"] * 2
    assert live.read("members/interior")["status"] == "suspended"


def test_members_suspended_in_one_block_never_leave_the_ledger_without_a_validator(live: Ledger) -> None:
    for number, member in enumerate(("interior", "finance", "justice", "treasury")):
        proposer = "treasury" if member != "treasury" else "justice"
        args = {"id": f"out-{number}", "kind": "member.suspend", "args": {"member": member}}
        live.call(f"{proposer}/officer", "governance/propose", args)
        for voter in ("finance", "justice", "treasury", "interior"):
            live.call(f"{voter}/officer", "governance/vote", {"proposal": f"out-{number}", "ballot": "yes"})
    assert [row["power"] for row in live.read(validators.PATH)["validators"]] == [10]
