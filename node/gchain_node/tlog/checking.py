"""Whether the log's tables are what the state says: for `gchain-node db verify`."""

from __future__ import annotations

import cbor2

from gchain_node.errors import CorruptStateError
from gchain_node.store import Store
from gchain_node.tlog.frontier import EMPTY_HEAD, Head
from gchain_node.tlog.recording import LOG_KEY

__all__ = ["verify_log"]

_PORTION = 10_000
_REMEDY = "restore a backup of the node's data, or remove the directory and let the node catch up"


def verify_log(store: Store) -> int:
    """Recompute the log from its entries, and compare root and tiles. How many entries were checked.

    A node that began from a snapshot lacks the first entries: then only that none is missing after them is checked.

    Raises:
        CorruptStateError: names the table, what was found and what was expected.
    """
    raw = store.get(LOG_KEY.encode())
    expected = Head.from_state(cbor2.loads(raw) if raw else None)
    first = store.log.first()
    if first is None or first > 0:
        kept = 0 if first is None else expected.size - first
        _check(store, "log_entry", "entries", len(store.log.entries(first or 0, expected.size)), kept)
        return kept
    head = EMPTY_HEAD
    for start in range(0, expected.size, _PORTION):
        head, tiles = head.append(store.log.entries(start, min(start + _PORTION, expected.size)))
        for level, place, hash_ in tiles:
            found = store.log.tile_hashes(level, place, place + 1)
            _check(store, "log_tile", f"row {level}/{place}", found and found[0].hex(), hash_.hex())
    _check(store, "log_entry", "entries", head.size, expected.size)
    _check(store, "log_entry", "root", head.root().hex(), expected.root().hex())
    return head.size


def _check(store: Store, table: str, what: str, found: object, expected: object) -> None:
    if found != expected:
        message = f"{store.path}: table {table}, {what}: {found} found, {expected} expected"
        raise CorruptStateError(message, remedy=_REMEDY)
