"""The ledger's state machine, as both engines call it (ABCI 2.0 in plain values).

Pure apart from the store given to it: no clock (block time alone), no sockets, no randomness, no floats. Rules:

    * `init_chain` comes once, before any block, and is the state of height 0.
    * `finalize_block` computes and keeps its result in memory; it MAY be called again for the same height, and the last
      call counts. Nothing is persisted.
    * `commit` persists the last finalized height, whole or not at all. It counts as durable when it returns.
    * `check_tx` and `query` MAY be called from other threads than the rest, at any time: a check waits for a running
      commit, never for a block being computed. `finalize_block`, `commit`, `init_chain` and the proposal methods MUST
      come from one thread at a time, in the order of the protocol.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress

import cbor2

from gchain_node import __version__, evidence, genesis, queries, validators
from gchain_node.delivery import Delivery, Moment, refusal
from gchain_node.errors import EngineError, TransactionError
from gchain_node.messages import (
    Block,
    BlockResult,
    ChunkAnswer,
    Info,
    InitChain,
    InitChainResult,
    QueryResult,
    Snapshot,
    SnapshotAnswer,
    TxResult,
    ValidatorUpdate,
)
from gchain_node.modules import rotation
from gchain_node.restoring import Restoring
from gchain_node.snapshots import Snapshots
from gchain_node.state import Nothing, State
from gchain_node.store import Batch, Store
from gchain_node.tlog import recording
from gchain_node.tree import Tree
from gchain_node.tx import SignedTx
from gchain_node.verified import VerifiedTransactions

__all__ = ["APP_VERSION", "VALIDATOR_CHANGES", "App"]

APP_VERSION = 1
VALIDATOR_CHANGES = "governance/validator-changes"  # {heights}: headers that name another set for the height after


class App:
    """One ledger over one store, which takes `snapshots` of it for state sync if given."""

    def __init__(self, store: Store, snapshots: Snapshots | None = None) -> None:
        self._store = store
        self._tree = Tree(store.page)
        self.verified = VerifiedTransactions()
        self._delivery = Delivery(self.verified)
        self._lock = threading.RLock()
        self._check_state = State(store, trial=True)
        self._pending: tuple[Batch, int] | None = None
        self._snapshots = snapshots or Snapshots(store, None)
        self._restoring = Restoring(store)
        self._read_meta()

    @property
    def chain_id(self) -> str:
        """Empty before `init_chain`."""
        return self._chain_id

    def info(self) -> Info:
        store = self._store
        app_hash = store.app_hash if store.height else b""
        return Info(store.height, app_hash, __version__, APP_VERSION, self.chain_id)

    def init_chain(self, request: InitChain) -> InitChainResult:
        """Build the state of height 0 from genesis, and persist it. Raises `GenesisError`, `EngineError`."""
        if self._store.height:
            raise EngineError(f"the store is at height {self._store.height}: a ledger starts once")
        with self._lock:
            state = State(Nothing())
            genesis.initial_state(state, request)
            recording.begin(state)
            changes = state.changes()
            change = Tree(lambda _: None).update(changes)
            meta = {"chain_id": request.chain_id.encode(), "time_ns": request.time_ns.to_bytes(8, "big")}
            meta["initial_height"] = request.initial_height.to_bytes(8, "big")
            self._store.replace_all(Batch(0, change.root, changes, change.pages, meta))
            self._read_meta()
            self._check_state = State(self._store, trial=True)
        return InitChainResult(change.root)

    def check_tx(self, raw: bytes, recheck: bool = False) -> TxResult:
        """Whether the mempool should keep a transaction: what a block made now would answer.

        `recheck` is for one that was accepted before a block; it is judged alike, its signature is remembered.
        """
        try:
            signed = self.verified.decode(raw)
        except TransactionError as error:
            return refusal(raw, error)
        if not recheck:
            with suppress(TransactionError):
                self._verify_ahead(signed)
        with self._lock:
            moment = Moment(self._chain_id, self._next_height(), self._last_time_ns)
            return self._delivery.check(self._check_state, signed, moment)

    def verify_ahead(self, raw: bytes) -> None:
        """Verify a transaction's signature and remember it if it is good, beside whatever else runs: verification lets
        other threads go on, and a commit need not wait for it. What is wrong is found again, and said, by `check_tx`.
        """
        with suppress(TransactionError):
            self._verify_ahead(self.verified.decode(raw))

    def _verify_ahead(self, signed: SignedTx) -> None:
        if not self.verified.verify_known(signed):
            entry = self._store.get(f"keys/{signed.envelope.kid.hex()}".encode())
            if entry is not None:
                self.verified.verify(signed, cbor2.loads(entry)["public_key"])

    def prepare_proposal(self, txs: Sequence[bytes], max_bytes: int, height: int, time_ns: int) -> list[bytes]:
        """The transactions to propose, in the mempool's order: plausible ones, each once, as many as fit.

        `max_bytes` counts as the engine does: each transaction with its protobuf tag and length.
        """
        chosen: list[bytes] = []
        room = max_bytes
        for raw in self._plausible(txs, Moment(self.chain_id, height, time_ns)):
            room -= _wire_size(raw)
            if room < 0:
                break
            chosen.append(raw)
        return chosen

    def process_proposal(self, txs: Sequence[bytes], height: int, time_ns: int) -> bool:
        """False for a block that holds what could never be valid: undecodable, foreign, forged, expired, twice."""
        return len(self._plausible(txs, Moment(self.chain_id, height, time_ns))) == len(txs)

    def finalize_block(self, block: Block) -> BlockResult:
        """Compute a height. Raises `EngineError` if it is not the next one."""
        if block.height != self._next_height():
            raise EngineError(f"block {block.height} was delivered; the next height is {self._next_height()}")
        state = State(self._store)
        moment = Moment(self.chain_id, block.height, block.time_ns)
        updates: list[ValidatorUpdate] = []
        results = tuple(self._delivery.deliver(state, raw, moment, updates) for raw in block.txs)
        updates.extend(rotation.due(state, block))
        events = tuple(evidence.report(state, found, block.height) for found in block.misbehavior)
        validator_updates = validators.settle(state, updates)
        if validator_updates:
            _note_change(state, block.height)
        hashes = tuple(map(self.verified.hash_of, block.txs))
        log = recording.record(state, block.height, hashes, results)
        changes = state.changes()
        if changes:
            change = self._tree.update(changes)
            root, pages = change.root, change.pages
        else:
            root, pages = self._store.app_hash, {}
        meta = {"time_ns": block.time_ns.to_bytes(8, "big")}
        self._pending = Batch(block.height, root, changes, pages, meta, log), block.time_ns
        return BlockResult(results, validator_updates, root, events, hashes)

    def commit(self) -> int:
        """Persist the finalized height. Returns the lowest height whose blocks the engine must keep (0: all of them).

        Raises:
            EngineError: nothing was finalized.
            StateError: it could not be written; the store is at the height before.
        """
        if self._pending is None:
            raise EngineError("commit without a finalized block")
        batch, time_ns = self._pending
        with self._lock, self._snapshots.preserving(batch.values):
            self._store.commit(batch)
            self._last_time_ns = time_ns
            self._pending = None
            self._check_state = State(self._store, trial=True)
        self._snapshots.due(batch.height)
        return 0

    def query(self, path: str, data: bytes = b"", height: int = 0, prove: bool = False) -> QueryResult:
        """A committed value by its path (or, with an empty path, by `data`), with evidence of presence or absence.

        Height 0 means the latest. Other heights are answered only while they are the latest.
        """
        with self._lock:
            return queries.answer(self._store, self._tree, path.strip("/").encode() or data, height, prove)

    def list_snapshots(self) -> list[Snapshot]:
        return self._snapshots.listed()

    def load_snapshot_chunk(self, height: int, format_: int, chunk: int) -> bytes:
        """Empty if there is no such chunk."""
        return self._snapshots.load(height, format_, chunk)

    def offer_snapshot(self, snapshot: Snapshot, app_hash: bytes) -> SnapshotAnswer:
        return self._restoring.offer(snapshot, app_hash)

    def apply_snapshot_chunk(self, index: int, chunk: bytes, sender: str) -> ChunkAnswer:
        with self._lock:
            answer = self._restoring.apply(index, chunk, sender)
            self._check_state = State(self._store, trial=True)
            self._read_meta()
        return answer

    def _read_meta(self) -> None:
        meta = self._store.meta
        self._chain_id = (meta("chain_id") or b"").decode()
        self._last_time_ns = int.from_bytes(meta("time_ns") or b"", "big")
        self._initial_height = int.from_bytes(meta("initial_height") or b"\x01", "big")

    def _next_height(self) -> int:
        return self._store.height + 1 if self._store.height else self._initial_height

    def _plausible(self, txs: Iterable[bytes], moment: Moment) -> list[bytes]:
        state = State(self._store)
        chosen = {}
        for raw in txs:
            if raw not in chosen and self._delivery.plausible(state, raw, moment):
                chosen[raw] = True
        return list(chosen)


def _wire_size(raw: bytes) -> int:
    """Bytes of a transaction in the engine's block data: tag, varint length, content."""
    return 1 + max(1, -(-len(raw).bit_length() // 7)) + len(raw)


def _note_change(state: State, height: int) -> None:
    """Keep the heights whose header names a new set for the next one: the links that receipts need."""
    heights = (state.get(VALIDATOR_CHANGES) or {"heights": []})["heights"]
    state.put(VALIDATOR_CHANGES, {"heights": [*heights, height + 1]})
