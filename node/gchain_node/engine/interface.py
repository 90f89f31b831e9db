"""What the API asks of an engine, whichever it is: the one port between the node's listeners and consensus.

Contract:
    * `broadcast` returning code 0 MUST NOT be taken for "will be committed": only a block says so.
    * All methods MAY be called by several threads at a time, and MUST end in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gchain_node.messages import Block, BlockResult, TxResult
from gchain_node.proof.receipt import BlockSource
from gchain_node.tx import tx_hash

__all__ = ["CommittedBlock", "CommittedTx", "Engine", "Network", "OnBlock", "Peer", "Validator"]


class CommittedTx(NamedTuple):
    """A transaction in its block: `place` counts from 0 there, `hash` is SHA-256 of `raw`."""

    hash: bytes
    height: int
    place: int
    time_ns: int
    raw: bytes
    result: TxResult


@dataclass(frozen=True, slots=True)
class CommittedBlock:
    """`app_hash` is that of the state after the block; it stands in the header of the next."""

    height: int
    time_ns: int
    proposer: bytes
    txs: tuple[CommittedTx, ...]
    app_hash: bytes

    @property
    def size(self) -> int:
        """Bytes of its transactions."""
        return sum(len(tx.raw) for tx in self.txs)

    @classmethod
    def of(cls, block: Block, result: BlockResult) -> CommittedBlock:
        """What became of `block`."""
        names = result.tx_hashes or tuple(map(tx_hash, block.txs))
        txs = tuple(
            CommittedTx(name, block.height, index, block.time_ns, raw, tx_result)
            for index, (name, raw, tx_result) in enumerate(zip(names, block.txs, result.tx_results, strict=True))
        )
        return cls(block.height, block.time_ns, block.proposer, txs, result.app_hash)


OnBlock = Callable[[CommittedBlock], None]
"""Told of each block after it is durable, once, in the order of heights, on the engine's thread. MUST NOT raise."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`id` is the peer key's 40 hex digits, `address` the IP address that the connection came from or went to."""

    id: str
    address: str


@dataclass(frozen=True, slots=True)
class Validator:
    """`address`: 20 bytes; `power` at the latest height."""

    address: bytes
    power: int


@dataclass(frozen=True, slots=True)
class Network:
    """The engine's view of itself. `height` is what it has stored, which may be ahead of the application by one."""

    engine: str
    version: str
    node_id: str
    height: int
    catching_up: bool
    peers: tuple[Peer, ...]
    validators: tuple[Validator, ...]


class Engine(Protocol):
    @property
    def source(self) -> BlockSource:
        """Headers, commits, validator sets and results, for receipts."""
        ...

    def broadcast(self, raw: bytes) -> TxResult:
        """Check a transaction and queue it.

        Raises:
            EngineUnreachable: the engine does not answer.
            EngineError: it refuses for a reason of its own, such as a full queue.
        """
        ...

    def block(self, height: int) -> CommittedBlock | None:
        """A committed block with its results; None when it is not kept, or not committed yet."""
        ...

    def transaction(self, tx_hash: bytes) -> CommittedTx | None:
        """A committed transaction, as far back as the engine's index reaches."""
        ...

    def network(self) -> Network: ...
