"""Transactions: one encoding each, limits, and a decoder that refuses anything else with a code."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gchain_node import cbor, tx
from gchain_node.codes import Code
from gchain_node.errors import TransactionError
from gchain_node.keys.file_key import FileKey

P256 = FileKey(ec.generate_private_key(ec.SECP256R1()))
ED25519 = FileKey(Ed25519PrivateKey.generate())
TX = tx.Tx("gchain-test", "records", "commit", {"id": "a", "commitment": bytes(32)}, "treasury", 1, 100)
GOOD = tx.sign(TX, P256)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=20) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=40), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("key", [P256, ED25519], ids=["ES256", "EdDSA"])
@pytest.mark.parametrize("ordered", [False, True])
def test_a_signed_transaction_reads_back_and_verifies(key: FileKey, ordered: bool) -> None:
    made = tx.Tx(**{name: getattr(TX, name) for name in TX._fields} | {"ordered": ordered})
    signed = tx.decode(tx.sign(made, key))
    assert signed.tx == made
    assert signed.envelope.kid == key.kid == tx.kid_of(key.public_key)
    tx.verify(signed.envelope, key.public_key)
    other = ED25519 if key is P256 else P256
    with pytest.raises(TransactionError):
        tx.verify(signed.envelope, other.public_key)


@given(st.dictionaries(st.text(max_size=40), VALUES, max_size=5))
def test_any_arguments_survive(args: dict[str, Any]) -> None:
    made = tx.Tx("c", "m", "a", args, "s", 1, 1)
    assert tx.decode(tx.sign(made, ED25519)).tx == made


@given(VALUES)
def test_the_encoding_is_the_one_of_the_rfc(value: Any) -> None:
    raw = cbor.encode(value)
    assert cbor.decode(raw) == value
    if isinstance(value, dict):
        keys = [cbor.encode(key) for key in cbor2.loads(raw)]
        assert keys == sorted(keys)


@settings(max_examples=400)
@given(st.binary(max_size=120))
@example(b"")
@example(b"\xd2")
@example(b"\xd2\x84" + b"\x81" * 2000)
def test_junk_is_refused_with_a_code(raw: bytes) -> None:
    for candidate in (raw, b"\xd2" + raw, b"\xd2\x84" + raw):
        with pytest.raises(TransactionError) as caught:
            tx.decode(candidate)
        assert 100 <= caught.value.code < 300


@settings(max_examples=400)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_byte_is_never_the_same_transaction(position: int, flip: int) -> None:
    changed = bytearray(GOOD)
    changed[position] ^= flip
    try:
        signed = tx.decode(bytes(changed))
        assert signed.envelope.kid == P256.kid
        tx.verify(signed.envelope, P256.public_key)
    except (TransactionError, AssertionError):
        return
    pytest.fail(f"byte {position} can be changed")


def envelope(
    payload: bytes, protected: bytes | None = None, signature: bytes = bytes(64), unprotected: Any = None
) -> bytes:
    header = cbor.encode({1: -7, 4: bytes(32)}) if protected is None else protected
    return b"\xd2" + cbor2.dumps([header, unprotected or {}, payload, signature])


def fields(**changes: Any) -> dict[str, Any]:
    return {name: getattr(TX, name) for name in TX._fields if name != "ordered"} | changes


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


REFUSED = {
    "untagged": (GOOD[1:], Code.MALFORMED),
    "another tag": (b"\xd1" + GOOD[1:], Code.MALFORMED),
    "trailing byte": (GOOD + b"\0", Code.NOT_CANONICAL),
    "truncated": (GOOD[:-1], Code.MALFORMED),
    "too large": (b"\xd2" + bytes(tx.MAX_TX_BYTES), Code.TOO_LARGE),
    "short signature": (envelope(TX.encode(), signature=bytes(63)), Code.MALFORMED),
    "unprotected header": (envelope(TX.encode(), unprotected={"a": 1}), Code.MALFORMED),
    "algorithm of another curve": (
        envelope(TX.encode(), cbor.encode({1: -47, 4: bytes(32)})),
        Code.ALGORITHM_NOT_ALLOWED,
    ),
    "boolean algorithm": (envelope(TX.encode(), cbor.encode({1: True, 4: bytes(32)})), Code.ALGORITHM_NOT_ALLOWED),
    "short kid": (envelope(TX.encode(), cbor.encode({1: -7, 4: bytes(31)})), Code.MALFORMED),
    "critical header": (envelope(TX.encode(), cbor2.dumps({1: -7, 2: [99], 4: bytes(32)})), Code.MALFORMED),
    "payload not a map": (envelope(b"\x01"), Code.MALFORMED),
    "payload not canonical": (envelope(cbor2.dumps(fields())), Code.NOT_CANONICAL),
    "unknown field": (envelope(cbor.encode(fields(memo="x"))), Code.MALFORMED),
    "missing field": (envelope(cbor.encode({"chain_id": "x"})), Code.MALFORMED),
    "float": (envelope(cbor2.dumps(fields(args={"x": 1.5}), canonical=True)), Code.NOT_CANONICAL),
    "tag inside": (
        envelope(cbor2.dumps(fields(args={"x": cbor2.CBORTag(37, b"")}), canonical=True)),
        Code.NOT_CANONICAL,
    ),
    "huge number": (envelope(cbor2.dumps(fields(args={"x": 2**63}), canonical=True)), Code.MALFORMED),
    "number as key": (envelope(cbor2.dumps(fields(args={7: 1}), canonical=True)), Code.MALFORMED),
    "deep": (envelope(cbor2.dumps(fields(args={"x": nested(20)}), canonical=True)), Code.TOO_DEEP),
    "nonce zero": (envelope(cbor.encode(fields(nonce=0))), Code.MALFORMED),
    "nonce true": (envelope(cbor.encode(fields(nonce=True))), Code.MALFORMED),
    "empty module": (envelope(cbor.encode(fields(module=""))), Code.MALFORMED),
    "long signer": (envelope(cbor.encode(fields(signer="x" * 129))), Code.MALFORMED),
    "args a list": (envelope(cbor.encode(fields(args=[]))), Code.MALFORMED),
    "ordered false": (envelope(cbor.encode(fields(ordered=False))), Code.NOT_CANONICAL),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_a_transaction_has_a_stable_code(name: str) -> None:
    raw, code = REFUSED[name]
    with pytest.raises(TransactionError) as caught:
        tx.decode(raw)
    assert caught.value.code is code
    assert str(caught.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=40) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=30), inner, max_size=6),
    max_leaves=20,
)


@settings(max_examples=200)
@given(VALUES)
def test_the_encoding_is_the_one_that_the_codec_calls_canonical_and_reads_back(value: Any) -> None:
    raw = cbor.encode(value)
    assert raw == cbor2.dumps(value, canonical=True)
    assert cbor.decode(raw) == value
    assert cbor.plain(raw) == value


@settings(max_examples=200)
@given(st.dictionaries(st.text(max_size=30), st.integers(0, 3), min_size=2, max_size=6), st.randoms())
def test_a_map_in_another_order_is_refused(value: dict[str, int], shuffler: Any) -> None:
    keys = list(value)
    shuffler.shuffle(keys)
    raw = cbor2.dumps({key: value[key] for key in keys})
    if raw == cbor.encode(value):
        assert cbor.decode(raw) == value
        return
    with pytest.raises(TransactionError) as caught:
        cbor.decode(raw)
    assert caught.value.code is Code.NOT_CANONICAL


def _outcome(raw: bytes) -> object:
    try:
        return tx.decode_sign1(raw)
    except TransactionError as error:
        return error.code, str(error)


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from([b"", b"x", bytes(23), bytes(24), bytes(255), bytes(256), bytes(70_000), TX.encode()]),
    st.integers(0, 500),
    st.sampled_from(["as it is", "byte changed", "cut", "longer", "long length"]),
    st.integers(0, 255),
)
def test_the_quick_reading_of_an_envelope_agrees_with_the_strict_one(
    payload: bytes, place: int, change: str, value: int
) -> None:
    raw = bytearray(envelope(payload))
    place %= min(len(raw), 120)
    if change == "byte changed":
        raw[place] = value
    elif change == "cut":
        del raw[place:]
    elif change == "longer":
        raw[place:place] = bytes([value])
    elif change == "long length":  # a byte string's length in more bytes than it needs
        raw[place : place + 1] = b"\x59\x00" + raw[place : place + 1]
    quick = _outcome(bytes(raw))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tx, "_canonical_parts", lambda raw: None)
        assert _outcome(bytes(raw)) == quick
