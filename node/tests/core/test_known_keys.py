"""The filter of known keys: it never denies a key that is there, and says "perhaps" until it has seen all of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gchain_node.known_keys import KnownKeys
from gchain_node.store import Batch, Store

_STORED = [b"records/%06d" % number for number in range(5_000)]


def _after(key: bytes, limit: int) -> list[bytes]:
    return [stored for stored in _STORED if stored > key][:limit]


def _denied(known: KnownKeys, keys: Iterable[bytes]) -> int:
    return sum(not known.may_hold(key) for key in keys)


def test_until_everything_was_seen_every_key_may_be_there() -> None:
    known = KnownKeys(_after)
    for _ in range(2):
        known.learn([])
        assert known.may_hold(b"records/never")
    known.learn([])
    assert not known.may_hold(b"records/never")


def test_a_key_that_is_there_is_never_denied() -> None:
    known = KnownKeys(_after)
    for number in range(3):
        known.learn([b"new/%d" % number])
    assert not _denied(known, [*_STORED, b"new/0", b"new/1", b"new/2"])


def test_most_keys_that_are_not_there_are_denied() -> None:
    known = KnownKeys(lambda key, limit: [])
    known.learn(_STORED)
    assert _denied(known, (b"absent/%d" % number for number in range(1_000))) > 990


def test_a_store_opened_again_finds_what_was_written_before_and_since(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(path, waiting=0)
    store.commit(Batch(1, bytes(32), dict.fromkeys(_STORED, b"before"), {}))
    store.close()
    store = Store(path, waiting=0)
    for height in range(2, 7):
        store.commit(Batch(height, bytes(32), {b"records/new-%d" % height: b"since"}, {}))
        assert store.get(_STORED[-1]) == b"before"
        assert store.get(b"records/new-%d" % height) == b"since"
        assert store.get(b"records/never-%d" % height) is None
    assert {store.get(key) for key in _STORED} == {b"before"}
    store.close()
