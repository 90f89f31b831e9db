"""Entries from before a snapshot, fetched from another node's tiles: for one that began by state sync.

Nothing of the source is believed. The state names the log's root, under an app hash that two thirds of the power
signed; entries are written only if they, and those that are kept here after them, have that root.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from typing import IO

import cbor2

from gchain_node.errors import StateError, VerificationError
from gchain_node.store import Store
from gchain_node.tlog.entries import Entry, bundle, unbundle
from gchain_node.tlog.frontier import EMPTY_HEAD, Head, LogAppend
from gchain_node.tlog.recording import LOG_KEY
from gchain_node.tlog.tiles import WIDTH, TilePath

__all__ = ["FetchBundle", "fill_log"]

FetchBundle = Callable[[TilePath], bytes]
"""The bytes of an entry bundle at the source. Raises `ApiError`."""
_PORTION = 10_000


def fill_log(store: Store, fetch: FetchBundle, progress: Callable[[int, int], None] = lambda done, all_: None) -> int:
    """Fetch the entries that `store` lacks, check them against its state, and write them; how many there were.

    Args:
        store: of a node that does not run.
        progress: told how many entries were fetched, and how many are missing.

    Raises:
        ApiError: the source does not answer, or has not the entries itself; nothing was written.
        VerificationError: the source's entries are not those of this ledger's log; nothing was written.
        StateError: they could not be written.
    """
    raw = store.get(LOG_KEY.encode())
    expected = Head.from_state(cbor2.loads(raw) if raw else None)
    first = store.log.first()
    missing = expected.size if first is None else first
    if not missing:
        return 0
    with tempfile.TemporaryFile() as kept:
        head = EMPTY_HEAD
        for entries in _fetched(fetch, missing, expected.size):
            head, _ = head.append(entries)
            _keep(kept, bundle(entries))
            progress(head.size, missing)
        _compare(store, head, expected)
        kept.seek(0)
        store.fill_log(_appends(_read(kept)))
    return missing


def _fetched(fetch: FetchBundle, missing: int, size: int) -> Iterator[list[bytes]]:
    """The entries before `missing`, a bundle at a time."""
    for start in range(0, missing, WIDTH):
        path = TilePath(None, start // WIDTH, min(WIDTH, size - start))
        entries = unbundle(fetch(path))
        if len(entries) != path.width:
            raise VerificationError(f"the source's bundle {path} has {len(entries)} entries, {path.width} belong there")
        yield entries[: missing - start]


def _compare(store: Store, head: Head, expected: Head) -> None:
    """Raises `VerificationError` unless what was fetched and what is kept after it have the root of the state."""
    for start in range(head.size, expected.size, _PORTION):
        head, _ = head.append(store.log.entries(start, min(start + _PORTION, expected.size)))
    if head != expected:
        raise VerificationError(
            f"the source's log is another one: with its entries the root at size {head.size} is {head.root().hex()}, "
            f"the state says {expected.root().hex()} at size {expected.size}",
            remedy="fetch them from another member",
        )


def _appends(bundles: Iterator[list[bytes]]) -> Iterator[tuple[LogAppend, list[tuple[int, int]]]]:
    """What each bundle adds, with (height, size of the log after it) of each block whose entries it holds."""
    head = EMPTY_HEAD
    for entries in bundles:
        grown, tiles = head.append(entries)
        heights = {Entry.decode(raw).height: place + 1 for place, raw in enumerate(entries, head.size)}
        yield LogAppend(head.size, entries, tiles), list(heights.items())
        head = grown


def _keep(file: IO[bytes], data: bytes) -> None:
    try:
        file.write(len(data).to_bytes(4, "big") + data)
    except OSError as error:
        raise StateError(f"the fetched entries could not be kept: {error.strerror}", remedy="free space") from error


def _read(file: IO[bytes]) -> Iterator[list[bytes]]:
    while length := file.read(4):
        yield unbundle(file.read(int.from_bytes(length, "big")))
