"""Transactions that no ledger takes, each with the code that it must get: for the state machine and for the API alike.

Each is made for a ledger of `treasury`, `finance` and others: its genesis, its height, and what signs for a member.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, Protocol

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec

from gchain_node import cbor
from gchain_node.codes import Code
from gchain_node.keys.file_key import FileKey
from gchain_node.tx import MAX_TX_BYTES, P256_ORDER, SigningKey, sign_sign1

__all__ = ["BAD", "RECORD", "Ledger", "encoded", "nested"]


class Ledger(Protocol):
    """What a transaction is made for."""

    @property
    def genesis(self) -> dict[str, Any]: ...

    @property
    def height(self) -> int: ...

    def key(self, signer: str) -> SigningKey: ...

    def tx(self, signer: str, call: str, args: dict[str, Any], **changes: Any) -> bytes:
        """A good one, signed; `changes` replace its fields, and `key` what signs."""
        ...


RECORD: Final[dict[str, Any]] = {"id": "r", "commitment": hashlib.sha256(b"x").digest()}
FIELDS: Final = {"module": "records", "action": "commit", "args": RECORD, "signer": "treasury"}


def payload(ledger: Ledger, **changes: Any) -> dict[str, Any]:
    known = {"chain_id": ledger.genesis["chain_id"], "nonce": 5, "expires_height": ledger.height + 9}
    return FIELDS | known | changes


def signed(ledger: Ledger, raw: bytes) -> bytes:
    return bytes(sign_sign1(raw, ledger.key("treasury")))


def encoded(ledger: Ledger, **changes: Any) -> bytes:
    return signed(ledger, cbor2.dumps(payload(ledger, **changes), canonical=True))


def high_s(ledger: Ledger) -> bytes:
    raw = ledger.tx("treasury", "records/commit", RECORD)
    return bytes(raw[:-32] + (P256_ORDER - int.from_bytes(raw[-32:], "big")).to_bytes(32, "big"))


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def unsorted(ledger: Ledger) -> bytes:
    return signed(ledger, cbor2.dumps(dict(sorted(payload(ledger).items(), reverse=True))))


def duplicate_key(ledger: Ledger) -> bytes:
    raw = cbor.encode(payload(ledger))
    entry = cbor.encode("nonce") + cbor.encode(5)
    return signed(ledger, bytes([raw[0] + 1]) + entry + raw[1:])


def long_form(ledger: Ledger) -> bytes:
    return signed(ledger, cbor.encode(payload(ledger)).replace(b"\x65nonce\x05", b"\x65nonce\x18\x05"))


def indefinite(ledger: Ledger) -> bytes:
    raw = cbor.encode(payload(ledger))
    return signed(ledger, b"\xbf" + raw[1:] + b"\xff")


def unprotected(ledger: Ledger) -> bytes:
    protected, _, body, signature = cbor2.loads(ledger.tx("treasury", "records/commit", RECORD)[1:])
    return b"\xd2" + cbor.encode([protected, {"x": 1}, body, signature])


def stranger(ledger: Ledger) -> bytes:
    key = FileKey(ec.generate_private_key(ec.SECP256R1()))
    return bytes(ledger.tx("treasury", "records/commit", RECORD, key=key))


BAD: dict[str, tuple[Callable[[Ledger], bytes], Code]] = {
    "nothing": (lambda ledger: b"", Code.MALFORMED),
    "no COSE": (lambda ledger: b"\x00" * 100, Code.MALFORMED),
    "cut short": (lambda ledger: ledger.tx("treasury", "records/commit", RECORD)[:-1], Code.MALFORMED),
    "a byte too many": (lambda ledger: ledger.tx("treasury", "records/commit", RECORD) + b"\0", Code.NOT_CANONICAL),
    "an array that claims 2^63 items": (lambda ledger: b"\xd2\x9b\x7f" + b"\xff" * 7, Code.MALFORMED),
    "a text of 2^62 bytes": (lambda ledger: b"\xd2\x84\x7b\x3f" + b"\xff" * 7, Code.MALFORMED),
    "oversize": (lambda ledger: encoded(ledger, args={"x": bytes(MAX_TX_BYTES)}), Code.TOO_LARGE),
    "nested too deep": (lambda ledger: encoded(ledger, args={"x": nested(20)}), Code.TOO_DEEP),
    "nested without end": (lambda ledger: b"\xd2" + b"\x81" * 100_000, Code.TOO_DEEP),
    "keys out of order": (unsorted, Code.NOT_CANONICAL),
    "a key twice": (duplicate_key, Code.MALFORMED),
    "a number in a longer form": (long_form, Code.NOT_CANONICAL),
    "a map of indefinite length": (indefinite, Code.MALFORMED),
    "a float": (lambda ledger: encoded(ledger, args={"x": 0.5}), Code.NOT_CANONICAL),
    "a tag": (lambda ledger: encoded(ledger, args={"x": cbor2.CBORTag(42, 1)}), Code.NOT_CANONICAL),
    "a bignum": (lambda ledger: encoded(ledger, args={"x": 2**70}), Code.NOT_CANONICAL),
    "a number beyond 64 bits signed": (lambda ledger: encoded(ledger, args={"x": 2**63}), Code.MALFORMED),
    "undefined": (lambda ledger: encoded(ledger, args={"x": cbor2.undefined}), Code.NOT_CANONICAL),
    "a map with a number as key": (lambda ledger: encoded(ledger, args={1: 1}), Code.MALFORMED),
    "an unprotected header": (unprotected, Code.MALFORMED),
    "a field too many": (lambda ledger: encoded(ledger, memo="x"), Code.MALFORMED),
    "a nonce of zero": (lambda ledger: encoded(ledger, nonce=0), Code.MALFORMED),
    "a nonce that is true": (lambda ledger: encoded(ledger, nonce=True), Code.MALFORMED),
    "a name too long": (lambda ledger: encoded(ledger, signer="x" * 129), Code.MALFORMED),
    "an unknown key": (stranger, Code.UNKNOWN_KEY),
    "another's key": (lambda ledger: encoded(ledger, signer="finance"), Code.SIGNER_MISMATCH),
    "a changed byte": (
        lambda ledger: ledger.tx("treasury", "records/commit", RECORD).replace(RECORD["commitment"], bytes(32)),
        Code.BAD_SIGNATURE,
    ),
    "a high S": (high_s, Code.HIGH_S),
    "another chain": (lambda ledger: encoded(ledger, chain_id="gchain-other"), Code.WRONG_CHAIN),
    "expired": (lambda ledger: encoded(ledger, expires_height=ledger.height), Code.EXPIRED),
    "an unknown module": (lambda ledger: encoded(ledger, module="mint"), Code.UNKNOWN_MODULE),
    "an unknown action": (lambda ledger: encoded(ledger, action="erase"), Code.UNKNOWN_ACTION),
    "a module's name in other letters": (lambda ledger: encoded(ledger, module="re\u0441ords"), Code.UNKNOWN_MODULE),
    "out of order": (lambda ledger: encoded(ledger, nonce=99, ordered=True), Code.OUT_OF_ORDER),
}
