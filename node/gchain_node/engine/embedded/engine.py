"""One process that proposes, signs and commits blocks: `gchain_node.engine.interface.Engine` without a network.

A block is made as soon as transactions wait (under load, after a rest in which they gather: `gathering.py`), and an
empty one after a block that changed something, because results and app hash stand in the next header. Order of a
height: compute, write the block with its commit and results, commit the state. A process killed in between finds the
block one height above the state at the next start, and delivers it again.

Where it differs from CometBFT: proposers take turns by height instead of by priority, and there is no evidence.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2

from gchain_node import __version__
from gchain_node.app import APP_VERSION, VALIDATOR_CHANGES, App
from gchain_node.engine.embedded.assembly import Chain, block_id, consensus_hash, make_commit, result_rows
from gchain_node.engine.embedded.blocks import BlockStore, StoredBlock
from gchain_node.engine.embedded.gathering import Gathering
from gchain_node.engine.embedded.mempool import Mempool
from gchain_node.engine.interface import CommittedBlock, CommittedTx, Network, OnBlock
from gchain_node.engine.interface import Validator as NetworkValidator
from gchain_node.errors import EngineError
from gchain_node.keys import Key, cometbft_address
from gchain_node.messages import Block, BlockResult, InitChain, TxResult, ValidatorUpdate, Vote
from gchain_node.proof.block import EMPTY_COMMIT, BlockId, Commit, Header, Validator, ValidatorSet
from gchain_node.proof.rpc_json import parse_time, validators_from_json

__all__ = ["EmbeddedEngine"]

_log = logging.getLogger(__name__)


class EmbeddedEngine:
    """A ledger in this process.

    Args:
        app: over a store of its own.
        blocks: where blocks are kept; None keeps them in memory.
        genesis: the genesis document.
        keys: the validators' keys, more than two thirds of the voting power.
        on_block: told of each block after it is durable.
    """

    def __init__(
        self,
        app: App,
        blocks: Path | None,
        genesis: Mapping[str, Any],
        keys: Iterable[Key],
        *,
        on_block: OnBlock | None = None,
    ) -> None:
        self._app = app
        self._genesis = genesis
        self._keys = {cometbft_address(key.public_key): key for key in keys}
        self._on_block = on_block or (lambda _: None)
        self._blocks = BlockStore(blocks)
        self._mempool = Mempool(app)
        self._wake = threading.Condition()
        self._idle = False
        self._closing = threading.Event()
        self._failure: BaseException | None = None
        self._maker: threading.Thread | None = None
        self._max_bytes = int(genesis["consensus_params"]["block"]["max_bytes"]) - 64 * 1024  # header and commit
        self._chain = self._recover()
        last = self._blocks.block(self._chain.height)
        self._unsettled = last is not None and bool(last.txs or last.header.app_hash != last.app_hash)
        self.source = _Source(self._blocks, app)

    def listen(self, on_block: OnBlock) -> None:
        """Tell `on_block` of blocks from now on instead. Before `start`."""
        self._on_block = on_block

    def start(self) -> None:
        """Make blocks on a thread of the engine until `close`."""
        self._maker = threading.Thread(target=self._run, name="embedded-engine", daemon=True)
        self._maker.start()

    def close(self) -> None:
        """Stop after the block at hand."""
        with self._wake:
            self._closing.set()
            self._wake.notify_all()
        if self._maker is not None:
            self._maker.join()
        self._blocks.close()

    def broadcast(self, raw: bytes) -> TxResult:
        if self._failure is not None:
            raise EngineError(f"the engine stopped: {self._failure}") from self._failure
        result = self._mempool.add(raw)
        if result.ok and self._idle:
            with self._wake:
                self._wake.notify_all()
        return result

    def block(self, height: int) -> CommittedBlock | None:
        stored = self._blocks.block(height) if 0 < height <= self._app.info().last_block_height else None
        return None if stored is None else _committed(stored)

    def transaction(self, tx_hash: bytes) -> CommittedTx | None:
        found = self._blocks.locate(tx_hash)
        block = self.block(found[0]) if found else None
        return block.txs[found[1]] if block and found else None

    def network(self) -> Network:
        chain = self._chain
        validators = tuple(NetworkValidator(v.address, v.power) for v in chain.validators.validators)
        return Network("embedded", __version__, "", chain.height, False, (), validators)

    def make_block(self) -> CommittedBlock:
        """Make the next block now, of what waits. For a caller that has not called `start`."""
        chain = self._chain
        time_ns = max(time.time_ns(), chain.time_ns + 1_000_000) if chain.height else chain.time_ns
        last_commit = self._last_commit(time_ns)
        txs = self._app.prepare_proposal(self._mempool.waiting(), self._max_bytes, chain.height + 1, time_ns)
        header = chain.header(txs, last_commit, time_ns)
        return self._commit_block(header, txs, last_commit)

    def _commit_block(self, header: Header, txs: Sequence[bytes], last_commit: Commit) -> CommittedBlock:
        chain = self._chain
        name = block_id(header, txs, last_commit)
        seen = make_commit(chain.chain_id, header.height, name, chain.validators, self._keys, header.time_ns)
        block = _block(header, txs, last_commit, chain.last_validators)
        result = self._app.finalize_block(block)
        following = chain.next_validators.updated(_validators(result.validator_updates))
        changed = following if result.validator_updates else None
        stored = StoredBlock(header, seen, last_commit, tuple(txs), result.tx_results, result.app_hash)
        self._blocks.save(stored, changed)
        with self._mempool.settling(txs):
            self._app.commit()
        self._chain = _advance(chain, header, name, result, following)
        self._unsettled = bool(txs or header.app_hash != result.app_hash)
        committed = CommittedBlock.of(block, result)
        self._on_block(committed)
        return committed

    def _last_commit(self, time_ns: int) -> Commit:
        """The commit for the last block, signed for this moment: a header's time is that of the commit in it."""
        chain = self._chain
        if chain.height < int(self._genesis["initial_height"]):
            return EMPTY_COMMIT
        return make_commit(
            chain.chain_id, chain.height, chain.last_block_id, chain.last_validators, self._keys, time_ns
        )

    def _due(self) -> bool:
        """Whether something waits, or the last block's results and app hash are in no header yet."""
        return bool(len(self._mempool) or not self._chain.height or self._unsettled)

    def _await_work(self) -> None:
        """Return when a block is due, or none shall be made any more.

        `broadcast` looks at `_idle` after its transaction is in the mempool, and here the mempool is looked at after
        `_idle` is set: one of both sees the other.
        """
        with self._wake:
            self._idle = True
            self._wake.wait_for(lambda: self._closing.is_set() or self._due())
            self._idle = False

    def _run(self) -> None:
        gathering = Gathering(self._mempool.__len__, self._closing)
        try:
            while True:
                self._await_work()
                if self._closing.is_set():
                    return
                started = time.monotonic()
                self.make_block()
                gathering.rest(time.monotonic() - started)
        except Exception as error:
            _log.exception("the embedded engine stopped at height %d", self._chain.height)
            self._failure = error

    def _recover(self) -> Chain:
        """The state to go on from, after delivering a block that the state machine has not committed."""
        chain = self._first()
        info = self._app.info()
        height = self._blocks.height
        if not height:
            return replace(chain, app_hash=self._begin())
        if info.last_block_height == height - 1:
            self._deliver_again(height, fresh=not info.last_block_height)
        elif info.last_block_height != height:
            raise EngineError(
                f"the state is at height {info.last_block_height}, the blocks at {height}",
                remedy="restore both files of one backup",
            )
        stored = self._blocks.block(height)
        assert stored is not None  # noqa: S101 -- `height` is that of a block there
        return self._after(chain, stored)

    def _first(self) -> Chain:
        genesis = self._genesis
        validators = validators_from_json(genesis["validators"])
        return Chain(
            chain_id=genesis["chain_id"],
            app_version=APP_VERSION,
            consensus_hash=consensus_hash(genesis["consensus_params"]),
            height=int(genesis["initial_height"]) - 1,
            time_ns=parse_time(genesis["genesis_time"]),
            last_block_id=BlockId(),
            app_hash=b"",
            validators=validators,
            next_validators=validators,
            last_validators=ValidatorSet(()),
        )

    def _begin(self) -> bytes:
        """Start the state machine from genesis; its app hash."""
        genesis = self._genesis
        validators = validators_from_json(genesis["validators"])
        initial_height = int(genesis["initial_height"])
        updates = tuple(ValidatorUpdate(v.key_type, v.public_key, v.power) for v in validators.validators)
        app_state = json.dumps(genesis["app_state"]).encode()
        params = genesis["consensus_params"]
        time_ns = parse_time(genesis["genesis_time"])
        request = InitChain(genesis["chain_id"], time_ns, initial_height, app_state, updates, params)
        self._blocks.start(initial_height, validators)
        return self._app.init_chain(request).app_hash

    def _deliver_again(self, height: int, *, fresh: bool) -> None:
        if fresh:
            self._begin()
        stored = self._blocks.block(height)
        assert stored is not None  # noqa: S101 -- `height` is that of a block there
        last_validators = self._blocks.validators(height - 1) if height > 1 else ValidatorSet(())
        result = self._app.finalize_block(_block(stored.header, stored.txs, stored.last_commit, last_validators))
        if result.app_hash != stored.app_hash:
            raise EngineError(
                f"block {height} made app hash {stored.app_hash.hex()} before, now {result.app_hash.hex()}"
            )
        self._app.commit()

    def _after(self, chain: Chain, stored: StoredBlock) -> Chain:
        height = stored.header.height
        return replace(
            chain,
            height=height,
            time_ns=stored.header.time_ns,
            last_block_id=stored.seen.block_id,
            app_hash=stored.app_hash,
            results=result_rows(stored.results),
            last_validators=self._blocks.validators(height),
            validators=self._blocks.validators(height + 1),
            next_validators=self._blocks.validators(height + 2),
        )


class _Source:
    """`gchain_node.proof.receipt.BlockSource` over the engine's own blocks."""

    def __init__(self, blocks: BlockStore, app: App) -> None:
        self._blocks = blocks
        self._app = app

    def first_height(self) -> int:
        return self._blocks.first_height

    def signed_header(self, height: int) -> tuple[Header, Commit] | None:
        stored = self._blocks.block(height)
        return None if stored is None else (stored.header, stored.seen)

    def transactions(self, height: int) -> Sequence[bytes]:
        stored = self._blocks.block(height)
        return () if stored is None else stored.txs

    def results(self, height: int) -> Sequence[TxResult]:
        stored = self._blocks.block(height)
        return () if stored is None else stored.results

    def last_commit(self, height: int) -> Commit:
        stored = self._blocks.block(height)
        return EMPTY_COMMIT if stored is None else stored.last_commit

    def evidence(self, height: int) -> Sequence[Mapping[str, Any]]:
        return ()

    def validators(self, height: int) -> ValidatorSet:
        return self._blocks.validators(height)

    def validator_changes(self) -> Sequence[int]:
        value = self._app.query(VALIDATOR_CHANGES).value
        return tuple(cbor2.loads(value)["heights"]) if value else ()


def _block(header: Header, txs: Sequence[bytes], last_commit: Commit, validators: ValidatorSet) -> Block:
    votes = tuple(
        Vote(validator.address, validator.power, bool(entry.signature))
        for validator, entry in zip(validators.validators, last_commit.signatures, strict=False)
    )
    return Block(header.height, header.time_ns, tuple(txs), header.proposer_address, (), votes)


def _committed(stored: StoredBlock) -> CommittedBlock:
    block = _block(stored.header, stored.txs, stored.last_commit, ValidatorSet(()))
    return CommittedBlock.of(block, BlockResult(stored.results, (), stored.app_hash))


def _advance(chain: Chain, header: Header, name: BlockId, result: BlockResult, following: ValidatorSet) -> Chain:
    return replace(
        chain,
        height=header.height,
        time_ns=header.time_ns,
        last_block_id=name,
        app_hash=result.app_hash,
        results=result_rows(result.tx_results),
        last_validators=chain.validators,
        validators=chain.next_validators,
        next_validators=following,
    )


def _validators(updates: Iterable[ValidatorUpdate]) -> list[Validator]:
    return [Validator(update.key_type, update.public_key, update.power) for update in updates]
