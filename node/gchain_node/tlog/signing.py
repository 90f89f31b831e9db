"""Signing of checkpoints by the log's key, and of cosignatures by a witness'."""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gchain_node.errors import ConfigurationError
from gchain_node.keys.public import PublicKey
from gchain_node.tlog.checkpoint import Checkpoint
from gchain_node.tlog.note import COSIGNATURE, ECDSA, ED25519, Note, NoteSignature, VerifierKey

__all__ = ["CheckpointKey", "cosign", "cosigner_key", "log_key", "sign_checkpoint"]


class CheckpointKey(Protocol):
    """The part of `gchain_node.keys.Key` that signing needs: raw 64 bytes."""

    @property
    def public_key(self) -> PublicKey: ...

    def sign(self, message: bytes) -> bytes: ...


def log_key(origin: str, public_key: PublicKey) -> VerifierKey:
    """The verifier key of a log's signer: P-256 (type 2) or Ed25519 (type 1)."""
    if isinstance(public_key, ec.EllipticCurvePublicKey) and isinstance(public_key.curve, ec.SECP256R1):
        return VerifierKey.of_p256(origin, public_key)
    return VerifierKey(origin, ED25519, _ed25519(public_key))


def cosigner_key(name: str, public_key: PublicKey) -> VerifierKey:
    """The verifier key of a witness (type 4). Raises `ConfigurationError` for any key but Ed25519."""
    return VerifierKey(name, COSIGNATURE, _ed25519(public_key))


def sign_checkpoint(checkpoint: Checkpoint, key: CheckpointKey) -> Note:
    """The signed note of a checkpoint, with one signature."""
    text, verifier = str(checkpoint), log_key(checkpoint.origin, key.public_key)
    raw = key.sign(text.encode())
    if verifier.kind == ECDSA:
        raw = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    return Note(text, (NoteSignature(checkpoint.origin, verifier.id, raw),))


def cosign(text: str, name: str, key: CheckpointKey, time: int) -> NoteSignature:
    """A witness' cosignature/v1 over a checkpoint's text at `time`, in seconds since 1970."""
    verifier = cosigner_key(name, key.public_key)
    raw = key.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
    return NoteSignature(name, verifier.id, time.to_bytes(8, "big") + raw)


def _ed25519(public_key: PublicKey) -> bytes:
    if not isinstance(public_key, ed25519.Ed25519PublicKey):
        raise ConfigurationError(
            f"the key is a {type(public_key).__name__}; a checkpoint is signed with P-256 or Ed25519, "
            "a cosignature with Ed25519"
        )
    return public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)
