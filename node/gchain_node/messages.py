"""What engines and the state machine hand each other: plain frozen values, named as in ABCI 2.0.

Heights and powers are integers, times are nanoseconds since 1970 UTC, hashes are raw bytes. None of these
carries anything of a socket or of protobuf, so that both engines use the same `App`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

__all__ = [
    "Attribute",
    "Block",
    "BlockResult",
    "ChunkAnswer",
    "Event",
    "Info",
    "InitChain",
    "InitChainResult",
    "Misbehavior",
    "QueryResult",
    "Snapshot",
    "SnapshotAnswer",
    "TxResult",
    "ValidatorUpdate",
    "Vote",
]


@dataclass(frozen=True, slots=True)
class ValidatorUpdate:
    """`key_type` is `ed25519` or `secp256k1`; `public_key` the engine's raw form (32, or 33 compressed, bytes)."""

    key_type: str
    public_key: bytes
    power: int


@dataclass(frozen=True, slots=True)
class InitChain:
    """`app_state`: the genesis document's `app_state` as JSON bytes, as the engine hands it over."""

    chain_id: str
    time_ns: int
    initial_height: int
    app_state: bytes
    validators: tuple[ValidatorUpdate, ...]
    consensus_params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InitChainResult:
    """Empty `validators` means: those of the request stand."""

    app_hash: bytes
    validators: tuple[ValidatorUpdate, ...] = ()


@dataclass(frozen=True, slots=True)
class Info:
    """What the store has committed; height 0 and an empty hash before the first commit."""

    last_block_height: int
    last_block_app_hash: bytes
    version: str
    app_version: int
    chain_id: str


class Attribute(NamedTuple):
    key: str
    value: str
    indexed: bool = True


class Event(NamedTuple):
    type: str
    attributes: tuple[Attribute, ...] = ()


class TxResult(NamedTuple):
    """Only `code`, `data` and gas are provable (they enter the results hash); `log` is one sentence for people."""

    code: int
    data: bytes = b""
    log: str = ""
    gas_wanted: int = 0
    gas_used: int = 0
    events: tuple[Event, ...] = ()

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True, slots=True)
class Misbehavior:
    """`kind` is `duplicate_vote` or `light_client_attack`; `address` is the validator's 20 bytes."""

    kind: str
    address: bytes
    power: int
    height: int
    time_ns: int
    total_voting_power: int


@dataclass(frozen=True, slots=True)
class Vote:
    """One validator's part in the last commit."""

    address: bytes
    power: int
    signed: bool


@dataclass(frozen=True, slots=True)
class Block:
    """`txs` in block order; `last_commit` are the votes for the block before."""

    height: int
    time_ns: int
    txs: tuple[bytes, ...]
    proposer: bytes = b""
    misbehavior: tuple[Misbehavior, ...] = ()
    last_commit: tuple[Vote, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockResult:
    """`tx_results` in block order. `validator_updates` take effect at height + 2. `tx_hashes` are the transactions'
    names in the same order, or empty where nobody has computed them.
    """

    tx_results: tuple[TxResult, ...]
    validator_updates: tuple[ValidatorUpdate, ...]
    app_hash: bytes
    events: tuple[Event, ...] = ()
    tx_hashes: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class QueryResult:
    """`value` is deterministic CBOR, empty when absent. `height` is that of the state read: its app hash is in the
    header of `height + 1`. `proof` is what `gchain_node.proof.state.StateProof.decode` reads, empty if not asked for.
    """

    code: int
    key: bytes
    value: bytes
    height: int
    proof: bytes = b""
    log: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    height: int
    format: int
    chunks: int
    hash: bytes
    metadata: bytes = b""


class SnapshotAnswer(Enum):
    """Answers to an offered snapshot and to a chunk."""

    ACCEPT = "accept"
    ABORT = "abort"
    RETRY = "retry"
    REJECT = "reject"
    REJECT_FORMAT = "reject_format"
    REJECT_SENDER = "reject_sender"


@dataclass(frozen=True, slots=True)
class ChunkAnswer:
    """`refetch`: chunks to fetch once more; `reject_senders`: peers, by the engine's ids, to hear no more of."""

    answer: SnapshotAnswer
    refetch: tuple[int, ...] = ()
    reject_senders: tuple[str, ...] = ()
