"""Public keys: text form, key id, CometBFT form, and verification of the ledger's 64-byte signatures."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from gchain_node.errors import KeyAccessError, VerificationError

__all__ = [
    "CURVE_ORDERS",
    "PublicKey",
    "algorithm_of",
    "cometbft_address",
    "cometbft_bytes",
    "cometbft_type",
    "encode_public_key",
    "from_cometbft",
    "key_id",
    "load_public_key",
    "low_s",
    "public_der",
    "verify_signature",
]

PublicKey = ec.EllipticCurvePublicKey | Ed25519PublicKey

CURVE_ORDERS = {  # SEC 2 version 2, sections 2.4.1 and 2.4.2
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp256k1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
}


def algorithm_of(public_key: PublicKey) -> Literal["ES256", "ES256K", "EdDSA"]:
    """The COSE algorithm that goes with this key. Raises `KeyAccessError` for a curve that the ledger does not use."""
    if isinstance(public_key, Ed25519PublicKey):
        return "EdDSA"
    if public_key.curve.name == "secp256r1":
        return "ES256"
    if public_key.curve.name == "secp256k1":
        return "ES256K"
    raise KeyAccessError(f"the key is on curve {public_key.curve.name}: the ledger uses P-256, secp256k1 and Ed25519")


def public_der(public_key: PublicKey) -> bytes:
    """DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7)."""
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id(public_key: PublicKey) -> bytes:
    """SHA-256 of the DER SubjectPublicKeyInfo: the `kid` of transactions and registers."""
    return hashlib.sha256(public_der(public_key)).digest()


def encode_public_key(public_key: PublicKey) -> str:
    """Unpadded base64url of the DER SubjectPublicKeyInfo: how the kit's JSON files write a public key."""
    return base64.urlsafe_b64encode(public_der(public_key)).rstrip(b"=").decode()


def load_public_key(text: str | bytes) -> PublicKey:
    """The key that `encode_public_key` wrote (text), or its DER form (bytes). Raises `VerificationError`."""
    try:
        der = text if isinstance(text, bytes) else base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        key = load_der_public_key(der)
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as error:
        raise VerificationError(
            f"not a public key in base64url DER SubjectPublicKeyInfo: {str(text)[:60]!r}"
        ) from error
    if not isinstance(key, (ec.EllipticCurvePublicKey, Ed25519PublicKey)):
        raise VerificationError(
            f"a public key of type {type(key).__name__}: the ledger uses P-256, secp256k1 and Ed25519"
        )
    algorithm_of(key)
    return key


def low_s(signature: bytes, curve: str) -> bytes:
    """The same ECDSA signature with S in the lower half of the order of `curve`; 64 bytes R || S in and out.

    HSMs return either S. (R, S) and (R, n - S) verify alike, so the ledger and CometBFT accept only the lower one.
    """
    order = CURVE_ORDERS[curve]
    s = int.from_bytes(signature[32:], "big")
    return signature if s <= order // 2 else signature[:32] + (order - s).to_bytes(32, "big")


def verify_signature(public_key: PublicKey, message: bytes, signature: bytes) -> None:
    """Raises `VerificationError` unless `signature` (64 bytes; low S for ECDSA with SHA-256) is this key's over
    `message`.
    """
    if len(signature) != 64:
        raise VerificationError(f"the signature has {len(signature)} bytes, 64 expected")
    try:
        if isinstance(public_key, Ed25519PublicKey):
            public_key.verify(signature, message)
        else:
            public_key.verify(_der_of_low_s(signature, public_key.curve.name), message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise VerificationError("the signature does not verify under this key") from None


def _der_of_low_s(signature: bytes, curve: str) -> bytes:
    if curve not in CURVE_ORDERS:
        raise VerificationError(f"the key is on curve {curve}: the ledger uses P-256 and secp256k1")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not 0 < r < CURVE_ORDERS[curve] or not 0 < s <= CURVE_ORDERS[curve] // 2:
        raise VerificationError("the ECDSA signature has R out of range, or S not in the lower half of the order")
    return encode_dss_signature(r, s)


def cometbft_type(public_key: PublicKey) -> Literal["ed25519", "secp256k1"]:
    """The key type that a validator update names. Raises `KeyAccessError` for P-256, which CometBFT does not know."""
    algorithm = algorithm_of(public_key)
    if algorithm == "EdDSA":
        return "ed25519"
    if algorithm == "ES256K":
        return "secp256k1"
    raise KeyAccessError("a validator key is ed25519 or secp256k1; this one is P-256")


def cometbft_bytes(public_key: PublicKey) -> bytes:
    """CometBFT's raw form: 32 bytes for Ed25519, the 33-byte compressed point for secp256k1."""
    if isinstance(public_key, Ed25519PublicKey):
        return public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return public_key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def from_cometbft(key_type: str, raw: bytes) -> PublicKey:
    """The key whose `cometbft_type` and `cometbft_bytes` these are. Raises `VerificationError`."""
    try:
        if key_type == "ed25519":
            return Ed25519PublicKey.from_public_bytes(raw)
        if key_type == "secp256k1":
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), raw)
    except ValueError as error:
        raise VerificationError(f"not a {key_type} key of CometBFT: {error}") from error
    raise VerificationError(f"{key_type!r} is no key type of CometBFT; ed25519 and secp256k1 are")


def cometbft_address(public_key: PublicKey) -> bytes:
    """The 20-byte validator address: SHA-256 cut for Ed25519, RIPEMD-160 of SHA-256 for secp256k1 (CometBFT v0.38
    crypto/).
    """
    digest = hashlib.sha256(cometbft_bytes(public_key)).digest()
    if cometbft_type(public_key) == "ed25519":
        return digest[:20]
    return hashlib.new("ripemd160", digest).digest()
