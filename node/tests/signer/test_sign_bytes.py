from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import json_format

from gchain_node._proto import types_pb2 as types
from gchain_node.keys import verify_signature
from gchain_node.signer.sign_bytes import (
    proposal_sign_bytes,
    same_but_for_time,
    timestamp_of,
    vote_extension_sign_bytes,
    vote_sign_bytes,
)

BUNDLE = json.loads((Path(__file__).parent.parent / "cases/cometbft/sign_bytes.json").read_text())


def _message(fields: dict[str, Any], message: Any) -> Any:
    """Fill a vote or proposal from a case: hex byte strings, decimal 64-bit numbers, seconds and nanos apart."""
    for name, value in fields.items():
        if name == "timestamp":
            message.timestamp.seconds, message.timestamp.nanos = int(value["seconds"]), value["nanos"]
        elif name == "block_id":
            message.block_id.hash = bytes.fromhex(value["hash"])
            message.block_id.part_set_header.total = value["part_set_header"]["total"]
            message.block_id.part_set_header.hash = bytes.fromhex(value["part_set_header"]["hash"])
        elif name in ("validator_address", "extension", "signature", "extension_signature"):
            setattr(message, name, bytes.fromhex(value))
        else:
            setattr(message, name, int(value))
    return message


def _sign_bytes(case: dict[str, Any]) -> bytes:
    if case["kind"] == "proposal":
        return proposal_sign_bytes(case["chain_id"], _message(case["message"], types.Proposal()))
    vote = _message(case["message"], types.Vote())
    make = vote_sign_bytes if case["kind"] == "vote" else vote_extension_sign_bytes
    return make(case["chain_id"], vote)


ALL = [pytest.param(case, id=case["id"]) for case in BUNDLE["cases"]]
SIGNED = [parameter for parameter in ALL if "ed25519_signature" in parameter.values[0]]


@pytest.mark.parametrize("case", ALL)
def test_sign_bytes_are_cometbfts(case: dict[str, Any]) -> None:
    assert _sign_bytes(case).hex() == case["sign_bytes"]


@pytest.mark.parametrize("case", SIGNED)
def test_signatures_over_them_are_cometbfts(case: dict[str, Any]) -> None:
    ed25519 = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(BUNDLE["keys"]["ed25519_seed"]))
    assert ed25519.sign(_sign_bytes(case)).hex() == case["ed25519_signature"]
    secp256k1 = ec.derive_private_key(int(BUNDLE["keys"]["secp256k1_scalar"], 16), ec.SECP256K1()).public_key()
    verify_signature(secp256k1, _sign_bytes(case), bytes.fromhex(case["secp256k1_signature"]))


def _vote(seconds: int, round_: int = 0) -> bytes:
    vote = types.Vote(type=types.SIGNED_MSG_TYPE_PREVOTE, height=5, round=round_)
    vote.timestamp.seconds = seconds
    return vote_sign_bytes("c", vote)


def test_votes_that_differ_in_time_only_are_recognised() -> None:
    assert same_but_for_time(2, _vote(10), _vote(11))
    assert timestamp_of(2, _vote(11)) == (11, 0)


def test_votes_that_differ_in_more_are_not() -> None:
    assert not same_but_for_time(2, _vote(10), _vote(10, round_=1))


def test_a_long_message_keeps_its_length_in_front() -> None:
    vote = types.Vote(extension=bytes(300))
    assert vote_extension_sign_bytes("c", vote)[:2] == b"\xb2\x02"
    assert json_format.MessageToDict(types.CanonicalVoteExtension.FromString(vote_extension_sign_bytes("c", vote)[2:]))
