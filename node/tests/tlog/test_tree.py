"""The log's head and its proofs against trees built from all leaves at once."""

from __future__ import annotations

import pytest

from gchain_node.errors import VerificationError
from gchain_node.proof import merkle
from gchain_node.tlog.frontier import EMPTY_HEAD, Head
from gchain_node.tlog.tree import LogTree

SIZE = 600  # more than two tiles at level 0, so level 1 is used as well
ENTRIES = [number.to_bytes(2, "big") for number in range(SIZE)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]


@pytest.fixture(scope="module")
def tree() -> LogTree:
    _, gained = EMPTY_HEAD.append(ENTRIES)
    above = {(level, place): hash_ for level, place, hash_ in gained}

    def row(level: int, start: int, end: int) -> list[bytes]:
        if level == 0:
            return LEAVES[start:end]
        return [above[level, place] for place in range(start, end) if (level, place) in above]

    return LogTree(row)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, SIZE])
def test_head_and_tiles_give_the_root_of_rfc_6962(tree: LogTree, size: int) -> None:
    expected = merkle.root(ENTRIES[:size])
    assert EMPTY_HEAD.append(ENTRIES[:size])[0].root() == expected
    assert tree.root(size) == expected


def test_a_head_appended_to_in_parts_is_the_head_appended_to_at_once() -> None:
    whole, gained = EMPTY_HEAD.append(ENTRIES)
    head, collected = EMPTY_HEAD, []
    for start in range(0, SIZE, 7):
        head, tiles = Head.from_state(head.state_value()).append(ENTRIES[start : start + 7])
        collected += tiles
    assert (head, collected) == (whole, gained)
    assert [(level, place) for level, place, _ in gained] == [(1, 0), (1, 1)]


@pytest.mark.parametrize("size", [1, 2, 3, 100, 256, 257, 513, SIZE])
def test_every_kind_of_inclusion_proof_verifies_and_none_for_another_entry(tree: LogTree, size: int) -> None:
    root = tree.root(size)
    for index in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
        path = tree.inclusion(index, size)
        assert path == merkle.inclusion_path(ENTRIES[:size], index)
        merkle.verify_inclusion(LEAVES[index], index, size, path, root)
        with pytest.raises(VerificationError):
            merkle.verify_inclusion(merkle.leaf_hash(b"other"), index, size, path, root)
    with pytest.raises(VerificationError):
        tree.inclusion(size, size)


@pytest.mark.parametrize("new", [1, 2, 7, 8, 100, 256, 300, 512, SIZE])
def test_every_older_log_is_shown_to_be_a_prefix(tree: LogTree, new: int) -> None:
    for old in sorted({1, 2, 3, 4, 6, new // 2, 255, 256, 257, new - 1, new} & set(range(1, new + 1))):
        path = tree.consistency(old, new)
        merkle.verify_consistency(old, new, path, tree.root(old), tree.root(new))
        with pytest.raises(VerificationError):
            merkle.verify_consistency(old, new, path, merkle.leaf_hash(b"x"), tree.root(new))


def test_what_is_not_kept_is_said_and_not_guessed() -> None:
    tree = LogTree(lambda level, start, end: [])
    with pytest.raises(VerificationError, match="not kept"):
        tree.root(3)
