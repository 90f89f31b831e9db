"""What every key can do, wherever it lives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from gchain_node.keys.public import PublicKey, algorithm_of, key_id

__all__ = ["Algorithm", "Key"]

Algorithm = Literal["ES256", "ES256K", "EdDSA"]


class Key(ABC):
    """A private key that signs and never shows itself.

    A provider MUST return signatures of 64 bytes: R || S with low S for ECDSA (SHA-256), R || S of RFC 8032 for
    Ed25519. It MUST raise `KeyAccessError` when the key cannot be used now, and MUST NOT return a signature that does
    not verify. A caller may use one key from several threads: the provider uses its session by one thread at a time.
    """

    @property
    @abstractmethod
    def public_key(self) -> PublicKey:
        """The public half (`cryptography`): P-256, secp256k1 or Ed25519."""

    @property
    def algorithm(self) -> Algorithm:
        """COSE's name for the signature (RFC 9053 section 2, RFC 8812 section 3.2)."""
        return algorithm_of(self.public_key)

    @property
    def kid(self) -> bytes:
        """SHA-256 of the DER SubjectPublicKeyInfo, 32 bytes."""
        return key_id(self.public_key)

    @abstractmethod
    def sign(self, message: bytes) -> bytes:
        """The signature over `message` (hashed here for ECDSA), 64 bytes. Raises `KeyAccessError`."""

    def close(self) -> None:  # noqa: B027 -- most providers hold nothing
        """Give back what the provider holds; the key cannot be used afterwards."""
