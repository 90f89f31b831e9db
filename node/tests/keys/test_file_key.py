from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gchain_node.errors import ConfigurationError, KeyAccessError
from gchain_node.keys import open_key, verify_signature
from gchain_node.keys.file_key import DEVELOPMENT_SWITCH


def _write(path: Path, private: ec.EllipticCurvePrivateKey | Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return f"file:{path}"


def test_a_key_in_a_file_is_refused_outside_development(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = _write(tmp_path / "k.pem", Ed25519PrivateKey.generate())
    monkeypatch.delenv(DEVELOPMENT_SWITCH, raising=False)
    with pytest.raises(ConfigurationError, match="refused"):
        open_key(uri)


@pytest.mark.parametrize("kind", ["p256", "secp256k1", "ed25519"])
def test_a_key_in_a_file_signs_in_development(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    curves = {"p256": ec.SECP256R1(), "secp256k1": ec.SECP256K1()}
    private = ec.generate_private_key(curves[kind]) if kind in curves else Ed25519PrivateKey.generate()
    monkeypatch.setenv(DEVELOPMENT_SWITCH, "1")
    key = open_key(_write(tmp_path / "k.pem", private))
    for number in range(8):
        verify_signature(key.public_key, bytes([number]), key.sign(bytes([number])))


def test_files_that_hold_no_usable_key_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEVELOPMENT_SWITCH, "1")
    with pytest.raises(KeyAccessError, match="absent"):
        open_key(f"file:{tmp_path / 'absent.pem'}")
    (tmp_path / "text.pem").write_text("no key")
    with pytest.raises(KeyAccessError, match="no unencrypted PEM"):
        open_key(f"file:{tmp_path / 'text.pem'}")
    with pytest.raises(KeyAccessError, match="RSA"):
        open_key(_write(tmp_path / "rsa.pem", rsa.generate_private_key(65537, 2048)))
