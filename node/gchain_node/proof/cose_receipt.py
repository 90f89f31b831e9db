"""COSE receipts (RFC 9942): that an entry stands in the ledger's log, as one COSE_Sign1 that any COSE library reads.

    protected    {1: alg, 4: kid, 395: 1}     395 is vds, 1 is RFC9162_SHA256
    unprotected  {396: {-1: [<< [tree size, leaf index, [path]] >>]}}     396 is vdp, -1 inclusion proofs
    payload      nil: the root that the proof leads to is what is signed

The leaf is an entry of the log (`gchain_node.tlog.entries`). An export carries it as well, in the unprotected header
under the text label `entry`, so that one file and the transaction are enough. The signature is over the root alone:
where a path fits trees of several sizes, the size that a receipt names is not proven; what stands at which index is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gchain_node.errors import VerificationError
from gchain_node.proof import merkle

__all__ = ["CoseReceipt", "make_cose_receipt", "root_message", "verify_cose_receipt"]

_ALG, _KID, _VDS, _VDP, _INCLUSION = 1, 4, 395, 396, -1
RFC9162_SHA256: Final = 1
ENTRY: Final = "entry"
_ES256, _EDDSA = -7, -8
_MAX_BYTES: Final = 64 * 1024
_SIGN1: Final = 18


@dataclass(frozen=True, slots=True)
class CoseReceipt:
    """A decoded receipt; nothing in it has been verified. `entry` is the leaf, if the receipt carries it."""

    protected: bytes
    algorithm: int
    kid: bytes | None
    size: int
    index: int
    path: tuple[bytes, ...]
    signature: bytes
    entry: bytes | None

    @classmethod
    def decode(cls, raw: bytes) -> CoseReceipt:
        """Raises `VerificationError`, whatever the bytes."""
        try:
            return cls._decode(raw)
        except (cbor2.CBORError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise VerificationError(f"not a COSE receipt: {type(error).__name__}: {str(error)[:120]}") from error

    @classmethod
    def _decode(cls, raw: bytes) -> CoseReceipt:
        tagged = cbor2.loads(raw) if len(raw) <= _MAX_BYTES else None
        if not isinstance(tagged, cbor2.CBORTag) or tagged.tag != _SIGN1:
            raise ValueError(f"expected a COSE_Sign1 (tag 18) of at most {_MAX_BYTES} bytes")
        protected, unprotected, payload, signature = tagged.value
        header = cbor2.loads(protected)
        if header[_VDS] != RFC9162_SHA256 or type(header[_VDS]) is not int:
            raise ValueError(f"verifiable data structure {header[_VDS]!r} is not RFC9162_SHA256 (1)")
        if payload is not None:
            raise ValueError("the payload must be nil: it is the root that the proof leads to")
        (proof,) = unprotected[_VDP][_INCLUSION]
        size, index, path = cbor2.loads(proof)
        entry, kid = unprotected.get(ENTRY), header.get(_KID)
        kinds = (type(size) is int, type(index) is int, all(isinstance(step, bytes) for step in path))
        if not all(kinds) or not isinstance(signature, bytes) or not isinstance(entry, bytes | None):
            raise ValueError("size, index, path, signature or entry are of the wrong kind")
        return cls(protected, header[_ALG], kid, size, index, tuple(path), signature, entry)


def root_message(protected: bytes, root: bytes) -> bytes:
    """The Sig_structure with the root as detached payload (RFC 9052, section 4.4)."""
    return cbor2.dumps(["Signature1", protected, b"", root])


def make_cose_receipt(
    entry: bytes, index: int, size: int, path: Sequence[bytes], root: bytes, kid: bytes, sign: Callable[[bytes], bytes]
) -> bytes:
    """A receipt signed with ES256. `sign` gives raw 64 bytes; `kid` is SHA-256 of the key's SubjectPublicKeyInfo."""
    merkle.verify_inclusion(merkle.leaf_hash(entry), index, size, path, root)
    protected = cbor2.dumps({_ALG: _ES256, _KID: kid, _VDS: RFC9162_SHA256}, canonical=True)
    proof = cbor2.dumps([size, index, list(path)], canonical=True)
    unprotected: Mapping[Any, Any] = {_VDP: {_INCLUSION: [proof]}, ENTRY: entry}
    body = [protected, unprotected, None, sign(root_message(protected, root))]
    return cbor2.dumps(cbor2.CBORTag(_SIGN1, body), canonical=True)


def verify_cose_receipt(receipt: CoseReceipt, entry: bytes, public_key: PublicKeyTypes) -> bytes:
    """That `entry` is the receipt's leaf, under a root that the key signed; the root. Raises `VerificationError`."""
    root = _root(merkle.leaf_hash(entry), receipt)
    message, signature = root_message(receipt.protected, root), receipt.signature
    try:
        if receipt.algorithm == _EDDSA and isinstance(public_key, Ed25519PublicKey):
            public_key.verify(signature, message)
        elif receipt.algorithm == _ES256 and isinstance(public_key, ec.EllipticCurvePublicKey) and len(signature) == 64:
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            public_key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        else:
            raise VerificationError(f"algorithm {receipt.algorithm} does not fit the key")
    except InvalidSignature:
        raise VerificationError("the receipt's signature does not verify under this key, for this entry") from None
    return root


def _root(leaf: bytes, receipt: CoseReceipt) -> bytes:
    """The root that the proof leads to (RFC 9162, section 2.1.3.2)."""
    index, last, node = receipt.index, receipt.size - 1, leaf
    if not 0 <= index <= last or last >= 2**63 or any(len(step) != 32 for step in receipt.path):
        raise VerificationError(f"entry {index} of a log of {receipt.size}, or a hash that is not of 32 bytes")
    for step in receipt.path:
        if last == 0:
            raise VerificationError("the inclusion path is too long")
        if index & 1 or index == last:
            node = merkle.node_hash(step, node)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            node = merkle.node_hash(node, step)
        index, last = index >> 1, last >> 1
    if last:
        raise VerificationError("the inclusion path is too short")
    return node
