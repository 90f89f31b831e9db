"""Random histories of requests, failures of key, process and power: a position never gets two different sign bytes."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from gchain_node._proto import types_pb2 as types
from gchain_node.errors import KeyAccessError, SigningRefused
from gchain_node.signer.journal import Identity, Journal
from gchain_node.signer.signer import Signer
from gchain_node.signer.state import Position


def _vote(height: int, round_: int, kind: int, block: int, seconds: int) -> types.Vote:
    vote = types.Vote(type=kind, height=height, round=round_)
    if block:
        vote.block_id.hash = bytes([block]) * 32
        vote.block_id.part_set_header.total = 1
        vote.block_id.part_set_header.hash = bytes([block]) * 32
    vote.timestamp.seconds = seconds
    return vote


def _proposal(height: int, round_: int, block: int, seconds: int) -> types.Proposal:
    proposal = types.Proposal(type=32, height=height, round=round_, pol_round=-1)
    proposal.block_id.hash = bytes([block]) * 32
    proposal.timestamp.seconds = seconds
    return proposal


_TYPE_TAG = 0x08  # the first field of a canonical vote or proposal
_STEPS = {32: 1, 1: 2, 2: 3}
heights, rounds, blocks, seconds = st.integers(1, 5), st.integers(0, 2), st.integers(0, 2), st.integers(1, 4)


def _machine(make_storage: Any, make_key: Any, power_failure: type[BaseException]) -> type[RuleBasedStateMachine]:
    class Validator(RuleBasedStateMachine):
        """The signer, its storage, and what the world has seen of its signatures."""

        @initialize(seed=st.integers(0, 2**16))
        def begin(self, seed: int) -> None:
            self.choose = random.Random(seed)  # noqa: S311 -- repeatable, not secret
            self.storage, self.key = make_storage(seed), make_key()
            Journal.create(self.storage, Identity("c", self.key.kid.hex(), 1))
            self.released: dict[Position, bytes] = {}
            self.start()

        def start(self) -> None:
            self.signer = Signer(self.key, Journal.open(self.storage, "c", self.key.kid.hex()))

        def ask(self, position: Position, message: types.Vote | types.Proposal) -> None:
            try:
                if isinstance(message, types.Vote):
                    self.signer.sign_vote(message)
                else:
                    self.signer.sign_proposal(message)
            except (SigningRefused, KeyAccessError):
                return
            except power_failure:
                self.storage = self.storage.restart(power=self.choose.random() < 0.5)
                self.start()
                return
            self.released[position] = message.signature

        @rule(height=heights, round_=rounds, kind=st.integers(1, 2), block=blocks, time=seconds)
        def vote(self, height: int, round_: int, kind: int, block: int, time: int) -> None:
            self.ask(Position(height, round_, kind + 1), _vote(height, round_, kind, block, time))

        @rule(height=heights, round_=rounds, block=st.integers(1, 2), time=seconds)
        def propose(self, height: int, round_: int, block: int, time: int) -> None:
            self.ask(Position(height, round_, 1), _proposal(height, round_, block, time))

        @rule(operations=st.integers(0, 12))
        def arm_a_crash(self, operations: int) -> None:
            self.storage.operations = operations

        @rule(power=st.booleans())
        def restart(self, power: bool) -> None:
            self.storage = self.storage.restart(power=power)
            self.start()

        @rule()
        def compact(self) -> None:
            try:
                self.signer._journal._rewrite()
            except power_failure:
                self.restart(power=True)

        @rule(away=st.booleans())
        def the_key_goes_or_comes(self, away: bool) -> None:
            def die() -> None:
                raise KeyAccessError("away")

            self.key.before = die if away else lambda: None

        def signed(self) -> list[tuple[tuple[int, int, int], bytes]]:
            """Position and sign bytes of all that the key was asked for, in order; not vote extensions, which have no
            type.
            """
            if not hasattr(self, "key"):
                return []
            votes = [(types.CanonicalVote.FromString(raw[1:]), raw) for raw in self.key.asked if raw[1] == _TYPE_TAG]
            return [((vote.height, vote.round, _STEPS[vote.type]), raw) for vote, raw in votes]

        @invariant()
        def one_content_a_position(self) -> None:
            seen: dict[tuple[int, int, int], bytes] = {}
            assert all(seen.setdefault(position, raw) == raw for position, raw in self.signed())

        @invariant()
        def positions_only_advance(self) -> None:
            positions = [position for position, _ in self.signed()]
            assert positions == sorted(positions)

    return Validator


@pytest.mark.parametrize("examples", [40, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_history_gets_two_contents_signed_at_one_position(
    examples: int, crashing_storage: Any, recording_key: Any, power_failure: type[BaseException]
) -> None:
    machine = _machine(crashing_storage, type(recording_key), power_failure)
    quick = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(machine, settings=quick)  # type: ignore[no-untyped-call]
