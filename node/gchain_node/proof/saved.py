"""Offline verification of what is saved besides receipts: COSE receipts, and proofs of state.

A saved state proof is `{version, chain_id, path, height, proof, signed_header}`: the proof's bytes in base64url, and
the signed header whose app hash it ends in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import cbor2

from gchain_node.api.rendering import json_value
from gchain_node.errors import VerificationError
from gchain_node.keys.public import key_id, load_public_key
from gchain_node.proof.cose_receipt import CoseReceipt, verify_cose_receipt
from gchain_node.proof.rpc_json import reading, text_time
from gchain_node.proof.signed_header import verify_signed_header
from gchain_node.proof.state import StateProof
from gchain_node.proof.trust import Trust
from gchain_node.tlog.entries import Entry
from gchain_node.tlog.note import ECDSA

__all__ = ["COSE_SIGN1", "save_state", "verify_cose", "verify_state"]

COSE_SIGN1: Final = b"\xd2"
_VERSION: Final = 1
_FIELDS: Final = {"version", "chain_id", "path", "height", "proof", "signed_header"}
Found = tuple[str, dict[str, Any]]


def save_state(path: str, height: int, proof: StateProof, signed_header: Mapping[str, Any]) -> dict[str, Any]:
    """What `verify_state` reads."""
    encoded = base64.urlsafe_b64encode(proof.encode()).rstrip(b"=").decode()
    chain_id = signed_header["chain_id"]
    head = {"version": _VERSION, "chain_id": chain_id, "path": path, "height": height}
    return {**head, "proof": encoded, "signed_header": dict(signed_header)}


def verify_state(saved: Mapping[str, Any], trust: Trust) -> Found:
    """The sentence and the document of what a saved state proof proves. Raises `VerificationError`."""
    return reading("the saved state proof", lambda: _state(saved, trust))


def _state(saved: Mapping[str, Any], trust: Trust) -> Found:
    if set(saved) != _FIELDS or saved["version"] != _VERSION:
        raise VerificationError(f"a saved state proof of version {_VERSION} has exactly {', '.join(sorted(_FIELDS))}")
    header = verify_signed_header(saved["signed_header"], trust)
    try:
        raw = base64.b64decode(saved["proof"] + "=" * (-len(saved["proof"]) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise VerificationError(f"the proof is not base64url: {error}") from error
    proof = StateProof.decode(raw)
    proof.verify(header.app_hash)
    height, path = saved["height"], saved["path"]
    if proof.key != path.encode() or saved["chain_id"] != trust.chain_id:
        raise VerificationError(f"the proof is of {proof.key[:80]!r}, the file says {path!r} of {saved['chain_id']!r}")
    if type(height) is not int or height not in (header.height - 1, header.height):
        raise VerificationError(f"the app hash in header {header.height} is not of the state of height {height}")
    what = "is absent" if proof.value is None else "has the value below"
    sentence = (
        f"Proven: in the state before block {header.height} of ledger {trust.chain_id}, {text_time(header.time_ns)}, "
        f"{path} {what}, as a quorum of the validators of genesis {trust.genesis_digest} and its proved changes signed."
    )
    value = None if proof.value is None else json_value(cbor2.loads(proof.value))
    document = {"proven": True, "sentence": sentence, "path": path, "header": header.height, "value": value}
    return (sentence if proof.value is None else f"{sentence}\nValue: {value}"), document


def verify_cose(raw: bytes, trust: Trust, transaction: bytes | None) -> Found:
    """The sentence and the document of what a COSE receipt proves; its key must be a log key of the trust file."""
    receipt = CoseReceipt.decode(raw)
    if receipt.entry is None:
        raise VerificationError("the COSE receipt does not carry its entry")
    for name, key in trust.log.log_keys:
        public = load_public_key(key.public_key) if key.kind == ECDSA else None
        if public is not None and key_id(public) == receipt.kid:
            verify_cose_receipt(receipt, receipt.entry, public)
            return _logged(receipt, name, Entry.decode(receipt.entry), trust, transaction)
    raise VerificationError(f"the trust file names no log key {(receipt.kid or b'').hex()}, which signed the receipt")


def _logged(receipt: CoseReceipt, member: str, entry: Entry, trust: Trust, transaction: bytes | None) -> Found:
    if transaction is not None and hashlib.sha256(transaction).digest() != entry.tx:
        raise VerificationError(f"the entry is of transaction {entry.tx.hex()}, not of the one given")
    effect = "took effect" if entry.code == 0 else f"was refused with code {entry.code}"
    sentence = (
        f"Proven: transaction {entry.tx.hex()} {effect} in block {entry.height} of ledger {trust.chain_id}, by entry "
        f"{receipt.index} of the log that {member} signed; this is {member}'s word, not the validators' commit."
    )
    facts = {"transaction": entry.tx.hex(), "height": entry.height, "code": entry.code, "index": receipt.index}
    return sentence, {"proven": True, "sentence": sentence, "signer": member, **facts}
