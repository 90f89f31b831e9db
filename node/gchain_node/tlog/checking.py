"""Whether the log's tables are what the state says: for `gchain-node db verify`."""

from __future__ import annotations

import cbor2

from gchain_node.errors import CorruptStateError, VerificationError
from gchain_node.rows import REMEDY
from gchain_node.store import Store
from gchain_node.tlog.entries import Entry
from gchain_node.tlog.frontier import EMPTY_HEAD, TILE_HEIGHT, Head
from gchain_node.tlog.recording import LOG_KEY

__all__ = ["verify_log"]

_PORTION = 10_000
_TILE = 1 << TILE_HEIGHT


def verify_log(store: Store) -> int:
    """Recompute the log from its entries, and compare root, tiles and ends of blocks. How many entries were checked.

    A node that began from a snapshot lacks the first entries, until `log fill`. Those after them are checked by
    whole tiles and, at the end, by the head's subtrees; in the tile or subtree that the snapshot fell into, none is.

    Raises:
        CorruptStateError: names the table, what was found and what was expected.
    """
    raw = store.get(LOG_KEY.encode())
    expected = Head.from_state(cbor2.loads(raw) if raw else None)
    first = store.log.first()
    if first is None or first > 0:
        kept = 0 if first is None else expected.size - first
        _check(store, "log_entry", "entries", len(store.log.entries(first or 0, expected.size)), kept)
        checked = _verify_kept(store, expected.size if first is None else first, expected)
        _verify_blocks(store, expected.size if first is None else first, expected.size)
        return checked
    head = EMPTY_HEAD
    for start in range(0, expected.size, _PORTION):
        head, tiles = head.append(store.log.entries(start, min(start + _PORTION, expected.size)))
        for level, place, hash_ in tiles:
            found = store.log.tile_hashes(level, place, place + 1)
            _check(store, "log_tile", f"row {level}/{place}", found and found[0].hex(), hash_.hex())
    _check(store, "log_entry", "entries", head.size, expected.size)
    _check(store, "log_entry", "root", head.root().hex(), expected.root().hex())
    _verify_blocks(store, 0, expected.size)
    return head.size


def _verify_kept(store: Store, first: int, expected: Head) -> int:
    """The entries from `first` on, against the hashes of tiles and of the head. How many could be checked."""
    whole, checked = expected.size // _TILE, 0
    for tile in range(-(-first // _TILE), whole):
        found = store.log.tile_hashes(1, tile, tile + 1)
        _check_range(store, tile * _TILE, _TILE, found[0] if found else b"")
        checked += _TILE
    start, rest = whole * _TILE, expected.size % _TILE
    widths = [1 << level for level in reversed(range(TILE_HEIGHT)) if rest >> level & 1]
    for width, root in zip(widths, expected.subtrees[len(expected.subtrees) - len(widths) :], strict=True):
        if start >= first:
            _check_range(store, start, width, root)
            checked += width
        start += width
    return checked


def _verify_blocks(store: Store, first: int, size: int) -> None:
    """Where blocks end in the log, against the heights in the entries from `first` on."""
    ends: dict[int, int] = {}
    for start in range(first, size, _PORTION):
        for place, raw in enumerate(store.log.entries(start, min(start + _PORTION, size)), start):
            try:
                ends[Entry.decode(raw).height] = place + 1
            except VerificationError as error:
                message = f"{store.path}: table log_entry, row {place}: {error}"
                raise CorruptStateError(message, remedy=REMEDY) from None
    found = {height: end for height, end in store.log.sizes() if end > first}
    for height in sorted(ends.keys() | found.keys()):
        _check(store, "log_block", f"row {height}", found.get(height), ends.get(height))


def _check_range(store: Store, start: int, width: int, root: bytes) -> None:
    head, _ = EMPTY_HEAD.append(store.log.entries(start, start + width))
    _check(store, "log_entry", f"rows {start} to {start + width - 1}", head.root().hex(), root.hex())


def _check(store: Store, table: str, what: str, found: object, expected: object) -> None:
    if found != expected:
        message = f"{store.path}: table {table}, {what}: {found} found, {expected} expected"
        raise CorruptStateError(message, remedy=REMEDY)
