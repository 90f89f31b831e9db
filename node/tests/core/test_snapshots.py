"""Snapshots: of one height although blocks go on, the same at every node, believed only when the app hash says so."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchain_node import cbor
from gchain_node.app import App
from gchain_node.messages import ChunkAnswer, Snapshot, SnapshotAnswer
from gchain_node.restoring import MAX_CHUNK
from gchain_node.snapshots import CHUNK_BYTES, FORMAT, Snapshots, _Reader
from gchain_node.store import Batch, Store
from gchain_node.tree import Tree

Ledger = Any  # of conftest.py, which pytest does not let tests import
ACCEPT, REJECT = ChunkAnswer(SnapshotAnswer.ACCEPT), SnapshotAnswer.REJECT


def write(store: Store, height: int, values: dict[bytes, bytes | None]) -> None:
    change = Tree(store.page).update(values)
    store.commit(Batch(height, change.root, values, change.pages))


def big_store() -> Store:
    """About three chunks."""
    store = Store(None)
    write(store, 1, {b"consortium": cbor.encode({"chain_id": "c"})})
    write(store, 2, {f"records/{n:05}".encode(): bytes([n % 251]) * 900 for n in range(3500)})
    return store


def chunks(snapshots: Snapshots, snapshot: Snapshot) -> list[bytes]:
    return [snapshots.load(snapshot.height, snapshot.format, number) for number in range(snapshot.chunks)]


@contextmanager
def live_snapshots(live: Ledger, directory: Path) -> Iterator[Snapshots]:
    """Snapshots of the live ledger at each height that the test asks for."""
    snapshots = Snapshots(live.app._store, directory, interval=1)
    live.app._snapshots = snapshots
    yield snapshots
    snapshots.close()


def test_a_snapshot_restores_the_state_and_the_ledger_goes_on(
    live: Ledger, make_ledger: Callable[..., Ledger], tmp_path: Path
) -> None:
    with live_snapshots(live, tmp_path) as snapshots:
        live.call("treasury", "records/commit", {"id": "kept", "commitment": bytes(32)})
        snapshots.wait()
        info, (snapshot,) = live.app.info(), live.app.list_snapshots()
        fresh = make_ledger().app
        assert fresh.offer_snapshot(snapshot, info.last_block_app_hash) is SnapshotAnswer.ACCEPT
        for number in range(snapshot.chunks):
            assert (
                fresh.apply_snapshot_chunk(number, live.app.load_snapshot_chunk(snapshot.height, 1, number), "p")
                == ACCEPT
            )
    assert fresh.info() == info
    assert fresh.query("records/kept").value == live.app.query("records/kept").value
    raw = live.tx("treasury", "records/commit", {"id": "next", "commitment": bytes(32)})
    assert fresh.check_tx(raw).ok


def test_two_nodes_make_the_same_bytes_of_the_same_height(tmp_path: Path) -> None:
    one, two = big_store(), Store(None)
    rows = one.scan(b"")
    random.Random(3).shuffle(rows)  # noqa: S311 -- not for secrets
    write(two, 2, dict(rows))
    made = []
    for number, store in enumerate((one, two)):
        snapshots = Snapshots(store, tmp_path / str(number), interval=2)
        snapshots.due(2)
        snapshots.wait()
        made.append((snapshots.listed(), chunks(snapshots, snapshots.listed()[0])))
    assert made[0] == made[1]
    (snapshot,), parts = made[0]
    assert snapshot.chunks == len(parts) == 4
    assert all(CHUNK_BYTES <= len(part) < CHUNK_BYTES + 2048 * 10 for part in parts[:-1])


CHANGES = st.lists(
    st.dictionaries(st.integers(0, 30), st.none() | st.binary(min_size=1, max_size=4), min_size=1, max_size=8),
    max_size=8,
)


@settings(deadline=None)
@given(begin=st.sets(st.integers(0, 30), max_size=30), changes=CHANGES, portion=st.integers(1, 7))
def test_what_blocks_change_while_it_is_read_is_not_in_the_snapshot(
    begin: set[int], changes: list[dict[int, bytes | None]], portion: int
) -> None:
    """A portion, a block, a portion, a block: what comes out is the state at the beginning."""
    store = Store(None)
    write(store, 1, {bytes([65 + n]): b"first" for n in begin})
    before = store.scan(b"")
    reader, read, height = _Reader(), [], 1
    blocks = iter(changes)
    while not reader.done:
        rows = _portion(reader, store, portion)
        assert [key for key, _ in rows] == sorted(key for key, _ in rows)
        read += rows
        block = next(blocks, None)
        if block is not None:
            height += 1
            values = {bytes([65 + n]): value for n, value in block.items()}
            reader.put_aside(values, store)
            write(store, height, values)
    assert read == before


def _portion(reader: _Reader, store: Store, size: int) -> list[tuple[bytes, bytes]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gchain_node.snapshots._PORTION", size)
        return reader.next_portion(store)


def test_a_snapshot_is_taken_beside_blocks(tmp_path: Path) -> None:
    store = big_store()
    before = store.scan(b"")
    snapshots = Snapshots(store, tmp_path, interval=2)
    snapshots.due(2)
    height = 2
    while snapshots._reading is not None:
        height += 1
        values: dict[bytes, bytes | None] = {b"records/03499": str(height).encode(), f"new/{height}".encode(): b"x"}
        with snapshots.preserving(values):
            write(store, height, values)
    snapshots.wait()
    (snapshot,) = snapshots.listed()
    rows = [tuple(row) for chunk in chunks(snapshots, snapshot) for row in cbor.decode(chunk)]
    assert height > 3, "no block came while the snapshot was taken"
    assert rows == before


def test_the_latest_are_kept_and_a_height_that_is_not_due_is_left_out(live: Ledger, tmp_path: Path) -> None:
    snapshots = Snapshots(live.app._store, tmp_path, interval=10, keep=2)
    for height in (9, 10, 20, 25, 30):
        snapshots.due(height)
        snapshots.wait()
    assert [snapshot.height for snapshot in snapshots.listed()] == [20, 30]
    assert snapshots.load(30, FORMAT, 0)
    assert [snapshots.needed_from(height) for height in (0, 19, 25, 99)] == [0, 19, 20, 20], "blocks after the oldest"
    for height, format_, chunk in ((10, FORMAT, 0), (30, FORMAT + 1, 0), (30, FORMAT, 99)):
        assert snapshots.load(height, format_, chunk) == b""


def test_a_snapshot_cut_off_by_the_end_of_the_process_is_swept_away(live: Ledger, tmp_path: Path) -> None:
    (tmp_path / ".partial-7").mkdir()
    (tmp_path / ".partial-7" / "chunk-0").write_bytes(b"half")
    snapshots = Snapshots(live.app._store, tmp_path, interval=1)
    assert not list(tmp_path.iterdir())
    assert snapshots.listed() == []


def test_a_damaged_chunk_is_not_given_to_peers(live: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    snapshots = Snapshots(live.app._store, tmp_path, interval=1)
    snapshots.due(1)
    snapshots.wait()
    path = tmp_path / "1" / "chunk-0"
    path.write_bytes(b"\0" + path.read_bytes()[1:])
    assert snapshots.load(1, FORMAT, 0) == b""
    assert "is damaged" in caplog.text


def test_a_full_disk_costs_the_snapshot_and_not_the_block(
    live: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gchain_node.snapshots._durably", full)
    with live_snapshots(live, tmp_path) as snapshots:
        assert live.call("treasury", "records/commit", {"id": "kept", "commitment": bytes(32)}).ok
        snapshots.wait()
    assert snapshots.listed() == []
    assert list(tmp_path.iterdir()) == []
    assert "No space left on device" in caplog.text


def snapshot_of(parts: list[bytes], height: int = 9) -> Snapshot:
    metadata = b"".join(hashlib.sha256(part).digest() for part in parts)
    return Snapshot(height, FORMAT, len(parts), hashlib.sha256(metadata).digest(), metadata)


@pytest.fixture
def empty(make_ledger: Callable[..., Ledger]) -> App:
    """A node before its first height."""
    app: App = make_ledger().app
    return app


@pytest.fixture
def true_chunks() -> tuple[list[bytes], bytes]:
    """Two chunks of a state, and its app hash."""
    rows = [[b"consortium", cbor.encode({"chain_id": "c"})], [b"records/a", b"\x01"]]
    root = Tree(lambda _: None).update({row[0]: row[1] for row in rows}).root
    return [cbor.encode([rows[0]]), cbor.encode([rows[1]])], root


def test_offers_that_cannot_be_honest_are_refused_with_their_sender(empty: App) -> None:
    good = snapshot_of([b"x", b"y"])
    assert empty.offer_snapshot(good, bytes(32)) is SnapshotAnswer.ACCEPT
    assert empty.offer_snapshot(replace(good, format=2), bytes(32)) is SnapshotAnswer.REJECT_FORMAT
    for lie in (
        replace(good, hash=bytes(32)),
        replace(good, metadata=good.metadata[:-1]),
        replace(good, chunks=3),
        replace(good, chunks=0, metadata=b"", hash=hashlib.sha256(b"").digest()),
        replace(good, chunks=2**32 - 1),
    ):
        assert empty.offer_snapshot(lie, bytes(32)) is SnapshotAnswer.REJECT_SENDER


def test_a_node_that_has_a_state_takes_no_snapshot(live: Ledger) -> None:
    assert live.app.offer_snapshot(snapshot_of([b"x"]), bytes(32)) is SnapshotAnswer.ABORT


def test_a_chunk_that_is_not_the_one_promised_is_fetched_elsewhere(
    empty: App, true_chunks: tuple[list[bytes], bytes]
) -> None:
    parts, root = true_chunks
    empty.offer_snapshot(snapshot_of(parts), root)
    for lie in (b"lie", b"", parts[1], parts[0] + b"\0", bytes(MAX_CHUNK + 1)):
        assert empty.apply_snapshot_chunk(0, lie, "liar") == ChunkAnswer(SnapshotAnswer.RETRY, (0,), ("liar",))
    assert empty.apply_snapshot_chunk(0, parts[0], "honest") == ACCEPT
    assert empty.apply_snapshot_chunk(1, parts[1], "honest") == ACCEPT
    assert (empty.info().last_block_height, empty.info().last_block_app_hash) == (9, root)


def test_a_snapshot_that_is_not_the_state_of_its_height_condemns_all_who_sent_it(
    empty: App, true_chunks: tuple[list[bytes], bytes]
) -> None:
    parts, root = true_chunks
    other = [parts[0], cbor.encode([[b"records/a", b"\x02"]])]
    empty.offer_snapshot(snapshot_of(other), root)
    assert empty.apply_snapshot_chunk(0, other[0], "b") == ACCEPT
    assert empty.apply_snapshot_chunk(1, other[1], "a") == ChunkAnswer(REJECT, reject_senders=("a", "b"))
    assert empty.info().last_block_height == 0
    assert empty.offer_snapshot(snapshot_of(parts), root) is SnapshotAnswer.ACCEPT


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"\xa0", b"\x81\x00", b"\x81\x82\x00\x00", b"\x81\x81\x40", b"\x81" * 90, b"\x9b" + b"\xff" * 8],
)
def test_a_chunk_that_is_no_list_of_keys_and_values_condemns_its_sender(empty: App, content: bytes) -> None:
    empty.offer_snapshot(snapshot_of([content]), bytes(32))
    assert empty.apply_snapshot_chunk(0, content, "liar") == ChunkAnswer(REJECT, reject_senders=("liar",))


def test_chunks_without_an_offer_or_out_of_order_end_the_attempt(
    empty: App, true_chunks: tuple[list[bytes], bytes]
) -> None:
    parts, root = true_chunks
    assert empty.apply_snapshot_chunk(0, parts[0], "p").answer is SnapshotAnswer.ABORT
    empty.offer_snapshot(snapshot_of(parts), root)
    assert empty.apply_snapshot_chunk(1, parts[1], "p").answer is SnapshotAnswer.ABORT
