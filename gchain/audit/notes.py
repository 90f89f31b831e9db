"""Signed checkpoints of the log, read anew (C2SP signed-note, tlog-checkpoint, tlog-cosignature)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gchain.audit.findings import AuditError

__all__ = ["check_checkpoint", "keys_of"]

_ED25519, _ECDSA, _COSIGNATURE = 1, 2, 4


def check_checkpoint(note: str, trust: Mapping[str, Any]) -> tuple[str, int, bytes, list[str]]:
    """Origin, size and root of a checkpoint, and which of the trust file's keys signed it. Raises `AuditError`."""
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    origin, size, root = text.split("\n")[:3]
    keys = keys_of(trust)
    signers = []
    for line in lines.rstrip("\n").split("\n"):
        dash, name, blob = line.split(" ")
        raw = base64.b64decode(blob, validate=True)
        known = keys.get((name, raw[:4].hex()))
        if dash != "—" or known is None:
            continue
        if not _holds(known[1], known[2], text, raw[4:]):
            raise AuditError(f"the signature of {known[0]} on the checkpoint of size {size} does not verify")
        signers.append(known[0])
    return origin, int(size), base64.b64decode(root, validate=True), signers


def keys_of(trust: Mapping[str, Any]) -> dict[tuple[str, str], tuple[str, int, bytes]]:
    """The trust file's keys of logs and witnesses by name and key id: who, kind, key."""
    texts = [(entry["name"], entry["key"]) for entry in trust.get("log_keys", [])]
    witness = trust.get("witness") or {"keys": []}
    texts += [(f"witness {text.split('+')[0]}", text) for text in witness["keys"]]
    keys = {}
    for who, text in texts:
        name, key_id, blob = text.split("+", 2)
        raw = base64.b64decode(blob)
        keys[name, key_id] = who, raw[0], raw[1:]
    return keys


def _holds(kind: int, key: bytes, text: str, signature: bytes) -> bool:
    message = text.encode()
    if kind == _COSIGNATURE:
        time = int.from_bytes(signature[:8], "big")
        message, signature = f"cosignature/v1\ntime {time}\n".encode() + message, signature[8:]
    try:
        if kind == _ECDSA:
            loaded = load_der_public_key(key)
            if not isinstance(loaded, ec.EllipticCurvePublicKey):
                return False
            loaded.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        else:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True
