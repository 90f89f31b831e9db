"""A member's administrator key: it opens its hosts, and signs the public facts that the member hands out."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
    load_ssh_public_key,
)

from gchain.errors import ConfigurationError

__all__ = ["ensure", "load", "parse_public", "public_text"]


def ensure(path: Path) -> Ed25519PrivateKey:
    """The key at `path`; made there (mode 0600) when there is none."""
    if path.is_file():
        return load(path)
    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.with_suffix(".pub").write_text(public_text(key.public_key()) + "\n", encoding="ascii")
    draft.replace(path)
    return key


def load(path: Path) -> Ed25519PrivateKey:
    """Read an OpenSSH private key.

    Raises:
        ConfigurationError: the file is missing, or holds no unencrypted Ed25519 key.
    """
    try:
        key = load_ssh_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: no usable SSH key: {error}", remedy="run `gchain env bootstrap`") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{path}: found a {type(key).__name__}, expected Ed25519")
    return key


def public_text(key: Ed25519PublicKey) -> str:
    """`ssh-ed25519 <base64>`, as in authorized_keys, without a comment."""
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")


def parse_public(text: str) -> Ed25519PublicKey:
    """The reverse of `public_text`.

    Raises:
        ValueError: not an Ed25519 key.
    """
    key = load_ssh_public_key(text.encode("ascii"))
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"found a {type(key).__name__}, expected Ed25519")
    return key
