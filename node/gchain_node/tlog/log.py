"""The log of one node: its head, tiles, proofs and signed checkpoints, read from the node's database.

All of it is public. Checkpoints are signed with the member's receipt key, each size once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cbor2

from gchain_node.errors import ConfigurationError, KeyAccessError, VerificationError
from gchain_node.keys.public import key_id
from gchain_node.proof.cose_receipt import make_cose_receipt
from gchain_node.proof.logged import log_section
from gchain_node.proof.merkle import leaf_hash
from gchain_node.store import Store
from gchain_node.tlog.checkpoint import Checkpoint, CheckpointSigners, origin_of, verify_checkpoint
from gchain_node.tlog.durable import write_durably
from gchain_node.tlog.entries import bundle
from gchain_node.tlog.frontier import TILE_HEIGHT, Head
from gchain_node.tlog.note import Note, VerifierKey
from gchain_node.tlog.recording import LOG_KEY
from gchain_node.tlog.signing import CheckpointKey, log_key, sign_checkpoint
from gchain_node.tlog.tiles import WIDTH, TilePath
from gchain_node.tlog.tree import LogTree

__all__ = ["TransparencyLog"]

_log = logging.getLogger(__name__)


class TransparencyLog:
    """Reads of the log. May be used by several threads at a time.

    Args:
        receipt_key: gives the member's receipt key of the moment, whenever one is to sign; None: this node signs none.
        cosigned: where the last cosigned checkpoint is kept; None keeps it in memory.
    """

    def __init__(
        self,
        store: Store,
        chain_id: str,
        receipt_key: Callable[[], CheckpointKey] | None = None,
        *,
        witnesses: Sequence[VerifierKey] = (),
        cosigned: Path | None = None,
    ) -> None:
        self._store = store
        self.origin = origin_of(chain_id)
        self.tree = LogTree(self._row)
        self.witnesses = tuple(witnesses)
        self._receipt_key = receipt_key
        self._lock = threading.Lock()
        self._signed: tuple[Checkpoint, CheckpointKey, Note] | None = None
        self._cosigned_path = cosigned
        self._cosigned: Note | None = None

    def head(self) -> Head:
        """That of the latest committed block."""
        raw = self._store.get(LOG_KEY.encode())
        return Head.from_state(cbor2.loads(raw) if raw else None)

    @property
    def first(self) -> int:
        """The first entry that is kept here: 0, but for a node that began from a snapshot."""
        return self._store.log.first() or 0

    def place(self, height: int, index: int) -> int:
        """Where transaction `index` of block `height` stands in the log."""
        return self._store.log.size_before(height) + index

    def tile(self, path: TilePath) -> bytes:
        """The bytes of a tile or entry bundle. Raises `VerificationError` where the log has none, or not here."""
        start, end = path.number * WIDTH, path.number * WIDTH + path.width
        size = self.head().size >> TILE_HEIGHT * (path.level or 0)
        if end > size:
            raise VerificationError(f"tile {path} reaches to {end}, the log's level has {size}")
        if path.level is None:
            return bundle(self._kept(self._store.log.entries(start, end), path))
        return b"".join(self._kept(self._row(path.level, start, end), path))

    def checkpoint(self) -> Note:
        """The log's head, signed by this node's member.

        Raises:
            ConfigurationError: the node has no receipt key.
            KeyAccessError: the key cannot be used now.
        """
        head = self.head()
        checkpoint = Checkpoint(self.origin, head.size, head.root())
        with self._lock:
            key = self._signer()
            if self._signed is None or self._signed[:2] != (checkpoint, key):
                self._signed = checkpoint, key, sign_checkpoint(checkpoint, key)
            return self._signed[2]

    def cosigned(self) -> Note | None:
        """The last checkpoint that witnesses of this node cosigned, with their signatures."""
        with self._lock:
            if self._cosigned is None and self._cosigned_path is not None and self._cosigned_path.exists():
                self._cosigned = Note.parse(self._cosigned_path.read_bytes())
            return self._cosigned

    def accept(self, note: Note, log_keys: Sequence[VerifierKey]) -> CheckpointSigners:
        """Take a cosigned checkpoint, to serve it and to put it into receipts.

        Raises:
            VerificationError: it is not of this log, no witness of this node cosigned it, or it is older than the last.
        """
        signers = verify_checkpoint(note, self.origin, log_keys, self.witnesses)
        checkpoint, known = signers.checkpoint, self.cosigned()
        if not signers.witnesses:
            raise VerificationError("no witness that this node knows cosigned the checkpoint")
        if known is not None and Checkpoint.parse(known.text).size > checkpoint.size:
            raise VerificationError(f"a checkpoint of size {Checkpoint.parse(known.text).size} is cosigned already")
        if checkpoint.size > self.head().size or self.tree.root(checkpoint.size) != checkpoint.root:
            raise VerificationError(f"the checkpoint of size {checkpoint.size} is not of the log that this node has")
        with self._lock:
            if self._cosigned_path is not None:
                write_durably(self._cosigned_path, str(note).encode())
            self._cosigned = note
        return signers

    def evidence(self, height: int, index: int) -> dict[str, Any] | None:
        """The `log` of a receipt: under the last cosigned checkpoint if that covers it, else under one signed now.

        None where this node lacks the entries (it began from a snapshot) or the key to sign with.
        """
        try:
            note, place = self.cosigned(), self.place(height, index)
            if note is None or Checkpoint.parse(note.text).size <= place:
                note = self.checkpoint()
            size = Checkpoint.parse(note.text).size
            return log_section(place, size, self.tree.inclusion(place, size), note)
        except (VerificationError, ConfigurationError, KeyAccessError) as error:
            _log.info("the receipt of %d/%d goes without its place in the log: %s", height, index, error)
            return None

    def cose_receipt(self, height: int, index: int) -> bytes:
        """A COSE receipt of a transaction's entry, for the log as it is now.

        Raises as `checkpoint`, and `VerificationError` where this node lacks the entries.
        """
        head, place = self.head(), self.place(height, index)
        path, (entry,) = self.tree.inclusion(place, head.size), self._store.log.entries(place, place + 1)
        with self._lock:
            key = self._signer()
        return make_cose_receipt(entry, place, head.size, path, head.root(), key_id(key.public_key), self.sign)

    def sign(self, message: bytes) -> bytes:
        """A signature of the receipt key: 64 bytes. Raises as `checkpoint`."""
        with self._lock:
            return self._signer().sign(message)

    def key(self) -> VerifierKey:
        """The verifier key of this node's checkpoints. Raises as `checkpoint`."""
        with self._lock:
            return log_key(self.origin, self._signer().public_key)

    def _signer(self) -> CheckpointKey:
        if self._receipt_key is None:
            raise ConfigurationError(
                "this node has no receipt key, so it signs no checkpoint", remedy="set keys.receipt in node.toml"
            )
        return self._receipt_key()

    def _row(self, level: int, start: int, end: int) -> list[bytes]:
        if level == 0:
            return [leaf_hash(entry) for entry in self._store.log.entries(start, end)]
        return self._store.log.tile_hashes(level, start, end)

    def _kept(self, rows: list[bytes], path: TilePath) -> list[bytes]:
        if len(rows) != path.width:
            raise VerificationError(f"tile {path} is from before this node's first entry, {self.first}")
        return rows
