"""Receipts: one file that proves, offline and for years, that a transaction took effect with a certain result.

A receipt holds the transaction with its path to the data hash of header H, the provable part of its result (code, data,
gas) with its path to the results hash of header H + 1, both headers, the commit of H + 1 with its validators, the
changes of the validator set since genesis, and (`log`, or null) its place in the ledger's transparency log.
`verify_receipt` needs a trust file besides, and no network.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from gchain_node import cbor
from gchain_node.errors import NodeError, NotYetProvable, VerificationError
from gchain_node.messages import TxResult
from gchain_node.proof import merkle
from gchain_node.proof.block import Commit, Header, ValidatorSet, data_hash, result_bytes, results_hash
from gchain_node.proof.light import LightBlock, verify_commit, verify_light_block
from gchain_node.proof.logged import Logged, verify_logged
from gchain_node.proof.proven import Attested, Proven
from gchain_node.proof.rpc_json import (
    commit_from_json,
    commit_to_json,
    header_from_json,
    header_to_json,
    reading,
)
from gchain_node.proof.trust import Change, Trust
from gchain_node.tlog.checkpoint import origin_of
from gchain_node.tlog.entries import Entry
from gchain_node.tx import Tx, decode

__all__ = ["BlockSource", "Proven", "build_receipt", "signed_change", "verify_receipt"]

_VERSION = 2
_FIELDS_1 = {"version", "chain_id", "transaction", "result", "header", "next_header", "commit", "changes"}
_FIELDS = {1: _FIELDS_1, 2: _FIELDS_1 | {"log"}}


class BlockSource(Protocol):
    """Where headers and their evidence come from: an engine, in process or over its RPC."""

    def first_height(self) -> int:
        """The height from which on every block is kept; 0 before the first block."""
        ...

    def signed_header(self, height: int) -> tuple[Header, Commit] | None:
        """The header of `height` and a commit for it; None if it is not committed."""
        ...

    def transactions(self, height: int) -> Sequence[bytes]: ...

    def results(self, height: int) -> Sequence[TxResult]:
        """Results of the transactions of `height`, in their order."""
        ...

    def validators(self, height: int) -> ValidatorSet: ...

    def last_commit(self, height: int) -> Commit:
        """The commit in block `height`, for the block before."""
        ...

    def evidence(self, height: int) -> Sequence[Mapping[str, Any]]:
        """The evidence of misbehaviour in block `height`, as the engine's RPC writes it.

        Raises:
            StateError: there is some, and it is not kept.
        """
        ...

    def validator_changes(self) -> Sequence[int]:
        """Heights whose header names another validator set for the next: the state's validator changes."""
        ...


def build_receipt(
    source: BlockSource, height: int, index: int, log: Callable[[int, int], dict[str, Any] | None] | None = None
) -> dict[str, Any]:
    """The receipt of transaction `index` in block `height`, as JSON. `log` gives its place in the log, if it can.

    Raises:
        NotYetProvable: block `height + 1`, which carries the result, is not committed yet.
        VerificationError: the source has no such transaction, or contradicts itself.
    """
    this, following = source.signed_header(height), source.signed_header(height + 1)
    if this is None or following is None:
        raise NotYetProvable(f"the receipt needs block {height + 1}, which is not committed yet")
    header, (next_header, commit) = this[0], following
    txs, results = source.transactions(height), source.results(height)
    rows = [result_bytes(r.code, r.data, r.gas_wanted, r.gas_used) for r in results]
    if not 0 <= index < len(txs) or len(txs) != len(rows):
        raise VerificationError(
            f"block {height} has {len(txs)} transactions and {len(rows)} results; no number {index}"
        )
    if data_hash(txs) != header.data_hash or results_hash(rows) != next_header.last_results_hash:
        raise VerificationError(f"the transactions or results of block {height} are not those that its headers name")
    names = [hashlib.sha256(raw).digest() for raw in txs]
    result = results[index]
    return {
        "version": _VERSION,
        "chain_id": header.chain_id,
        "transaction": {"raw": _b64(txs[index]), "proof": _path(names, index)},
        "result": {
            "code": result.code,
            "data": _b64(result.data),
            "gas_wanted": result.gas_wanted,
            "gas_used": result.gas_used,
            "proof": _path(rows, index),
        },
        "header": header_to_json(header),
        "next_header": header_to_json(next_header),
        "commit": commit_to_json(commit),
        "changes": [signed_change(source, h).to_json() for h in source.validator_changes() if h <= height],
        "log": None if log is None else log(height, index),
    }


def signed_change(source: BlockSource, height: int) -> Change:
    """The change of the validator set that the header of `height` names. Raises `VerificationError`."""
    found = source.signed_header(height)
    if found is None:
        raise VerificationError(f"block {height}, which changed the validators, is not kept")
    return Change(found[0], found[1], source.validators(height + 1))


def verify_receipt(receipt: Mapping[str, Any], trust: Trust) -> Proven:
    """What the receipt proves. Raises `VerificationError` if it does not prove it all."""
    return reading("the receipt", lambda: _verify(receipt, trust))


def _verify(receipt: Mapping[str, Any], trust: Trust) -> Proven:
    version = receipt.get("version") if isinstance(receipt, Mapping) else None
    if type(version) is not int or set(receipt) != _FIELDS.get(version):
        raise VerificationError(f"a receipt of version {_VERSION} has exactly {', '.join(sorted(_FIELDS[_VERSION]))}")
    if receipt["chain_id"] != trust.chain_id:
        raise VerificationError(f"the receipt is of ledger {receipt['chain_id']!r}, trust is in {trust.chain_id!r}")
    header, next_header = header_from_json(receipt["header"]), header_from_json(receipt["next_header"])
    _check_link(header, next_header, trust.chain_id)
    attested = _attested(receipt, next_header, trust)
    raw, data, index = _effect(receipt, header, next_header)
    code = receipt["result"]["code"]
    return Proven(
        chain_id=trust.chain_id,
        tx=_transaction(raw, trust.chain_id),
        tx_hash=hashlib.sha256(raw).digest(),
        height=header.height,
        time_ns=header.time_ns,
        code=code,
        data=cbor.decode(data) if data else None,
        genesis_digest=trust.genesis_digest,
        attested=attested,
        log=_logged(receipt, Entry.of(header.height, index, raw, code, data), trust, attested),
    )


def _attested(receipt: Mapping[str, Any], next_header: Header, trust: Trust) -> Attested | None:
    """Who signed the header that carries the result; None where the trust file names no validators."""
    commit = commit_from_json(receipt["commit"])
    changes = [Change.from_json(entry) for entry in receipt["changes"]]
    if not trust.validators.validators:
        return None
    validators, count = trust.validators_at(next_header.height, changes)
    verify_light_block(LightBlock(next_header, commit, validators), trust.chain_id)
    signers = verify_commit(trust.chain_id, validators, commit)
    names = tuple(trust.names.get(v.address) or v.address.hex() for v in signers.validators)
    return Attested(signers, names, count)


def _effect(receipt: Mapping[str, Any], header: Header, next_header: Header) -> tuple[bytes, bytes, int]:
    """The transaction's bytes, its result's data, and its place in the block, which the headers name."""
    raw = _raw(receipt["transaction"]["raw"])
    _check_path(hashlib.sha256(raw).digest(), receipt["transaction"]["proof"], header.data_hash)
    result = receipt["result"]
    data = _raw(result["data"])
    row = result_bytes(_whole(result["code"]), data, _whole(result["gas_wanted"]), _whole(result["gas_used"]))
    _check_path(row, result["proof"], next_header.last_results_hash)
    index = _whole(receipt["transaction"]["proof"]["index"])
    if result["proof"]["index"] != index or result["proof"]["total"] != receipt["transaction"]["proof"]["total"]:
        raise VerificationError("the result is another transaction's")
    return raw, data, index


def _logged(receipt: Mapping[str, Any], entry: Entry, trust: Trust, attested: Attested | None) -> Logged | None:
    section = receipt.get("log")
    if section is None or not trust.log:
        logged = None
    else:
        logged = verify_logged(section, entry.encode(), origin_of(trust.chain_id), trust.log)
    if attested is None and (logged is None or not logged.witnesses):
        raise VerificationError(
            f"the trust file names no validators, and {trust.log.threshold} of its witnesses did not cosign "
            "a checkpoint that holds this transaction: fetch the receipt again once they have"
        )
    return logged


def _transaction(raw: bytes, chain_id: str) -> Tx:
    try:
        tx = decode(raw).tx
    except NodeError as error:
        raise VerificationError(f"the receipt's transaction is none: {error}") from error
    if tx.chain_id != chain_id:
        raise VerificationError(f"the receipt's transaction is for ledger {tx.chain_id!r}")
    return tx


def _check_link(header: Header, next_header: Header, chain_id: str) -> None:
    if header.chain_id != chain_id or next_header.height != header.height + 1:
        raise VerificationError(f"headers {header.height} and {next_header.height} are not neighbours on this ledger")
    if next_header.last_block_id.hash != header.hash():
        raise VerificationError(f"header {next_header.height} follows another block than header {header.height}")


def _check_path(leaf: bytes, proof: Mapping[str, Any], expected: bytes) -> None:
    path = [_raw(entry) for entry in proof["path"]]
    merkle.verify_inclusion(merkle.leaf_hash(leaf), _whole(proof["index"]), _whole(proof["total"]), path, expected)


def _path(leaves: Sequence[bytes], index: int) -> dict[str, Any]:
    path = merkle.inclusion_path(leaves, index)
    return {"index": index, "total": len(leaves), "path": [_b64(entry) for entry in path]}


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{str(value)[:40]!r} is not a whole number")
    return value


def _raw(text: Any) -> bytes:
    return base64.b64decode(text, validate=True)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
