"""The embedded engine's index of transactions: behind the blocks on disk, never behind them for who asks."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gchain_node.engine.embedded.blocks import BlockStore, StoredBlock
from gchain_node.engine.embedded.index import STEP
from gchain_node.errors import StateError
from gchain_node.proof.block import EMPTY_COMMIT, NO_EVIDENCE, BlockId, Header

SIZE = STEP // 2 + 1  # of a block: two of them are due for the table


def transactions(height: int) -> list[bytes]:
    return [b"%d/%d" % (height, number) for number in range(SIZE)]


def block(height: int, txs: list[bytes]) -> StoredBlock:
    none = NO_EVIDENCE
    header = Header(
        11, 1, "gchain-test", height, height, BlockId(), none, none, none, none, none, none, none, none, bytes(20)
    )
    return StoredBlock(header, EMPTY_COMMIT, EMPTY_COMMIT, tuple(txs), (), b"")


def fill(store: BlockStore, heights: range) -> None:
    for height in heights:
        store.save(block(height, transactions(height)), None)


def assert_found(store: BlockStore, heights: range) -> None:
    for height in heights:
        for number, raw in enumerate(transactions(height)):
            assert store.locate(hashlib.sha256(raw).digest()) == (height, number)
    assert store.locate(bytes(32)) is None


def in_table(path: Path) -> tuple[int, int]:
    """Rows of the table, and the height that it says to be complete to."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT count(*) FROM tx").fetchone()[0]
        return rows, connection.execute("PRAGMA user_version").fetchone()[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blocks.db"


@pytest.mark.parametrize(("last", "indexed"), [(1, 0), (2, 0), (3, 2), (4, 2), (5, 4)])
def test_every_transaction_is_found_before_it_is_in_the_table_and_after_a_restart(
    path: Path, last: int, indexed: int
) -> None:
    with closing(BlockStore(path)) as store:
        fill(store, range(1, last + 1))
        assert_found(store, range(1, last + 1))
    assert in_table(path) == (indexed * SIZE, indexed)
    with closing(BlockStore(path)) as store:
        assert_found(store, range(1, last + 1))
        fill(store, range(last + 1, last + 3))
        assert_found(store, range(1, last + 3))


def test_the_index_is_made_again_from_blocks_that_have_none(path: Path) -> None:
    with closing(BlockStore(path)) as store:
        fill(store, range(1, 6))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM tx")
        connection.execute("PRAGMA user_version=0")
        connection.commit()
    with closing(BlockStore(path)) as store:
        assert_found(store, range(1, 6))
    assert in_table(path) == (5 * SIZE, 5)


def test_a_block_that_was_not_written_leaves_the_index_as_it_was(path: Path) -> None:
    with closing(BlockStore(path)) as store:
        fill(store, range(1, 3))
        with pytest.raises(StateError, match="block 2 was not written"):
            store.save(block(2, [b"other"]), None)
        assert store.locate(hashlib.sha256(b"other").digest()) is None
        assert_found(store, range(1, 3))
        fill(store, range(3, 4))
        assert_found(store, range(1, 4))
    assert in_table(path) == (2 * SIZE, 2)


def test_a_transaction_in_two_blocks_is_found_in_the_first(path: Path) -> None:
    name = hashlib.sha256(b"twice").digest()
    with closing(BlockStore(path)) as store:
        store.save(block(1, [b"once", b"twice"]), None)
        store.save(block(2, [b"twice", *transactions(2), *transactions(3)]), None)
        assert store.locate(name) == (1, 1)
        store.save(block(3, [b"twice"]), None)
        assert store.locate(name) == (1, 1)
    assert in_table(path)[1] == 2
    with closing(BlockStore(path)) as store:
        assert store.locate(name) == (1, 1)
