"""Snapshots of the state for state sync: taken every so many heights, kept in the store, verified chunk by chunk.

Format 1: a chunk is the CBOR list of `[key, value]` pairs in the order of the keys, about a mebibyte; the metadata is
the concatenated SHA-256 of the chunks, the snapshot's hash is the SHA-256 of the metadata. A snapshot takes effect only
if the tree built from it has the app hash that the engine's light client vouches for: a peer that lies gains nothing.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator

import cbor2

from gchain_node.errors import StateError
from gchain_node.messages import Snapshot, SnapshotAnswer
from gchain_node.store import Batch, Store
from gchain_node.tree import Tree

__all__ = ["FORMAT", "INTERVAL", "Snapshots"]

FORMAT = 1
INTERVAL = 1000
_KEPT = 2
_log = logging.getLogger(__name__)
_CHUNK_BYTES = 1024 * 1024


class Snapshots:
    """Snapshots of one store, and the one being restored into it."""

    def __init__(self, store: Store, interval: int = INTERVAL) -> None:
        self._store = store
        self._interval = interval
        self._offered: Snapshot | None = None
        self._app_hash = b""
        self._chunks: dict[int, bytes] = {}

    def take(self, height: int, app_hash: bytes) -> None:
        """Keep a snapshot if `height` is due for one, and drop the oldest beyond those kept."""
        if height % self._interval:
            return
        try:
            self._store.put_snapshot(height, list(_chunks(self._store.scan(b""))))
            for old in sorted({h for h, _ in self._store.snapshot_chunks()})[:-_KEPT]:
                self._store.drop_snapshot(old)
        except StateError as error:  # the height itself is committed: a snapshot is for others' convenience
            _log.warning("no snapshot of height %d: %s", height, error)

    def listed(self) -> list[Snapshot]:
        digests: dict[int, list[bytes]] = {}
        for height, digest in self._store.snapshot_chunks():
            digests.setdefault(height, []).append(digest)
        found = []
        for height, chunk_digests in sorted(digests.items()):
            metadata = b"".join(chunk_digests)
            found.append(Snapshot(height, FORMAT, len(chunk_digests), hashlib.sha256(metadata).digest(), metadata))
        return found

    def load(self, height: int, format_: int, chunk: int) -> bytes:
        if format_ != FORMAT:
            return b""
        return self._store.snapshot_chunk(height, chunk) or b""

    def offer(self, snapshot: Snapshot, app_hash: bytes) -> SnapshotAnswer:
        if snapshot.format != FORMAT:
            return SnapshotAnswer.REJECT_FORMAT
        whole = len(snapshot.metadata) == 32 * snapshot.chunks and snapshot.chunks > 0
        if not whole or hashlib.sha256(snapshot.metadata).digest() != snapshot.hash or self._store.height:
            return SnapshotAnswer.REJECT
        self._offered, self._app_hash, self._chunks = snapshot, app_hash, {}
        return SnapshotAnswer.ACCEPT

    def apply(self, index: int, chunk: bytes) -> SnapshotAnswer:
        if self._offered is None or not 0 <= index < self._offered.chunks:
            return SnapshotAnswer.ABORT
        if hashlib.sha256(chunk).digest() != self._offered.metadata[32 * index : 32 * index + 32]:
            return SnapshotAnswer.RETRY
        self._chunks[index] = chunk
        if len(self._chunks) < self._offered.chunks:
            return SnapshotAnswer.ACCEPT
        return self._restore(self._offered)

    def _restore(self, snapshot: Snapshot) -> SnapshotAnswer:
        chunks, self._offered = self._chunks, None
        try:
            values = {key: value for i in range(snapshot.chunks) for key, value in cbor2.loads(chunks[i])}
            change = Tree(lambda _: None).update(values)
            chain_id = cbor2.loads(values[b"consortium"])["chain_id"].encode()
        except (cbor2.CBORError, KeyError, TypeError, ValueError, AttributeError):
            return SnapshotAnswer.REJECT
        if change.root != self._app_hash:
            return SnapshotAnswer.REJECT
        self._store.replace_all(Batch(snapshot.height, change.root, values, change.pages, {"chain_id": chain_id}))
        return SnapshotAnswer.ACCEPT


def _chunks(rows: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    part: list[tuple[bytes, bytes]] = []
    size = 0
    for key, value in rows:
        part.append((key, value))
        size += len(key) + len(value)
        if size >= _CHUNK_BYTES:
            yield cbor2.dumps(part)
            part, size = [], 0
    if part:
        yield cbor2.dumps(part)
