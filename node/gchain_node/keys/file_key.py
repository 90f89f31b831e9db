"""Keys in PEM files, for development only: whoever reads the file holds the key."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gchain_node.errors import ConfigurationError, KeyAccessError
from gchain_node.keys.key import Key
from gchain_node.keys.public import PublicKey, algorithm_of, low_s

__all__ = ["DEVELOPMENT_SWITCH", "FileKey"]

DEVELOPMENT_SWITCH = "GCHAIN_DEVELOPMENT_KEYS"


class FileKey(Key):
    """A private key in memory: P-256, secp256k1 or Ed25519."""

    def __init__(self, private: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> None:
        self._private = private
        self._public = private.public_key()
        algorithm_of(self._public)

    @classmethod
    def open(cls, uri: str) -> FileKey:
        """`file:/absolute/path.pem` or `file:///...`. Raises unless the environment allows development keys."""
        if os.environ.get(DEVELOPMENT_SWITCH) != "1":
            raise ConfigurationError(
                f"{uri}: a key in a file is refused: anyone who can read the file can copy the key",
                remedy=f"name a pkcs11: key, or set {DEVELOPMENT_SWITCH}=1 where nothing of value is signed",
            )
        path = Path(uri.removeprefix("file:").removeprefix("//"))
        try:
            private = load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise KeyAccessError(f"the key file {path} cannot be read: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            raise KeyAccessError(f"the key file {path} holds no unencrypted PEM private key") from error
        if not isinstance(private, (ec.EllipticCurvePrivateKey, Ed25519PrivateKey)):
            raise KeyAccessError(
                f"the key file {path} holds a {type(private).__name__}: P-256, secp256k1 or Ed25519 expected"
            )
        return cls(private)

    @property
    def public_key(self) -> PublicKey:
        return self._public

    def sign(self, message: bytes) -> bytes:
        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.sign(message)
        r, s = decode_dss_signature(self._private.sign(message, ec.ECDSA(SHA256())))
        return low_s(r.to_bytes(32, "big") + s.to_bytes(32, "big"), self._private.curve.name)
