from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gchain_node._proto import privval_pb2 as privval
from gchain_node._proto import types_pb2 as types
from gchain_node.errors import KeyAccessError, SigningRefused, StateError
from gchain_node.keys import verify_signature
from gchain_node.keys.file_key import FileKey
from gchain_node.signer.journal import Identity, Journal
from gchain_node.signer.sign_bytes import vote_extension_sign_bytes, vote_sign_bytes
from gchain_node.signer.signer import REFUSAL_CODES, Signer
from gchain_node.signer.state import Bounds, Decision, Entry, Position, decide

CASES = Path(__file__).parent.parent / "cases/cometbft"
FILEPV = json.loads((CASES / "filepv_transitions.json").read_text())
CHAIN = "gchain-vectors"
_STEPS = {"proposal": 1, "prevote": 2, "precommit": 3}


def _fill(message: Any, fields: dict[str, Any]) -> Any:
    for name, value in fields.items():
        if isinstance(value, dict):
            getattr(message, name).SetInParent()
            _fill(getattr(message, name), value)
        elif name in ("hash", "validator_address", "extension"):
            setattr(message, name, bytes.fromhex(value))
        else:
            setattr(message, name, int(value))
    return message


def _request(case: dict[str, Any]) -> privval.Message:
    asked = case["request"]
    if asked["kind"] == "proposal":
        proposal = _fill(types.Proposal(), asked["message"])
        return privval.Message(
            sign_proposal_request=privval.SignProposalRequest(proposal=proposal, chain_id=asked["chain_id"])
        )
    vote = _fill(types.Vote(), asked["message"])
    return privval.Message(sign_vote_request=privval.SignVoteRequest(vote=vote, chain_id=asked["chain_id"]))


def _answered(answer: privval.Message) -> tuple[Any, str]:
    response = getattr(answer, str(answer.WhichOneof("sum")))
    content = response.proposal if hasattr(response, "proposal") else response.vote
    return content, response.error.description if response.HasField("error") else ""


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in FILEPV["cases"]])
def test_every_transition_is_that_of_cometbfts_file_signer(case: dict[str, Any], crashing_storage: Any) -> None:
    key = FileKey(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(FILEPV["ed25519_seed"])))
    # CometBFT's file signer takes the chain's name from the request; this one is bound to one chain
    chain_id = (
        case["request"]["chain_id"] if case["prior"] == "empty" or case["expected"]["result"] == "signed" else CHAIN
    )
    journal = Journal.create(crashing_storage(1), Identity(chain_id, key.kid.hex(), 1))
    prior = case["prior_state"]
    if prior["step"]:
        journal.intend(
            Position(int(prior["height"]), prior["round"], prior["step"]), bytes.fromhex(prior["sign_bytes"])
        )
        journal.complete(bytes.fromhex(prior["signature"]))
    request = _request(case)
    content, refusal = _answered(Signer(key, journal).handle(request))
    expected, after = case["expected"], case["state_after"]
    if expected["result"] == "refused":
        assert refusal
        assert not content.signature
        if case["request"]["chain_id"] == chain_id:  # of two faults at once, either may be named
            both = ("conflicting_data", "unexpected_vote_extension") if "extension" in expected["reason"] else ()
            assert refusal.startswith((expected["reason"], *both))
    else:
        assert not refusal
        assert content.signature.hex() == expected["signature"]
        time = {"seconds": str(content.timestamp.seconds), "nanos": content.timestamp.nanos}
        assert time == expected["timestamp"]
        assert getattr(content, "extension_signature", b"").hex() == expected.get("extension_signature", "")
    last = journal.last.position if journal.last else Position(0, 0, 0)
    assert last == Position(int(after["height"]), after["round"], after["step"])


TMKMS = json.loads((CASES / "tmkms_state.json").read_text())["cases"]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in TMKMS])
def test_every_transition_is_that_of_tmkms(case: dict[str, Any]) -> None:
    def vote(state: dict[str, Any]) -> tuple[Position, bytes]:
        position = Position(state["height"], state["round"], state["step"] + 1)  # TMKMS counts steps from 0
        message = types.Vote(type=types.SIGNED_MSG_TYPE_PREVOTE, height=position.height, round=position.round)
        if state["block_id"]:
            message.block_id.hash = bytes.fromhex(state["block_id"])
        return position, vote_sign_bytes("c", message)

    last, (position, sign_bytes) = Entry(*vote(case["prior_state"]), b"s"), vote(case["request"])
    if case["expected"] == "ok":
        assert decide(last, Bounds(0), position, sign_bytes) is Decision.SIGN
    else:
        with pytest.raises(SigningRefused, match="conflicting_data"):
            decide(last, Bounds(0), position, sign_bytes)


def _vote(height: int, *, kind: int = 1, round_: int = 0, block: bytes = b"A" * 32, seconds: int = 7) -> types.Vote:
    vote = types.Vote(type=kind, height=height, round=round_)
    vote.block_id.hash = block
    vote.block_id.part_set_header.total = 1
    vote.block_id.part_set_header.hash = block
    vote.timestamp.seconds = seconds
    return vote


@pytest.fixture
def journal(crashing_storage: Any, recording_key: Any) -> Journal:
    return Journal.create(crashing_storage(1), Identity("c", recording_key.kid.hex(), 10))


def test_a_height_below_the_recorded_initial_one_is_refused(journal: Journal, recording_key: Any) -> None:
    signer = Signer(recording_key, journal)
    with pytest.raises(SigningRefused, match="below_initial_height"):
        signer.sign_vote(_vote(9))
    signer.sign_vote(_vote(10))


def test_a_height_above_the_planned_stop_is_refused(journal: Journal, recording_key: Any) -> None:
    signer = Signer(recording_key, journal, stop_height=20)
    signer.sign_vote(_vote(20))
    with pytest.raises(SigningRefused, match="above_stop_height"):
        signer.sign_vote(_vote(21))


def test_another_chains_request_is_refused(journal: Journal, recording_key: Any) -> None:
    signer = Signer(recording_key, journal)
    request = privval.Message(sign_vote_request=privval.SignVoteRequest(vote=_vote(10), chain_id="other"))
    _, refusal = _answered(signer.handle(request))
    assert refusal.startswith("wrong_chain")
    answer = signer.handle(privval.Message(pub_key_request=privval.PubKeyRequest(chain_id="other")))
    assert answer.pub_key_response.error.code == REFUSAL_CODES["wrong_chain"]
    assert not recording_key.asked


@pytest.mark.parametrize(("height", "round_", "kind"), [(-1, 0, 1), (10, -1, 1), (10, 0, 0), (10, 0, 32)])
def test_a_vote_that_is_none_is_refused(
    journal: Journal, recording_key: Any, height: int, round_: int, kind: int
) -> None:
    with pytest.raises(SigningRefused, match="malformed"):
        Signer(recording_key, journal).sign_vote(_vote(height, round_=round_, kind=kind))
    with pytest.raises(SigningRefused, match="malformed"):
        Signer(recording_key, journal).sign_proposal(types.Proposal(type=kind % 32, height=10))


def test_after_a_crash_before_the_key_the_journalled_bytes_are_signed_and_never_newer_ones(
    journal: Journal, recording_key: Any
) -> None:
    def die() -> None:
        raise KeyAccessError("the HSM is away")

    first, second = _vote(10, seconds=7), _vote(10, seconds=8)
    recording_key.before = die
    with pytest.raises(KeyAccessError):
        Signer(recording_key, journal).sign_vote(first)
    recording_key.before = lambda: None
    with pytest.raises(SigningRefused, match="conflicting_data"):
        Signer(recording_key, journal).sign_vote(_vote(10, block=b"B" * 32))
    Signer(recording_key, journal).sign_vote(second)
    assert second.timestamp.seconds == 7
    verify_signature(recording_key.public_key, vote_sign_bytes("c", first), second.signature)
    assert recording_key.asked == [vote_sign_bytes("c", first)]


def test_an_unavailable_key_is_an_answer_and_not_the_end(journal: Journal, recording_key: Any) -> None:
    def die() -> None:
        raise KeyAccessError("the HSM is away")

    recording_key.before = die
    request = privval.Message(sign_vote_request=privval.SignVoteRequest(vote=_vote(10), chain_id="c"))
    answer = Signer(recording_key, journal).handle(request)
    assert answer.signed_vote_response.error.code == REFUSAL_CODES["key_unavailable"]


def test_the_intent_is_durable_before_the_key_is_asked(crashing_storage: Any, recording_key: Any) -> None:
    storage = crashing_storage(1)
    journal = Journal.create(storage, Identity("c", recording_key.kid.hex(), 1))
    sign_bytes = vote_sign_bytes("c", _vote(10))

    def check() -> None:
        assert sign_bytes.hex().encode() in storage.files["journal"].durable

    recording_key.before = check
    Signer(recording_key, journal).sign_vote(_vote(10))
    assert recording_key.asked == [sign_bytes]


def test_a_full_disk_ends_the_signer_and_nothing_is_signed(
    journal: Journal, recording_key: Any, crashing_storage: Any
) -> None:
    def full(name: str, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    signer = Signer(recording_key, journal)
    journal._storage.append = full  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(StateError):
            signer.sign_vote(_vote(10))
    assert not recording_key.asked


def test_an_extension_is_signed_with_a_precommit_for_a_block_only(journal: Journal, recording_key: Any) -> None:
    signer = Signer(recording_key, journal)
    precommit = _vote(10, kind=2)
    precommit.extension = b"more"
    signer.sign_vote(precommit)
    extension = vote_extension_sign_bytes("c", precommit)
    verify_signature(recording_key.public_key, extension, precommit.extension_signature)
    prevote = _vote(11)
    prevote.extension = b"more"
    with pytest.raises(SigningRefused, match="unexpected_vote_extension"):
        signer.sign_vote(prevote)


def test_a_response_or_an_empty_message_is_no_request(journal: Journal, recording_key: Any) -> None:
    for message in (privval.Message(), privval.Message(ping_response=privval.PingResponse())):
        with pytest.raises(SigningRefused, match="does not answer"):
            Signer(recording_key, journal).handle(message)


@pytest.mark.parametrize("runs", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_crash_at_every_write_point_never_leads_to_two_signatures(
    crashing_storage: Any, recording_key: Any, power_failure: type[BaseException], runs: int
) -> None:
    """Runs of votes with a crash at a random operation, process or power, then a conflicting request."""
    points: set[str] = set()
    for seed in range(runs):
        choose = random.Random(seed)  # noqa: S311 -- repeatable, not secret
        storage = crashing_storage(seed)
        recording_key.asked.clear()
        Journal.create(storage, Identity("c", recording_key.kid.hex(), 1))
        signed: dict[Position, set[bytes]] = {}
        for height in range(1, 4):
            storage.operations = choose.randint(0, 30)
            try:
                signer = Signer(recording_key, Journal.open(storage, "c", recording_key.kid.hex()))
                for kind in (1, 2):
                    signer.sign_vote(_vote(height, kind=kind, seconds=choose.randint(1, 3)))
                    if choose.random() < 0.2:
                        signer._journal._rewrite()
            except power_failure:
                points.add(storage.log[-1])
            storage = storage.restart(power=choose.random() < 0.5)
            signer = Signer(recording_key, Journal.open(storage, "c", recording_key.kid.hex()))
            for kind in (1, 2):
                try:
                    signer.sign_vote(_vote(height, kind=kind, block=b"B" * 32))
                except SigningRefused:
                    continue
        for message in recording_key.asked:
            if message[1] != 0x08:  # a vote extension, which has no type in front
                continue
            vote = types.CanonicalVote.FromString(message[1:])
            signed.setdefault(Position(vote.height, vote.round, vote.type), set()).add(message)
        assert all(len(messages) == 1 for messages in signed.values()), f"seed {seed}"
    assert {
        "append journal",
        "sync journal",
        "overwrite mark",
        "sync_directory",
        "rename journal.new journal",
    } <= points
