"""The authenticated tree against a plain reference, its proofs, and damage to its pages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchain_node.errors import CorruptStateError, VerificationError
from gchain_node.proof.state import StateProof
from gchain_node.tree import EMPTY, Page, Tree, inner_hash, leaf_hash, pack, packed

Values = dict[bytes, bytes]


def reference(values: Values) -> bytes:
    """The definition of the docstring, read out: no pages, no batches."""

    def fold(leaves: list[tuple[bytes, bytes]], depth: int) -> bytes:
        if not leaves:
            return EMPTY
        if len(leaves) == 1:
            return leaf_hash(*leaves[0])
        halves: tuple[list[Any], list[Any]] = ([], [])
        for leaf in leaves:
            halves[leaf[0][depth >> 3] >> (7 - (depth & 7)) & 1].append(leaf)
        return inner_hash(fold(halves[0], depth + 1), fold(halves[1], depth + 1))

    return fold([(hashlib.sha256(k).digest(), hashlib.sha256(v).digest()) for k, v in values.items()], 0)


class Pages(dict[bytes, bytes]):
    """Pages as a database has them."""

    @property
    def tree(self) -> Tree:
        return Tree(packed(self.get))

    def apply(self, changes: Mapping[bytes, bytes | None]) -> bytes:
        change = self.tree.update(changes)
        for path, page in change.pages.items():
            if page is None:
                self.pop(path, None)
            else:
                self[path] = pack(page)
        return change.root


KEYS = st.integers(0, 60).map(lambda number: b"%d" % number)
CHANGES = st.dictionaries(KEYS, st.none() | st.binary(min_size=1, max_size=4), max_size=25)


@settings(max_examples=60)
@given(st.lists(CHANGES, max_size=8))
def test_the_root_depends_on_keys_and_values_alone(history: list[dict[bytes, bytes | None]]) -> None:
    pages, values = Pages(), {}
    for changes in history:
        root = pages.apply(changes)
        for key, value in changes.items():
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
        assert root == reference(values) == pages.tree.root()
    assert len(pages.tree.leaves()) == len(values)
    fresh = Pages()
    fresh.apply(dict(values))
    assert {k: v for k, v in pages.items() if k or values} == {k: v for k, v in fresh.items() if k or values}


@settings(max_examples=60)
@given(st.lists(CHANGES, max_size=8))
def test_pages_that_stay_in_memory_are_those_that_are_read_again(history: list[dict[bytes, bytes | None]]) -> None:
    stored, kept = Pages(), dict[bytes, Page | None]()
    for changes in history:
        before = {path: None if page is None else page.copy() for path, page in kept.items()}
        change = Tree(kept.get).update(changes)
        assert kept == before, "an update changed a page that others read"
        assert change.root == stored.apply(changes)
        kept.update(change.pages)
        assert kept == dict.fromkeys(kept) | {path: packed(stored.get)(path) for path in stored}
        for key in changes:
            assert Tree(kept.get).path(key) == stored.tree.path(key)


@settings(max_examples=60)
@given(st.dictionaries(KEYS, st.binary(min_size=1, max_size=4), max_size=60), KEYS, st.binary(min_size=1, max_size=4))
def test_every_key_has_one_proof_of_presence_or_absence(values: Values, key: bytes, other: bytes) -> None:
    pages = Pages()
    root = pages.apply(dict(values))
    path = pages.tree.path(key)
    value = values.get(key)
    proof = StateProof(key, value, path.siblings, path.end)
    StateProof.decode(proof.encode()).verify(root)
    for claim in {None, other} - {value}:
        with pytest.raises(VerificationError):
            StateProof(key, claim, path.siblings, path.end).verify(root)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_junk_is_no_proof(raw: bytes) -> None:
    with pytest.raises(VerificationError):
        StateProof.decode(raw).verify(bytes(32))


@pytest.fixture
def pages() -> Pages:
    made = Pages()
    made.apply({b"%d" % number: b"value" for number in range(200)})
    return made


def test_a_damaged_page_is_named(pages: Pages) -> None:
    path = max(pages)
    pages[path] = pages[path][:-1] + bytes([pages[path][-1] ^ 1])
    with pytest.raises(CorruptStateError, match=f"row {path.hex()}"):
        pages.tree.leaves()


def test_a_missing_or_truncated_page_is_named(pages: Pages) -> None:
    path = max(pages)
    whole = pages.pop(path)
    with pytest.raises(CorruptStateError, match="missing"):
        pages.tree.leaves()
    pages[path] = whole[:-1]
    with pytest.raises(CorruptStateError, match="do not fit"):
        pages.tree.leaves()
