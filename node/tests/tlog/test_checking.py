"""The log's tables checked against the state: sound ones pass, a damaged or missing row is found and named."""

from __future__ import annotations

import pytest

from gchain_node import cbor
from gchain_node.errors import CorruptStateError
from gchain_node.store import Batch, Store
from gchain_node.tlog.checking import verify_log
from gchain_node.tlog.entries import Entry
from gchain_node.tlog.frontier import EMPTY_HEAD, LogAppend


def store(size: int = 300, kept_from: int = 0) -> Store:
    """A store whose log has `size` entries of one block, of which those from `kept_from` on are kept."""
    entries = [Entry.of(1, number, number.to_bytes(2, "big"), 0, b"").encode() for number in range(size)]
    before, _ = EMPTY_HEAD.append(entries[:kept_from])
    head, tiles = before.append(entries[kept_from:])
    made = Store(None)
    values = {b"log": cbor.encode(head.state_value())}
    made.commit(Batch(1, bytes(32), values, {}, log=LogAppend(kept_from, entries[kept_from:], tiles)))
    return made


def test_a_sound_log_passes_and_so_does_one_that_began_from_a_snapshot() -> None:
    assert verify_log(Store(None)) == 0
    assert verify_log(store()) == 300
    assert verify_log(store(kept_from=200)) == 44, "of the tile that the snapshot fell into, nothing"
    assert verify_log(store(kept_from=256)) == 44
    assert verify_log(store(kept_from=290)) == 4, "296 to 299, and 288 to 295 began before the snapshot"
    assert verify_log(store(300, kept_from=300)) == 0
    assert verify_log(store(1100, kept_from=300)) == 1100 - 512


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE log_entry SET data = x'ffff' WHERE place = 280", "table log_entry, root"),
        ("UPDATE log_entry SET data = x'ffff' WHERE place = 3", "table log_tile, row 1/0"),
        ("DELETE FROM log_entry WHERE place = 299", "table log_entry, entries"),
        ("DELETE FROM log_tile", "table log_tile, row 1/0"),
        ("UPDATE log_tile SET hash = zeroblob(32)", "table log_tile, row 1/0"),
        ("UPDATE log_block SET size = 299", "table log_block, row 1: 299 found, 300 expected"),
        ("DELETE FROM log_block", "table log_block, row 1: None found"),
        ("INSERT INTO log_block VALUES (2, 300)", "table log_block, row 2: 300 found"),
    ],
)
def test_what_was_changed_in_the_log_is_found_and_named(statement: str, said: str) -> None:
    damaged = store()
    damaged._connection.execute(statement)
    with pytest.raises(CorruptStateError, match=said):
        verify_log(damaged)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE log_entry SET data = x'ffff' WHERE place = 512", "table log_entry, rows 512 to 767"),
        ("UPDATE log_entry SET data = x'ffff' WHERE place = 1099", "table log_entry, rows 1096 to 1099"),
        ("UPDATE log_entry SET data = x'ffff' WHERE place = 1030", "table log_entry, rows 1024 to 1087"),
        ("DELETE FROM log_entry WHERE place = 700", "table log_entry, entries"),
        ("UPDATE log_tile SET hash = zeroblob(32) WHERE place = 3", "table log_entry, rows 768 to 1023"),
        ("DELETE FROM log_tile WHERE place = 3", "table log_entry, rows 768 to 1023"),
        ("UPDATE log_block SET size = 1099", "table log_block, row 1: 1099 found, 1100 expected"),
    ],
)
def test_what_was_changed_in_a_log_that_began_from_a_snapshot_is_found_and_named(statement: str, said: str) -> None:
    damaged = store(1100, kept_from=300)
    damaged._connection.execute(statement)
    with pytest.raises(CorruptStateError, match=said):
        verify_log(damaged)
