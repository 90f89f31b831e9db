"""A signer that is killed all the time, under a real CometBFT: the chain goes on, and nothing is signed twice.

The witness is the HSM itself: the module in front of SoftHSM writes down every message that it was asked to sign, so
that neither the journal nor the engine is taken at its word.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from typing import Any

import pytest

from gchain_node._proto import types_pb2 as types

_TYPE_TAG = 0x08  # the first field of a canonical vote or proposal; a vote extension has none


def _contents(messages: Iterable[bytes]) -> dict[tuple[int, int, int], set[bytes]]:
    """(height, round, type) to the different messages signed there."""
    found: dict[tuple[int, int, int], set[bytes]] = {}
    for message in messages:
        body = message[2:] if message[0] & 0x80 else message[1:]  # a varint length is in front
        if body[0] == _TYPE_TAG:
            kind = types.CanonicalProposal if body[1] == types.SIGNED_MSG_TYPE_PROPOSAL else types.CanonicalVote
            signed = kind.FromString(body)
            found.setdefault((signed.height, signed.round, signed.type), set()).add(message)
    return found


def _kill_until(validator: Any, end: float, choose: random.Random) -> int:
    """Kill and start the signer every few blocks; returns how often."""
    kills = 0
    while time.monotonic() < end:
        validator.wait_for_height(validator.height() + choose.randint(1, 12))
        if kills % 10 == 0:
            second = validator.ask_signer("run")
            assert second.returncode == 8, second.stderr
            assert "another signer" in second.stderr
        validator.kill_signer()
        validator.start_signer()
        kills += 1
    return kills


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(45, marks=pytest.mark.slow), pytest.param(1800, marks=[pytest.mark.soak, pytest.mark.slow])],
)
def test_a_chain_goes_on_and_nothing_is_signed_twice_while_its_signer_is_killed_every_few_seconds(
    new_validator: Any, faulty_hsm: Any, seconds: int
) -> None:
    faulty_hsm.set("record")
    validator = new_validator("ed25519", faulty_hsm.uri_of("consensus", "ed25519"))
    assert validator.ask_signer("init", "--initial-height", "1").returncode == 0
    validator.start_signer()
    validator.start_engine()
    kills = _kill_until(validator, time.monotonic() + seconds, random.Random(seconds))  # noqa: S311 -- repeatable
    height = validator.height()
    validator.wait_for_height(height + 3)
    contents = _contents(faulty_hsm.signed())
    assert {position for position, found in contents.items() if len(found) > 1} == set()
    assert {h for h, _, _ in contents} >= set(range(1, height + 1)), "the HSM saw every height"
    assert kills >= seconds // 15


def test_the_witness_sees_two_contents_at_one_position() -> None:
    def signed(block: bytes, height: int = 1) -> bytes:
        vote = types.CanonicalVote(type=1, height=height)
        vote.block_id.hash = block
        raw = vote.SerializeToString()
        return bytes([len(raw)]) + raw

    assert [len(found) for found in _contents([signed(b"A"), signed(b"B"), signed(b"A", 2)]).values()] == [2, 1]
