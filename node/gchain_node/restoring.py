"""State sync: a snapshot that peers offer, taken in chunk by chunk, believed only when the app hash says so.

Whoever sends what the snapshot's hash does not promise is named to the engine, which asks others and no longer listens
to it; a snapshot that is consistent in itself and still not the state of its height condemns everybody who sent a part.
The format is that of `gchain_node.snapshots`.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from typing import Final

import cbor2

from gchain_node import cbor
from gchain_node.errors import TransactionError
from gchain_node.messages import ChunkAnswer, Snapshot, SnapshotAnswer
from gchain_node.snapshots import CHUNK_BYTES, FORMAT
from gchain_node.store import Batch, Store
from gchain_node.tree import Tree

__all__ = ["Restoring"]

MAX_CHUNK: Final = 4 * CHUNK_BYTES  # a chunk ends with the value that fills it
_log = logging.getLogger(__name__)


@dataclass
class _Offered:
    """The snapshot being taken in. `app_hash` is the one that the engine's light client vouches for."""

    snapshot: Snapshot
    app_hash: bytes
    values: dict[bytes, bytes | None] = field(default_factory=dict)
    senders: set[str] = field(default_factory=set)
    next_chunk: int = 0

    def digest(self, index: int) -> bytes:
        return self.snapshot.metadata[32 * index : 32 * index + 32]


class Restoring:
    """The receiving side of state sync, for a store that has no height yet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._offered: _Offered | None = None

    def offer(self, snapshot: Snapshot, app_hash: bytes) -> SnapshotAnswer:
        self._offered = None
        if snapshot.format != FORMAT:
            return SnapshotAnswer.REJECT_FORMAT
        if self._store.height:
            _log.error(
                "a snapshot was offered to a node at height %d: state sync is for an empty one", self._store.height
            )
            return SnapshotAnswer.ABORT
        whole = len(snapshot.metadata) == 32 * snapshot.chunks and snapshot.chunks > 0
        if not whole or hashlib.sha256(snapshot.metadata).digest() != snapshot.hash:
            _log.warning("the snapshot of height %d is refused: its metadata is not that of its hash", snapshot.height)
            return SnapshotAnswer.REJECT_SENDER
        self._offered = _Offered(snapshot, app_hash)
        return SnapshotAnswer.ACCEPT

    def apply(self, index: int, chunk: bytes, sender: str) -> ChunkAnswer:
        """Take in a chunk. They come in their order; one that was fetched again comes again."""
        offered = self._offered
        if offered is None or index != offered.next_chunk:
            return ChunkAnswer(SnapshotAnswer.ABORT)
        if len(chunk) > MAX_CHUNK or hashlib.sha256(chunk).digest() != offered.digest(index):
            _log.warning(
                "chunk %d from %s is not the one of the snapshot's hash: it is fetched elsewhere", index, sender
            )
            return ChunkAnswer(SnapshotAnswer.RETRY, refetch=(index,), reject_senders=(sender,))
        offered.senders.add(sender)
        offered.next_chunk += 1
        if not _take_in(offered, chunk):
            return self._condemn(offered, f"chunk {index} is not a list of keys and values")
        if offered.next_chunk < offered.snapshot.chunks:
            return ChunkAnswer(SnapshotAnswer.ACCEPT)
        return self._restore(offered)

    def _restore(self, offered: _Offered) -> ChunkAnswer:
        change = Tree(lambda _: None).update(offered.values)
        if change.root != offered.app_hash:
            return self._condemn(offered, f"its tree has {change.root.hex()}, the header says {offered.app_hash.hex()}")
        chain_id = cbor2.loads(offered.values[b"consortium"] or b"")["chain_id"].encode()
        height = offered.snapshot.height
        self._store.replace_all(Batch(height, change.root, offered.values, change.pages, {"chain_id": chain_id}))
        self._offered = None
        _log.info("the state of height %d was restored from a snapshot: %d keys", height, len(offered.values))
        return ChunkAnswer(SnapshotAnswer.ACCEPT)

    def _condemn(self, offered: _Offered, reason: str) -> ChunkAnswer:
        self._offered = None
        senders = tuple(sorted(offered.senders))
        _log.warning(
            "the snapshot of height %d is a lie, told by %s: %s", offered.snapshot.height, ", ".join(senders), reason
        )
        return ChunkAnswer(SnapshotAnswer.REJECT, reject_senders=senders)


def _take_in(offered: _Offered, chunk: bytes) -> bool:
    try:
        rows = cbor.decode(chunk)
    except TransactionError:
        return False
    well_formed = isinstance(rows, list) and all(
        isinstance(row, list) and len(row) == 2 and isinstance(row[0], bytes) and isinstance(row[1], bytes)
        for row in rows
    )
    if well_formed:
        offered.values.update(rows)
    return well_formed
