from __future__ import annotations

from pathlib import Path

import pytest

from gchain_node._proto import types_pb2 as types
from gchain_node.errors import SigningRefused
from gchain_node.signer import journal as journals
from gchain_node.signer.journal import Identity, Journal, highest_seen
from gchain_node.signer.sign_bytes import vote_sign_bytes
from gchain_node.signer.state import Entry, Position
from gchain_node.signer.storage import DirectoryStorage

IDENTITY = Identity("chain-1", "ab" * 32, 1)


def _bytes(height: int, step: int = 2, seconds: int = 0) -> bytes:
    vote = types.Vote(type=step - 1, height=height)
    vote.timestamp.seconds = seconds
    return vote_sign_bytes("chain-1", vote)


def _open(directory: Path) -> Journal:
    storage = DirectoryStorage(directory)
    try:
        return Journal.open(storage, "chain-1", "ab" * 32)
    finally:
        storage.close()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The directory of a journal with three signed positions, closed."""
    storage = DirectoryStorage(tmp_path / "j")
    journal = Journal.create(storage, IDENTITY)
    for height in (1, 2, 3):
        journal.intend(Position(height, 0, 2), _bytes(height))
        journal.complete(bytes([height]) * 64)
    storage.close()
    return tmp_path / "j"


def test_what_was_written_is_read_back(written: Path) -> None:
    assert _open(written).last == Entry(Position(3, 0, 2), _bytes(3), bytes([3]) * 64)


def test_an_intent_without_signature_is_read_back_as_such(written: Path) -> None:
    storage = DirectoryStorage(written)
    Journal.open(storage, "chain-1", "ab" * 32).intend(Position(4, 0, 2), _bytes(4))
    storage.close()
    assert _open(written).last == Entry(Position(4, 0, 2), _bytes(4), None)


def test_an_intent_must_advance(written: Path) -> None:
    storage = DirectoryStorage(written)
    journal = Journal.open(storage, "chain-1", "ab" * 32)
    for position in (Position(3, 0, 2), Position(3, 0, 1), Position(2, 9, 3)):
        with pytest.raises(SigningRefused, match="not above"):
            journal.intend(position, _bytes(9))
    storage.close()


@pytest.mark.parametrize("content", [None, b"", b"no line end", b"\n", b"\0" * 100])
def test_a_journal_that_is_missing_or_holds_nothing_never_starts(written: Path, content: bytes | None) -> None:
    (written / "journal").unlink()
    if content is not None:
        (written / "journal").write_bytes(content)
    with pytest.raises(SigningRefused):
        _open(written)


def test_a_journal_cut_anywhere_never_falls_behind_what_was_signed(written: Path) -> None:
    """Cut within the last signature, the intent still stands; cut further, the start is refused."""
    whole = (written / "journal").read_bytes()
    lines = whole.splitlines(keepends=True)
    intent_ends = len(whole) - len(lines[-1])
    for size in range(len(whole)):
        (written / "journal").write_bytes(whole[:size])
        if size >= intent_ends:
            last = _open(written).last
            assert last is not None
            assert last.position == Position(3, 0, 2)
            assert last.sign_bytes == _bytes(3)
        else:
            with pytest.raises(SigningRefused):
                _open(written)


def test_a_changed_byte_anywhere_is_noticed(written: Path) -> None:
    whole = (written / "journal").read_bytes()
    for index in range(0, len(whole), 3):
        (written / "journal").write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
        try:
            last = _open(written).last
        except SigningRefused:
            continue
        # the one line end that may be lost is the last signature's: the intent still stands
        assert last is not None
        assert last.position == Position(3, 0, 2)
        assert last.signature is None


def test_a_line_taken_out_or_put_in_twice_is_noticed(written: Path) -> None:
    lines = (written / "journal").read_bytes().splitlines(keepends=True)
    for changed in (lines[:3] + lines[4:], lines[:3] + lines[2:], [*lines, lines[-1]], lines[1:]):
        (written / "journal").write_bytes(b"".join(changed))
        with pytest.raises(SigningRefused):
            _open(written)


def test_a_missing_or_damaged_mark_never_starts(written: Path) -> None:
    (written / "mark").write_bytes(b"x" * 128)
    with pytest.raises(SigningRefused, match="mark"):
        _open(written)
    (written / "mark").unlink()
    with pytest.raises(SigningRefused, match="mark"):
        _open(written)


def test_one_torn_slot_of_the_mark_does_no_harm(written: Path) -> None:
    raw = (written / "mark").read_bytes()
    (written / "mark").write_bytes(b"torn" + raw[4:])
    assert _open(written).last is not None


def test_a_journal_of_another_chain_or_key_never_starts(written: Path) -> None:
    for chain_id, kid in (("chain-2", "ab" * 32), ("chain-1", "cd" * 32)):
        storage = DirectoryStorage(written)
        with pytest.raises(SigningRefused, match="journal is of chain"):
            Journal.open(storage, chain_id, kid)
        storage.close()


def test_a_second_signer_on_the_same_journal_is_refused(written: Path) -> None:
    first = DirectoryStorage(written)
    with pytest.raises(SigningRefused, match="another signer"):
        DirectoryStorage(written)
    first.close()
    DirectoryStorage(written).close()


@pytest.mark.parametrize("damage", ["whole", "cut", "no mark", "no journal"])
def test_beginning_anew_needs_a_height_above_all_that_old_files_show(written: Path, damage: str) -> None:
    raw = (written / "journal").read_bytes()
    if damage == "cut":
        (written / "journal").write_bytes(raw[: len(raw) // 2])
    elif damage == "no mark":
        (written / "mark").unlink()
    elif damage == "no journal":
        (written / "journal").unlink()
    storage = DirectoryStorage(written)
    for height in (1, 3):
        with pytest.raises(SigningRefused, match="must be above 3"):
            Journal.create(storage, Identity("chain-1", "ab" * 32, height))
    Journal.create(storage, Identity("chain-1", "ab" * 32, 4))
    storage.close()
    assert _open(written).identity.initial_height == 4


def test_beginning_anew_keeps_the_old_journal_as_evidence(written: Path) -> None:
    before = (written / "journal").read_bytes()
    storage = DirectoryStorage(written)
    Journal.create(storage, Identity("chain-1", "ab" * 32, 4))
    storage.close()
    assert [path.read_bytes() for path in written.glob("journal.before-*")] == [before]


def test_a_new_journal_never_claims_its_first_position_was_cut(written: Path) -> None:
    storage = DirectoryStorage(written)
    journal = Journal.create(storage, Identity("chain-1", "ab" * 32, 4))
    journal.intend(Position(4, 0, 1), _bytes(4))
    storage.close()
    (written / "journal").write_bytes((written / "journal").read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(SigningRefused, match="cut short"):
        _open(written)


def test_compaction_keeps_the_state_and_bounds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "COMPACT_AT", 2_000)
    storage = DirectoryStorage(tmp_path)
    journal = Journal.create(storage, IDENTITY)
    for height in range(1, 60):
        journal.intend(Position(height, 0, 2), _bytes(height))
        journal.complete(bytes([height]) * 64)
        assert (tmp_path / "journal").stat().st_size < 4_000
    storage.close()
    assert _open(tmp_path).last == Entry(Position(59, 0, 2), _bytes(59), bytes([59]) * 64)
    storage = DirectoryStorage(tmp_path)
    assert highest_seen(storage) == Position(59, 0, 2)
    storage.close()


def test_files_are_for_their_owner_alone(written: Path) -> None:
    assert written.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in written.iterdir())
