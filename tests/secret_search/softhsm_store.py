"""The private keys in a SoftHSM store, learned from its files and the user's PIN alone, without SoftHSM.

SoftHSM 2 keeps one file an object (`SoftHSMv2/src/lib/object_store/File.cpp`): big-endian 64-bit numbers; a generation,
then attributes as type, kind, value. Byte strings of private objects are encrypted with the token's own AES-256 key,
CBC with PKCS#7 padding, the IV in front (`data_mgr/SecureDataManager.cpp`). That key lies in the token, encrypted
with a key that iterated SHA-256 makes from salt and PIN (`data_mgr/RFC4880.cpp`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from gchain_node.keys import encode_public_key

__all__ = ["StoredKey", "private_keys"]

_CLASS, _LABEL, _VALUE, _KEY_TYPE, _EC_PARAMS = 0x0, 0x3, 0x11, 0x100, 0x180
_PRIVATE_KEY, _EC, _EDWARDS = 3, 3, 0x40
_TOKEN_USER_PIN = 0x80000000 + 0x5348 + 5
_BOOLEAN, _NUMBER, _BYTES = 1, 2, 3
_MAGIC = b"RJR"  # in front of the token's key, so that a wrong PIN shows
_CURVES: dict[bytes, ec.EllipticCurve] = {
    bytes.fromhex("06082a8648ce3d030107"): ec.SECP256R1(),
    bytes.fromhex("06052b8104000a"): ec.SECP256K1(),
}

Attributes = dict[int, bytes | int]


@dataclass(frozen=True)
class StoredKey:
    """A private key in clear. `secret` is the number d of an elliptic-curve key, or the seed of an Ed25519 key."""

    label: str
    secret: bytes = field(repr=False)
    public_key: str
    """Computed from `secret`; base64url DER."""
    scalar: bytes = field(default=b"", repr=False)
    """What an Ed25519 key really signs with (RFC 8032 section 5.1.5); whoever has it needs no seed."""


def private_keys(token: Path, pin: str) -> dict[str, StoredKey]:
    """Every private key of the token in this directory (`tokens/<uuid>`), by label.

    Raises `ValueError` if the PIN is wrong or the files are not what SoftHSM writes.
    """
    wrapped = _attributes((token / "token.object").read_bytes())[_TOKEN_USER_PIN]
    assert isinstance(wrapped, bytes)
    token_key = _unwrap(wrapped, pin.encode())
    objects = [_attributes(path.read_bytes()) for path in sorted(token.glob("*.object")) if path.stem != "token"]
    keys = [_key(each, token_key) for each in objects if each.get(_CLASS) == _PRIVATE_KEY]
    return {key.label: key for key in keys}


def _attributes(content: bytes) -> Attributes:
    found: Attributes = {}
    place = 8
    while place < len(content):
        name, place = _number(content, place)
        kind, place = _number(content, place)
        if kind == _BOOLEAN:
            found[name], place = content[place], place + 1
        elif kind == _NUMBER:
            found[name], place = _number(content, place)
        else:  # byte strings, and lists of mechanisms or attributes, which begin with their length too
            length, place = _number(content, place)
            if kind == _BYTES:
                found[name], place = content[place : place + length], place + length
            elif length:
                raise ValueError(f"attribute {name:#x} is a list (kind {kind}) of {length}: not written by this kit")
    return found


def _number(content: bytes, place: int) -> tuple[int, int]:
    if place + 8 > len(content):
        raise ValueError(f"the object file ends within a number at byte {place}")
    return int.from_bytes(content[place : place + 8], "big"), place + 8


def _unwrap(wrapped: bytes, pin: bytes) -> bytes:
    salt, rest = wrapped[:8], wrapped[8:]
    key = hashlib.sha256(salt + pin).digest()
    for _ in range(1500 + salt[-1] - 1):
        key = hashlib.sha256(key).digest()
    clear = _decrypt(rest, key)
    if not clear.startswith(_MAGIC):
        raise ValueError("the PIN does not open this token")
    return clear.removeprefix(_MAGIC)


def _decrypt(content: bytes, key: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES256(key), modes.CBC(content[:16])).decryptor()
    padding = PKCS7(128).unpadder()
    return padding.update(decryptor.update(content[16:]) + decryptor.finalize()) + padding.finalize()


def _key(attributes: Attributes, token_key: bytes) -> StoredKey:
    def clear(name: int) -> bytes:
        value = attributes[name]
        assert isinstance(value, bytes)
        return _decrypt(value, token_key)

    label, secret = clear(_LABEL).decode(), clear(_VALUE)
    if attributes[_KEY_TYPE] == _EDWARDS:
        edwards = Ed25519PrivateKey.from_private_bytes(secret)
        return StoredKey(label, secret, encode_public_key(edwards.public_key()), _scalar(secret))
    if attributes[_KEY_TYPE] != _EC:
        raise ValueError(f"{label}: key type {attributes[_KEY_TYPE]:#x} is not one of this kit")
    private = ec.derive_private_key(int.from_bytes(secret, "big"), _CURVES[clear(_EC_PARAMS)])
    return StoredKey(label, secret, encode_public_key(private.public_key()))


def _scalar(seed: bytes) -> bytes:
    number = bytearray(hashlib.sha512(seed).digest()[:32])
    number[0] &= 0xF8
    number[31] = number[31] & 0x7F | 0x40
    return bytes(number)
