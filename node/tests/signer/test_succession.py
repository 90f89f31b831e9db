"""A consensus key follows another at one height: neither ever signs at a height of the other's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gchain_node._proto import privval_pb2 as privval
from gchain_node._proto import types_pb2 as types
from gchain_node.errors import ConfigurationError, SigningRefused
from gchain_node.keys import verify_signature
from gchain_node.keys.file_key import FileKey
from gchain_node.signer.config import load_config
from gchain_node.signer.journal import Identity, Journal
from gchain_node.signer.sign_bytes import vote_sign_bytes
from gchain_node.signer.signer import Signer
from gchain_node.signer.storage import DirectoryStorage
from gchain_node.signer.succession import Succession

CHAIN, FIRST = "gchain-test", 100
OLD, NEW = FileKey(Ed25519PrivateKey.generate()), FileKey(Ed25519PrivateKey.generate())


def signer(directory: Path, key: FileKey, initial: int, stop: int | None) -> Signer:
    directory.mkdir(parents=True)
    journal = Journal.create(DirectoryStorage(directory), Identity(CHAIN, key.kid.hex(), initial))
    return Signer(key, journal, stop_height=stop)


def succession(directory: Path) -> Succession:
    old, new = signer(directory / "old", OLD, 1, FIRST - 1), signer(directory / "new", NEW, FIRST, None)
    return Succession(old, new, FIRST)


def vote(height: int, step: int = types.SIGNED_MSG_TYPE_PREVOTE) -> privval.Message:
    found = types.Vote(type=step, height=height)
    return privval.Message(sign_vote_request=privval.SignVoteRequest(vote=found, chain_id=CHAIN))


def public_key(asked: Succession) -> bytes:
    answer = asked.handle(privval.Message(pub_key_request=privval.PubKeyRequest(chain_id=CHAIN)))
    return bytes(answer.pub_key_response.pub_key.ed25519)


def raw(key: FileKey) -> bytes:
    public: Any = key.public_key
    return bytes(public.public_bytes_raw())


@pytest.mark.parametrize(("height", "key"), [(FIRST - 1, OLD), (FIRST, NEW), (FIRST + 5, NEW)])
def test_each_height_is_signed_with_its_own_key(tmp_path: Path, height: int, key: FileKey) -> None:
    signed = succession(tmp_path).handle(vote(height)).signed_vote_response
    assert not signed.HasField("error")
    verify_signature(key.public_key, vote_sign_bytes(CHAIN, signed.vote), signed.vote.signature)


def test_the_engine_is_told_of_the_new_key_after_the_last_vote_of_the_old_one(tmp_path: Path) -> None:
    asked = succession(tmp_path)
    assert public_key(asked) == raw(OLD)
    asked.handle(vote(FIRST - 2))
    assert public_key(asked) == raw(OLD)
    asked.handle(vote(FIRST - 1))
    assert public_key(asked) == raw(NEW)
    asked.handle(vote(FIRST))
    assert public_key(asked) == raw(NEW)


def test_a_proposal_is_signed_with_the_key_of_its_height(tmp_path: Path) -> None:
    asked = succession(tmp_path)
    for height, key in ((FIRST - 1, OLD), (FIRST, NEW)):
        proposal = types.Proposal(type=types.SIGNED_MSG_TYPE_PROPOSAL, height=height, pol_round=-1)
        request = privval.SignProposalRequest(proposal=proposal, chain_id=CHAIN)
        answer = asked.handle(privval.Message(sign_proposal_request=request)).signed_proposal_response
        assert not answer.HasField("error"), answer.error.description
        assert answer.proposal.signature
        assert public_key(asked) == raw(NEW), f"after height {height} of {key.kid.hex()[:8]}"


def test_keys_whose_heights_overlap_or_leave_a_choice_are_refused(tmp_path: Path) -> None:
    old, new = signer(tmp_path / "a", OLD, 1, FIRST), signer(tmp_path / "b", NEW, FIRST, None)
    with pytest.raises(SigningRefused, match="must meet at 100"):
        Succession(old, new, FIRST)
    old, new = signer(tmp_path / "c", OLD, 1, FIRST - 1), signer(tmp_path / "d", NEW, FIRST - 1, None)
    with pytest.raises(SigningRefused, match="must meet at 100"):
        Succession(old, new, FIRST)


def test_a_lower_stop_height_that_was_planned_before_stays(tmp_path: Path) -> None:
    assert signer(tmp_path / "a", OLD, 1, 50).stopping_after(FIRST - 1).bounds.stop == 50
    assert signer(tmp_path / "b", OLD, 1, None).stopping_after(FIRST - 1).bounds.stop == FIRST - 1


@given(heights=st.lists(st.integers(FIRST - 3, FIRST + 3), max_size=12), rounds=st.data())
def test_no_sequence_of_requests_gets_a_signature_of_the_wrong_key(
    tmp_path_factory: pytest.TempPathFactory, heights: list[int], rounds: st.DataObject
) -> None:
    asked = succession(tmp_path_factory.mktemp("any"))
    for height in heights:
        request = vote(height)
        request.sign_vote_request.vote.round = rounds.draw(st.integers(0, 2))
        signed = asked.handle(request).signed_vote_response
        if not signed.HasField("error"):
            key = OLD if height < FIRST else NEW
            verify_signature(key.public_key, vote_sign_bytes(CHAIN, signed.vote), signed.vote.signature)


CONFIG = """
chain_id = "c"
key = "pkcs11:token=validator;object=consensus"
key_type = "ed25519"
socket = "unix:///run/s.sock"
journal = "/var/journal"
[next]
key = "pkcs11:token=validator;object={key}"
journal = "{journal}"
first_height = {height}
"""


def test_a_next_key_needs_a_journal_and_a_key_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "signer.toml"
    path.write_text(CONFIG.format(key="consensus-2", journal="/var/journal-2", height=9))
    found = load_config(path).next
    assert found is not None
    assert found.first_height == 9
    for wrong in (
        {"key": "consensus", "journal": "/var/journal-2", "height": 9},
        {"key": "consensus-2", "journal": "/var/journal", "height": 9},
        {"key": "consensus-2", "journal": "/var/journal-2", "height": 1},
    ):
        path.write_text(CONFIG.format(**wrong))
        with pytest.raises(ConfigurationError, match="next"):
            load_config(path)
