"""Transactions read and admitted anew: COSE_Sign1, signatures, replay windows. No code of the node but its codes.

What is not well-formed is only known to be refused; with which code is what the results hash of the ledger says.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gchain_node.codes import Code
from gchain_node.state import State

__all__ = ["Parsed", "Refused", "parse", "use_number", "verify"]

_MAX_BYTES, _MAX_DEPTH, _WINDOW = 512 * 1024, 16, 1024
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_TEXTS, _NUMBERS = ("chain_id", "module", "action", "signer"), ("nonce", "expires_height")
_FIELDS: dict[str, type] = dict.fromkeys(_TEXTS, str) | dict.fromkeys(_NUMBERS, int) | {"args": dict}


class Refused(Exception):  # noqa: N818 -- the ledger refuses
    """`code` None: the transaction is not well-formed."""

    def __init__(self, code: Code | None) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Parsed:
    """`fields` are the payload's, `message` is what was signed."""

    algorithm: int
    kid: bytes
    fields: dict[str, Any]
    message: bytes
    signature: bytes


def parse(raw: bytes) -> Parsed:
    """Raises `Refused` for what is not the one encoding of a transaction."""
    try:
        protected, unprotected, payload, signature = _exact(raw[1:])
        header, fields = _exact(protected), _exact(payload)
        well_formed = (
            raw[:1] == b"\xd2"
            and len(raw) <= _MAX_BYTES
            and unprotected == {}
            and len(signature) == 64
            and set(header) == {1, 4}
            and header[1] in (-7, -8)
            and len(header[4]) == 32
            and _is_payload(fields)
        )
        message = b"\x84" + b"".join(map(cbor2.dumps, ("Signature1", protected, b"", payload)))
    except (cbor2.CBORError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise Refused(None) from None
    if not well_formed:
        raise Refused(None)
    return Parsed(header[1], header[4], fields, message, signature)


def _exact(raw: bytes) -> Any:
    value = cbor2.loads(raw)
    if cbor2.dumps(value, canonical=True) != raw:
        raise ValueError("not deterministic")
    _check(value, 0)
    return value


def _check(value: Any, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError("too deep")
    if isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth + 1)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif type(value) is int:
        if not -(2**63) <= value < 2**63:
            raise ValueError("out of range")
    elif value is not None and type(value) not in (str, bytes, bool):
        raise ValueError("of a kind that no transaction holds")


def _is_payload(fields: Any) -> bool:
    if not isinstance(fields, dict) or set(fields) - {"ordered"} != set(_FIELDS):
        return False
    if any(type(fields[name]) is not kind for name, kind in _FIELDS.items()):
        return False
    texts = all(0 < len(fields[name]) <= 128 for name in _TEXTS)
    numbers = all(fields[name] > 0 for name in _NUMBERS)
    return texts and numbers and fields.get("ordered", True) is True and _text_keys(fields)


def _text_keys(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _text_keys(item) for key, item in value.items())
    return all(_text_keys(item) for item in value) if isinstance(value, list) else True


def verify(parsed: Parsed, der: bytes) -> None:
    """The signature under a key of the state. Raises `Refused`."""
    if sha256(der).digest() != parsed.kid:
        raise Refused(Code.UNKNOWN_KEY)
    key = load_der_public_key(der)
    try:
        if parsed.algorithm == -8 and isinstance(key, Ed25519PublicKey):
            key.verify(parsed.signature, parsed.message)
        elif parsed.algorithm == -7 and isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1":
            r, s = int.from_bytes(parsed.signature[:32], "big"), int.from_bytes(parsed.signature[32:], "big")
            if s > _ORDER // 2:
                raise Refused(Code.HIGH_S)
            key.verify(encode_dss_signature(r, s), parsed.message, ec.ECDSA(hashes.SHA256()))
        else:
            raise Refused(Code.ALGORITHM_NOT_ALLOWED)
    except InvalidSignature:
        raise Refused(Code.BAD_SIGNATURE) from None


def use_number(state: State, signer: str, number: int, *, ordered: bool) -> None:
    """Each of a signer's last 1,024 numbers once, kept as a set of those used. Raises `Refused`."""
    path = f"nonces/{signer}"
    entry = state.get(path) or {"high": 0, "used": b""}
    high, bits = entry["high"], int.from_bytes(entry["used"], "big")
    used = {high - back for back in range(_WINDOW) if bits >> back & 1}
    if ordered and number != high + 1:
        raise Refused(Code.OUT_OF_ORDER)
    if number <= high - _WINDOW:
        raise Refused(Code.NONCE_TOO_OLD)
    if number in used:
        raise Refused(Code.NONCE_USED)
    top = max(high, number)
    kept = sum(1 << (top - one) for one in used | {number} if top - one < _WINDOW)
    state.put(path, {"high": top, "used": kept.to_bytes(_WINDOW // 8, "big")})
