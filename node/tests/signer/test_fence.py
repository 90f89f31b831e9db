"""A fenced signer signs only what the chain, as the node shows it, leaves to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gchain_node._proto import privval_pb2 as privval
from gchain_node._proto import types_pb2 as types
from gchain_node.errors import SigningRefused
from gchain_node.keys import cometbft_address
from gchain_node.messages import Block, Vote
from gchain_node.signer.chain_view import ChainView, Registration, read_view, write_view
from gchain_node.signer.fence import Fence
from gchain_node.signer.journal import Identity, Journal
from gchain_node.signer.signer import Signer
from gchain_node.signer.state import Position
from gchain_node.signer_view import SignerView

NOBODY = Registration()
OURS = "AB" * 20


def at(height: int) -> Position:
    return Position(height, 0, 2)


@pytest.fixture
def view(tmp_path: Path) -> Path:
    return tmp_path / "view.json"


def show(path: Path, height: int, signer: Registration = NOBODY, **signed: int) -> None:
    write_view(path, ChainView("c", height, signer, signed))


def fence(view: Path, epoch: int = 0, name: str = "a") -> Fence:
    return Fence(view, "c", name, epoch, OURS)


def test_a_fresh_chain_with_no_registration_is_signed_from_its_first_height(view: Path) -> None:
    show(view, 0)
    fence(view).check_start(0)
    fence(view).check(at(1), 0)


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"chain_id": "c"}'])
def test_without_a_whole_view_nothing_is_signed(view: Path, content: bytes | None) -> None:
    if content is not None:
        view.write_bytes(content)
    with pytest.raises(SigningRefused, match="no_chain_view"):
        fence(view).check(at(1), 0)


def test_a_view_of_another_chain_is_refused(view: Path) -> None:
    write_view(view, ChainView("other", 5))
    with pytest.raises(SigningRefused, match="wrong_chain"):
        fence(view).check(at(6), 5)


def test_a_vote_needs_the_view_of_the_height_before(view: Path) -> None:
    show(view, 7)
    fence(view).check(at(8), 7)
    with pytest.raises(SigningRefused, match="ahead_of_chain"):
        fence(view).check(at(9), 7)


def test_no_height_can_be_signed_on_both_sides_of_a_registration(view: Path) -> None:
    """Whatever each side's view shows, as long as views are of one chain on which block 10 registers b."""
    allowed: dict[str, set[int]] = {"a": set(), "b": set()}
    for shown in range(20):
        show(view, shown, Registration("b", 1, 10) if shown >= 10 else Registration())
        for name, epoch in (("a", 0), ("b", 1)):
            for height in range(1, 22):
                try:
                    fence(view, epoch, name).check(at(height), 30)
                except SigningRefused:
                    continue
                allowed[name].add(height)
    assert allowed == {"a": set(range(1, 11)), "b": set(range(11, 21))}


def test_two_signers_of_one_epoch_are_told_apart_by_their_names(view: Path) -> None:
    show(view, 12, Registration("b", 1, 10))
    fence(view, 1, "b").check(at(13), 12)
    with pytest.raises(SigningRefused, match="taken_over"):
        fence(view, 1, "c").check(at(13), 12)


def test_a_signer_that_is_not_registered_yet_is_told_what_the_officer_must_send(view: Path) -> None:
    show(view, 12)
    with pytest.raises(SigningRefused, match="not_registered") as caught:
        fence(view, 1, "b").check_registered()
    assert "register_signer with id b and epoch 1" in (caught.value.remedy or "")


def test_a_journal_behind_the_chains_signatures_is_an_old_one(view: Path) -> None:
    show(view, 50, **{OURS: 49, "CD" * 20: 50})
    fence(view).check(at(51), 49)
    for check in (lambda: fence(view).check(at(51), 48), lambda: fence(view).check_start(48)):
        with pytest.raises(SigningRefused, match="old_journal"):
            check()


def test_an_absence_is_no_sign_of_an_old_journal(view: Path) -> None:
    show(view, 5000, **{OURS: 20})
    fence(view).check(at(5001), 20)


def test_a_new_journal_begins_above_the_height_in_flight(view: Path) -> None:
    show(view, 50, **{OURS: 49})
    fence(view).check_initial_height(52)
    with pytest.raises(SigningRefused, match="must be 52 or above, not 51"):
        fence(view).check_initial_height(51)
    fence(view).check_initial_height(51, halted=True)
    with pytest.raises(SigningRefused, match="must be 51 or above"):
        fence(view).check_initial_height(50, halted=True)


def test_a_key_that_never_signed_may_begin_anywhere(view: Path) -> None:
    fence(view).check_initial_height(1)
    show(view, 50, **{"CD" * 20: 49})
    fence(view).check_initial_height(1)


def request(height: int) -> privval.Message:
    vote = types.Vote(type=types.SIGNED_MSG_TYPE_PREVOTE, height=height)
    return privval.Message(sign_vote_request=privval.SignVoteRequest(vote=vote, chain_id="c"))


def test_a_signer_that_was_taken_over_answers_with_a_refusal_and_never_asks_its_key(
    view: Path, crashing_storage: Any, recording_key: Any
) -> None:
    address = cometbft_address(recording_key.public_key).hex().upper()
    journal = Journal.create(crashing_storage(1), Identity("c", recording_key.kid.hex(), 1))
    show(view, 0)
    signer = Signer(recording_key, journal, fence=Fence(view, "c", "a", 0, address))
    assert not signer.handle(request(1)).signed_vote_response.HasField("error")
    asked = len(recording_key.asked)
    show(view, 1, Registration("b", 1, 1))
    for height in (1, 2):
        assert signer.handle(request(height)).signed_vote_response.error.code == 5
    show(view, 2, **{address: 2})
    assert signer.handle(request(3)).signed_vote_response.error.code == 6
    assert len(recording_key.asked) == asked
    assert journal.reached == 1


class _Member(dict[str, Any]):
    """The member's entry, as the ledger has it."""


def test_the_node_shows_each_commit_and_forgets_no_signature(view: Path) -> None:
    member = _Member(validator={"address": bytes.fromhex(OURS)})
    shown = SignerView(view, "c", lambda: member)
    shown.start(0)
    assert read_view(view) == ChainView("c", 0)
    other = Vote(bytes(20), 10, True)
    ours = Vote(bytes.fromhex(OURS), 10, True)
    absent = Vote(bytes.fromhex(OURS), 10, False)
    shown.committed(Block(1, 0, ()))
    shown.committed(Block(2, 0, (), last_commit=(other, ours)))
    shown.committed(Block(3, 0, (), last_commit=(other, absent)))
    assert read_view(view) == ChainView("c", 3, Registration(), {OURS: 1})
    member["validator"], member["signer"] = {"address": b"\xcd" * 20}, {"id": "b", "epoch": 1, "height": 4}
    shown.committed(Block(4, 0, (), last_commit=(ours,)))
    again = SignerView(view, "c", lambda: member)
    again.start(4)
    assert read_view(view) == ChainView("c", 4, Registration("b", 1, 4), {OURS: 3})


def test_a_node_that_starts_on_another_chain_forgets_the_last_one(view: Path) -> None:
    write_view(view, ChainView("other", 9, Registration("b", 1, 4), {OURS: 8}))
    SignerView(view, "c", lambda: None).start(0)
    assert read_view(view) == ChainView("c", 0)
