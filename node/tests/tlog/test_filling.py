"""A log that began from a snapshot, filled from another node's tiles: whole afterwards, or untouched."""

from __future__ import annotations

import pytest

from gchain_node import cbor
from gchain_node.errors import ApiError, StateError, VerificationError
from gchain_node.store import Batch, Store
from gchain_node.tlog.checking import verify_log
from gchain_node.tlog.entries import Entry, bundle
from gchain_node.tlog.filling import fill_log
from gchain_node.tlog.frontier import EMPTY_HEAD, LogAppend
from gchain_node.tlog.tiles import WIDTH, TilePath

EACH = 7  # entries a block
ENTRIES = [Entry.of(2 + n // EACH, n % EACH, n.to_bytes(2, "big"), 0, b"").encode() for n in range(100 * EACH)]
SNAPSHOT = 40 * EACH  # entries before it


def synced(size: int = len(ENTRIES)) -> Store:
    """A store that took a snapshot after 40 blocks and then committed what follows, up to `size` entries."""
    made = Store(None)
    head, _ = EMPTY_HEAD.append(ENTRIES[:SNAPSHOT])
    made.commit(Batch(41, bytes(32), {b"log": cbor.encode(head.state_value())}, {}))
    for start in range(SNAPSHOT, size, EACH):
        block = ENTRIES[start : start + EACH]
        grown, tiles = head.append(block)
        values = {b"log": cbor.encode(grown.state_value())}
        made.commit(Batch(made.height + 1, bytes(32), values, {}, log=LogAppend(head.size, block, tiles)))
        head = grown
    return made


def source(path: TilePath) -> bytes:
    start = path.number * WIDTH
    return bundle(ENTRIES[start : start + path.width])


@pytest.mark.parametrize("size", [SNAPSHOT, SNAPSHOT + EACH, len(ENTRIES)])
def test_a_filled_log_is_that_of_a_node_that_was_there_from_the_start(size: int) -> None:
    store, told = synced(size), []
    assert fill_log(store, source, lambda done, missing: told.append((done, missing))) == SNAPSHOT
    assert told[-1] == (SNAPSHOT, SNAPSHOT)
    assert verify_log(store) == size
    assert store.log.entries(0, size) == ENTRIES[:size]
    assert [store.log.size_before(height) for height in (2, 3, 10, 42)] == [0, EACH, 8 * EACH, SNAPSHOT]

    assert len(store.log.tile_hashes(1, 0, size // WIDTH)) == size // WIDTH  # those that proofs read
    assert fill_log(store, source) == 0


def test_a_source_that_lies_or_has_less_leaves_the_store_as_it_was() -> None:
    def false(path: TilePath) -> bytes:
        return source(path).replace(ENTRIES[3], ENTRIES[4])

    def short(path: TilePath) -> bytes:
        return bundle(ENTRIES[:3])

    def cut(path: TilePath) -> bytes:
        return source(path)[:-1]

    def absent(path: TilePath) -> bytes:
        if path.number:
            raise ApiError("not here", status=404)
        return source(path)

    store = synced()
    for bad, error in ((false, VerificationError), (short, VerificationError), (cut, VerificationError)):
        with pytest.raises(error):
            fill_log(store, bad)
    with pytest.raises(ApiError):
        fill_log(store, absent)
    assert store.log.first() == SNAPSHOT
    assert verify_log(store) == len(ENTRIES) - 2 * 256, "those after the tile that the snapshot fell into"


def test_a_write_that_fails_half_way_leaves_nothing() -> None:
    store = synced()
    store._connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON log_entry WHEN NEW.place = 270 BEGIN SELECT RAISE(FAIL, 'full'); END"
    )
    with pytest.raises(StateError, match="full"):
        fill_log(store, source)
    assert store.log.first() == SNAPSHOT
