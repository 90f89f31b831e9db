"""Transactions: COSE_Sign1 (RFC 9052, section 4.2) over deterministic CBOR (RFC 8949, section 4.2.1).

A transaction is tag 18 on `[protected, {}, payload, signature]`. `protected` is the encoding of `{1: alg, 4: kid}`
and nothing else, the unprotected header is empty, `payload` is the encoding of a map with the text keys of `Tx`.
`kid` is SHA-256 of the signing key's DER SubjectPublicKeyInfo. Exactly one byte string encodes a given signed
transaction: everything else is refused, and so is an ECDSA signature with a high S.

Pure: bytes in, values out. Whether the signer may act is the state machine's decision, not this module's.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypeGuard, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gchain_node import cbor
from gchain_node.codes import Code
from gchain_node.errors import TransactionError

__all__ = [
    "ALGORITHMS",
    "MAX_TX_BYTES",
    "P256_ORDER",
    "CoseSign1",
    "SignedTx",
    "SigningKey",
    "Tx",
    "decode",
    "decode_sign1",
    "kid_of",
    "sig_structure",
    "sign",
    "sign_sign1",
    "tx_hash",
    "verify",
]

MAX_TX_BYTES = 512 * 1024
MAX_NAME = 128
MAX_NUMBER = 2**63 - 1
ALGORITHMS = {"ES256": -7, "EdDSA": -8}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ECDSA = ec.ECDSA(hashes.SHA256())
_SIGN1_TAG = b"\xd2"
_IN_ORDER = ("args", "nonce", "action", "module", "signer", "chain_id", "expires_height")
_FIELDS = set(_IN_ORDER)


class SigningKey(Protocol):
    """The part of `gchain_node.keys.Key` that signing needs. `sign` gives raw 64 bytes, low-S for ECDSA."""

    @property
    def algorithm(self) -> str: ...

    @property
    def kid(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...


class Tx(NamedTuple):
    """What is asked of the ledger.

    `signer` is `<member>` or `<member>/<officer>`. `nonce` (1 or more) is used once per signer within the window of
    the last 1,024; with `ordered` it must be exactly the next one. After `expires_height` no block may carry it.
    """

    chain_id: str
    module: str
    action: str
    args: dict[str, Any]
    signer: str
    nonce: int
    expires_height: int
    ordered: bool = False

    def encode(self) -> bytes:
        payload: dict[str, Any] = {name: getattr(self, name) for name in _FIELDS}
        if self.ordered:
            payload["ordered"] = True
        return cbor.encode(payload)


class CoseSign1(NamedTuple):
    """A decoded COSE_Sign1 of this ledger's profile; nothing in it has been verified."""

    algorithm: str
    kid: bytes
    payload: bytes
    signature: bytes
    protected: bytes

    @property
    def to_be_signed(self) -> bytes:
        """Sig_structure of RFC 9052, section 4.4, with an empty external_aad."""
        return sig_structure(self.protected, self.payload)


class SignedTx(NamedTuple):
    tx: Tx
    envelope: CoseSign1
    raw: bytes
    hash: bytes


def tx_hash(raw: bytes) -> bytes:
    """SHA-256 of the bytes, as the engine names transactions."""
    return hashlib.sha256(raw).digest()


def kid_of(public_key: PublicKeyTypes) -> bytes:
    """SHA-256 of the DER SubjectPublicKeyInfo, 32 bytes."""
    return hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def sig_structure(protected: bytes, payload: bytes, external_aad: bytes = b"") -> bytes:
    """What a COSE_Sign1 signature is over (RFC 9052, section 4.4)."""
    return cbor.encode(["Signature1", protected, external_aad, payload])


def sign_sign1(payload: bytes, key: SigningKey) -> bytes:
    """COSE_Sign1 over any payload: transactions, and approvals over a subject document."""
    protected = cbor.encode({1: ALGORITHMS[key.algorithm], 4: key.kid})
    signature = key.sign(sig_structure(protected, payload))
    return _SIGN1_TAG + cbor.encode([protected, {}, payload, signature])


def sign(tx: Tx, key: SigningKey) -> bytes:
    """The transaction's bytes, signed; what `decode` and `verify` take."""
    return sign_sign1(tx.encode(), key)


def decode_sign1(raw: bytes) -> CoseSign1:
    """Read a COSE_Sign1 of this ledger's profile. Raises `TransactionError`."""
    if len(raw) > MAX_TX_BYTES:
        raise TransactionError(Code.TOO_LARGE, f"the transaction has {len(raw)} bytes; at most {MAX_TX_BYTES} pass")
    if raw[:1] != _SIGN1_TAG:
        raise TransactionError(Code.MALFORMED, "the bytes do not start with the tag of a COSE_Sign1 (18)")
    parts = cbor.decode(raw[1:])
    if not isinstance(parts, list) or len(parts) != 4:
        raise TransactionError(Code.MALFORMED, "a COSE_Sign1 is an array of four: protected, unprotected, payload, sig")
    protected, unprotected, payload, signature = parts
    if not isinstance(protected, bytes) or not isinstance(payload, bytes) or not isinstance(signature, bytes):
        raise TransactionError(Code.MALFORMED, "protected header, payload and signature must be byte strings")
    if unprotected != {}:
        raise TransactionError(Code.MALFORMED, "the unprotected header must be an empty map")
    algorithm, kid = _read_protected(protected)
    if len(signature) != 64:
        raise TransactionError(Code.MALFORMED, f"the signature has {len(signature)} bytes; it must have 64")
    return CoseSign1(algorithm, kid, payload, signature, protected)


@lru_cache(maxsize=4096)
def _read_protected(protected: bytes) -> tuple[str, bytes]:
    header = cbor.decode(protected, integer_keys=True)
    if not isinstance(header, dict) or set(header) != {1, 4}:
        raise TransactionError(Code.MALFORMED, "the protected header must hold alg (1) and kid (4), nothing else")
    kid = header[4]
    if not isinstance(kid, bytes) or len(kid) != 32:
        raise TransactionError(Code.MALFORMED, "kid must be the 32 bytes of a SHA-256")
    for name, number in ALGORITHMS.items():
        if type(header[1]) is int and header[1] == number:
            return name, kid
    raise TransactionError(Code.ALGORITHM_NOT_ALLOWED, f"algorithm {header[1]!r} is neither ES256 (-7) nor EdDSA (-8)")


def decode(raw: bytes) -> SignedTx:
    """Read a transaction. Raises `TransactionError`; the signature has not been looked at."""
    envelope = decode_sign1(raw)
    fields = cbor.decode(envelope.payload)
    if not isinstance(fields, dict):
        raise TransactionError(Code.MALFORMED, "the payload must be a map")
    return SignedTx(_read_fields(fields), envelope, raw, tx_hash(raw))


def _read_fields(fields: dict[str, Any]) -> Tx:
    if tuple(fields) != _IN_ORDER and (names := set(fields) - {"ordered"}) != _FIELDS:
        difference = ", ".join(sorted(names ^ _FIELDS))
        raise TransactionError(Code.MALFORMED, f"the payload's fields are not those of a transaction: {difference}")
    for name in ("chain_id", "module", "action", "signer"):
        value = fields[name]
        if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
            raise TransactionError(Code.MALFORMED, f"{name} must be a text of 1 to {MAX_NAME} characters")
    for name in ("nonce", "expires_height"):
        value = fields[name]
        if type(value) is not int or not 0 < value <= MAX_NUMBER:
            raise TransactionError(Code.MALFORMED, f"{name} must be a whole number above zero")
    if not isinstance(fields["args"], dict):
        raise TransactionError(Code.MALFORMED, "args must be a map")
    if fields.get("ordered", True) is not True:
        raise TransactionError(Code.NOT_CANONICAL, "ordered is either true or left out")
    return Tx(
        fields["chain_id"],
        fields["module"],
        fields["action"],
        fields["args"],
        fields["signer"],
        fields["nonce"],
        fields["expires_height"],
        "ordered" in fields,
    )


def verify(envelope: CoseSign1, public_key: PublicKeyTypes) -> None:
    """Check the signature under a key that the caller trusts. Raises `TransactionError`."""
    if envelope.algorithm == "ES256":
        _verify_es256(envelope, public_key)
    else:
        _verify_eddsa(envelope, public_key)


def _is_p256(public_key: PublicKeyTypes) -> TypeGuard[ec.EllipticCurvePublicKey]:
    return _is_elliptic(type(public_key)) and cast(ec.EllipticCurvePublicKey, public_key).curve.name == "secp256r1"


@lru_cache(maxsize=16)
def _is_elliptic(kind: type) -> bool:
    """`issubclass` of an abstract class, remembered: it costs a tenth of what a signature's verification does."""
    return issubclass(kind, ec.EllipticCurvePublicKey)


def _verify_es256(envelope: CoseSign1, public_key: PublicKeyTypes) -> None:
    if not _is_p256(public_key):
        raise TransactionError(Code.ALGORITHM_NOT_ALLOWED, "the transaction says ES256, the key is not of P-256")
    r = int.from_bytes(envelope.signature[:32], "big")
    s = int.from_bytes(envelope.signature[32:], "big")
    if s > P256_ORDER // 2:
        raise TransactionError(Code.HIGH_S, "S is above half the order of P-256: send the low-S form (n - S)")
    try:
        public_key.verify(encode_dss_signature(r, s), envelope.to_be_signed, _ECDSA)
    except InvalidSignature:
        raise TransactionError(Code.BAD_SIGNATURE, "the ES256 signature does not verify") from None


def _verify_eddsa(envelope: CoseSign1, public_key: PublicKeyTypes) -> None:
    if not isinstance(public_key, ed25519.Ed25519PublicKey):
        raise TransactionError(Code.ALGORITHM_NOT_ALLOWED, "the transaction says EdDSA, the key is not of Ed25519")
    try:
        public_key.verify(envelope.signature, envelope.to_be_signed)
    except InvalidSignature:
        raise TransactionError(Code.BAD_SIGNATURE, "the EdDSA signature does not verify") from None
