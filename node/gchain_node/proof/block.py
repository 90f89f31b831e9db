"""Headers, commits and validator sets of CometBFT v0.38, with their hashes and sign bytes.

Field numbers and orders are those of proto/tendermint/types and of types/*.go.
Their JSON is read and written by `rpc_json.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gchain_node.proof import merkle, wire

__all__ = [
    "BLOCK_ID_ABSENT",
    "BLOCK_ID_COMMIT",
    "BLOCK_ID_NIL",
    "EMPTY_COMMIT",
    "NO_EVIDENCE",
    "BlockId",
    "Commit",
    "CommitSig",
    "Header",
    "PartSetHeader",
    "Validator",
    "ValidatorSet",
    "data_hash",
    "result_bytes",
    "results_hash",
    "vote_sign_bytes",
]

BLOCK_ID_ABSENT, BLOCK_ID_COMMIT, BLOCK_ID_NIL = 1, 2, 3
PRECOMMIT = 2
_KEY_FIELD = {"ed25519": 1, "secp256k1": 2}


@dataclass(frozen=True, slots=True)
class PartSetHeader:
    total: int = 0
    hash: bytes = b""

    def encode(self) -> bytes:
        return wire.varint(1, self.total) + wire.bytes_field(2, self.hash)


@dataclass(frozen=True, slots=True)
class BlockId:
    """The nil block has neither hash nor parts."""

    hash: bytes = b""
    parts: PartSetHeader = PartSetHeader()

    def encode(self) -> bytes:
        """BlockID and CanonicalBlockID have the same encoding."""
        return wire.bytes_field(1, self.hash) + wire.message(2, self.parts.encode(), always=True)

    @property
    def is_nil(self) -> bool:
        return not self.hash and not self.parts.hash and not self.parts.total


@dataclass(frozen=True, slots=True)
class Header:
    """`time_ns` is nanoseconds since 1970; an empty hash is allowed where the engine allows one."""

    version_block: int
    version_app: int
    chain_id: str
    height: int
    time_ns: int
    last_block_id: BlockId
    last_commit_hash: bytes
    data_hash: bytes
    validators_hash: bytes
    next_validators_hash: bytes
    consensus_hash: bytes
    app_hash: bytes
    last_results_hash: bytes
    evidence_hash: bytes
    proposer_address: bytes

    def hash(self) -> bytes:
        """The block's hash: the root over its 14 encoded fields (types/block.go, Header.Hash)."""
        return merkle.root(
            [
                self._version(),
                wire.bytes_field(1, self.chain_id.encode()),
                wire.varint(1, self.height),
                wire.timestamp(self.time_ns),
                self.last_block_id.encode(),
                *(wire.bytes_field(1, value) for value in self._tail()),
            ]
        )

    def _version(self) -> bytes:
        return wire.varint(1, self.version_block) + wire.varint(2, self.version_app)

    def _tail(self) -> tuple[bytes, ...]:
        """Fields 6 to 14, in their order: all of them are plain bytes."""
        return (
            self.last_commit_hash,
            self.data_hash,
            self.validators_hash,
            self.next_validators_hash,
            self.consensus_hash,
            self.app_hash,
            self.last_results_hash,
            self.evidence_hash,
            self.proposer_address,
        )

    def encode(self) -> bytes:
        """The protobuf message `Header`, as it stands in a block's bytes."""
        head = wire.message(1, self._version(), always=True) + wire.bytes_field(2, self.chain_id.encode())
        head += wire.varint(3, self.height) + wire.message(4, wire.timestamp(self.time_ns), always=True)
        head += wire.message(5, self.last_block_id.encode(), always=True)
        return head + b"".join(wire.bytes_field(number, value) for number, value in enumerate(self._tail(), 6))


@dataclass(frozen=True, slots=True)
class CommitSig:
    flag: int
    address: bytes
    time_ns: int
    signature: bytes

    def encode(self) -> bytes:
        return (
            wire.varint(1, self.flag)
            + wire.bytes_field(2, self.address)
            + wire.message(3, wire.timestamp(self.time_ns), always=True)
            + wire.bytes_field(4, self.signature)
        )


@dataclass(frozen=True, slots=True)
class Commit:
    """The precommits for one block, in the order of the validator set."""

    height: int
    round: int
    block_id: BlockId
    signatures: tuple[CommitSig, ...]

    def hash(self) -> bytes:
        """What the next header's last_commit_hash is."""
        return merkle.root([signature.encode() for signature in self.signatures])

    def encode(self) -> bytes:
        return (
            wire.varint(1, self.height)
            + wire.varint(2, self.round)
            + wire.message(3, self.block_id.encode(), always=True)
            + b"".join(wire.message(4, signature.encode(), always=True) for signature in self.signatures)
        )

    def sign_bytes(self, chain_id: str, index: int) -> bytes:
        """What validator `index` signed."""
        entry = self.signatures[index]
        block_id = self.block_id if entry.flag == BLOCK_ID_COMMIT else BlockId()
        return vote_sign_bytes(chain_id, PRECOMMIT, self.height, self.round, block_id, entry.time_ns)


EMPTY_COMMIT = Commit(0, 0, BlockId(), ())  # in a ledger's first block
NO_EVIDENCE = merkle.root([])  # the evidence hash of a header whose block has none


@dataclass(frozen=True, slots=True)
class Validator:
    """`public_key` raw: 32 bytes of Ed25519, or 33 of compressed secp256k1."""

    key_type: str
    public_key: bytes
    power: int

    @property
    def address(self) -> bytes:
        """20 bytes (crypto/ed25519, crypto/secp256k1)."""
        digest = hashlib.sha256(self.public_key).digest()
        return digest[:20] if self.key_type == "ed25519" else hashlib.new("ripemd160", digest).digest()

    def encode(self) -> bytes:
        """SimpleValidator: what enters the set's hash."""
        key = wire.bytes_field(_KEY_FIELD[self.key_type], self.public_key)
        return wire.message(1, key, always=True) + wire.varint(2, self.power)


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """In canonical order: by power descending, then address ascending. Build with `of`."""

    validators: tuple[Validator, ...]

    @classmethod
    def of(cls, validators: Iterable[Validator]) -> ValidatorSet:
        return cls(tuple(sorted(validators, key=lambda v: (-v.power, v.address))))

    def hash(self) -> bytes:
        return merkle.root([validator.encode() for validator in self.validators])

    @property
    def total_power(self) -> int:
        return sum(validator.power for validator in self.validators)

    def updated(self, changes: Iterable[Validator]) -> ValidatorSet:
        """The set after updates; power 0 removes."""
        current = {validator.address: validator for validator in self.validators}
        for change in changes:
            if change.power:
                current[change.address] = change
            else:
                current.pop(change.address, None)
        return ValidatorSet.of(current.values())


def vote_sign_bytes(chain_id: str, kind: int, height: int, round_: int, block_id: BlockId, time_ns: int) -> bytes:
    """CanonicalVote with its length in front (types/canonical.go). The nil block is left out."""
    body = wire.varint(1, kind) + wire.fixed64(2, height) + wire.fixed64(3, round_)
    if not block_id.is_nil:
        body += wire.message(4, block_id.encode(), always=True)
    body += wire.message(5, wire.timestamp(time_ns), always=True) + wire.bytes_field(6, chain_id.encode())
    return wire.delimited(body)


def data_hash(txs: Sequence[bytes]) -> bytes:
    """The root over the transactions' hashes (types/tx.go)."""
    return merkle.root([hashlib.sha256(tx).digest() for tx in txs])


def result_bytes(code: int, data: bytes, gas_wanted: int, gas_used: int) -> bytes:
    """The provable part of a transaction's result (types/results.go)."""
    return wire.varint(1, code) + wire.bytes_field(2, data) + wire.varint(5, gas_wanted) + wire.varint(6, gas_used)


def results_hash(results: Sequence[bytes]) -> bytes:
    """The root over `result_bytes`: the next header's last_results_hash."""
    return merkle.root(results)
