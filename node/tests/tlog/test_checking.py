"""The log's tables checked against the state: sound ones pass, a damaged or missing row is found and named."""

from __future__ import annotations

import pytest

from gchain_node import cbor
from gchain_node.errors import CorruptStateError
from gchain_node.store import Batch, Store
from gchain_node.tlog.checking import verify_log
from gchain_node.tlog.frontier import EMPTY_HEAD, LogAppend

ENTRIES = [number.to_bytes(2, "big") for number in range(300)]


def store(kept_from: int = 0) -> Store:
    """A store whose log has 300 entries, of which those from `kept_from` on are kept."""
    head, tiles = EMPTY_HEAD.append(ENTRIES)
    made = Store(None)
    values = {b"log": cbor.encode(head.state_value())}
    made.commit(Batch(1, bytes(32), values, {}, log=LogAppend(kept_from, ENTRIES[kept_from:], tiles)))
    return made


def test_a_sound_log_passes_and_so_does_one_that_began_from_a_snapshot() -> None:
    assert verify_log(Store(None)) == 0
    assert verify_log(store()) == 300
    assert verify_log(store(kept_from=200)) == 100


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE log_entry SET data = x'ffff' WHERE place = 280", "table log_entry, root"),
        ("UPDATE log_entry SET data = x'ffff' WHERE place = 3", "table log_tile, row 1/0"),
        ("DELETE FROM log_entry WHERE place = 299", "table log_entry, entries"),
        ("DELETE FROM log_tile", "table log_tile, row 1/0"),
        ("UPDATE log_tile SET hash = zeroblob(32)", "table log_tile, row 1/0"),
    ],
)
def test_what_was_changed_in_the_log_is_found_and_named(statement: str, said: str) -> None:
    damaged = store()
    damaged._connection.execute(statement)
    with pytest.raises(CorruptStateError, match=said):
        verify_log(damaged)
