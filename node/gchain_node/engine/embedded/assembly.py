"""How a block is put together: hashes, parts and signatures as CometBFT v0.38 makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gchain_node.errors import EngineError
from gchain_node.keys import Key
from gchain_node.messages import TxResult
from gchain_node.proof import merkle, wire
from gchain_node.proof.block import (
    BLOCK_ID_ABSENT,
    BLOCK_ID_COMMIT,
    NO_EVIDENCE,
    PRECOMMIT,
    BlockId,
    Commit,
    CommitSig,
    Header,
    PartSetHeader,
    ValidatorSet,
    data_hash,
    result_bytes,
    results_hash,
    vote_sign_bytes,
)
from gchain_node.proof.wire import ZERO_TIME_NS

__all__ = ["Chain", "block_id", "consensus_hash", "make_commit", "result_rows"]

BLOCK_PROTOCOL = 11
_PART_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Chain:
    """What the next block is built on: the engine's state after the last one."""

    chain_id: str
    app_version: int
    consensus_hash: bytes
    height: int
    time_ns: int
    last_block_id: BlockId
    app_hash: bytes
    validators: ValidatorSet
    next_validators: ValidatorSet
    last_validators: ValidatorSet
    results: tuple[bytes, ...] = field(default=())

    def header(self, txs: Sequence[bytes], last_commit: Commit, time_ns: int) -> Header:
        """The header of the next block."""
        proposer = self.validators.validators[(self.height + 1) % len(self.validators.validators)]
        return Header(
            version_block=BLOCK_PROTOCOL,
            version_app=self.app_version,
            chain_id=self.chain_id,
            height=self.height + 1,
            time_ns=time_ns,
            last_block_id=self.last_block_id,
            last_commit_hash=last_commit.hash(),
            data_hash=data_hash(txs),
            validators_hash=self.validators.hash(),
            next_validators_hash=self.next_validators.hash(),
            consensus_hash=self.consensus_hash,
            app_hash=self.app_hash,
            last_results_hash=results_hash(self.results),
            evidence_hash=NO_EVIDENCE,
            proposer_address=proposer.address,
        )


def consensus_hash(params: Mapping[str, Any]) -> bytes:
    """SHA-256 of HashedParams: the block's limits (types/params.go)."""
    block = params["block"]
    return hashlib.sha256(wire.varint(1, int(block["max_bytes"])) + wire.varint(2, int(block["max_gas"]))).digest()


def block_id(header: Header, txs: Sequence[bytes], last_commit: Commit) -> BlockId:
    """The header's hash, and the root over the block's bytes in parts of 64 KiB."""
    data = b"".join(wire.message(1, raw, always=True) for raw in txs)
    body = wire.message(1, header.encode(), always=True) + wire.message(2, data, always=True)
    body += wire.message(3, b"", always=True) + wire.message(4, last_commit.encode(), always=True)
    parts = [body[start : start + _PART_BYTES] for start in range(0, len(body), _PART_BYTES)]
    return BlockId(header.hash(), PartSetHeader(len(parts), merkle.root(parts)))


def make_commit(
    chain_id: str, height: int, block: BlockId, validators: ValidatorSet, keys: Mapping[bytes, Key], time_ns: int
) -> Commit:
    """Precommits by the validators whose keys are here. Raises `EngineError` if that is not more than two thirds."""
    entries, signed = [], 0
    message = vote_sign_bytes(chain_id, PRECOMMIT, height, 0, block, time_ns)
    for validator in validators.validators:
        key = keys.get(validator.address)
        if key is None:
            entries.append(CommitSig(BLOCK_ID_ABSENT, b"", ZERO_TIME_NS, b""))
            continue
        entries.append(CommitSig(BLOCK_ID_COMMIT, validator.address, time_ns, key.sign(message)))
        signed += validator.power
    if 3 * signed <= 2 * validators.total_power:
        raise EngineError(
            f"keys for {signed} of {validators.total_power} voting power are here; more than two thirds are needed",
            remedy="the embedded engine runs ledgers whose validators' keys are all on this machine",
        )
    return Commit(height, 0, block, tuple(entries))


def result_rows(results: Sequence[TxResult]) -> tuple[bytes, ...]:
    return tuple(result_bytes(r.code, r.data, r.gas_wanted, r.gas_used) for r in results)
