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
from node.tests.examples import examples

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


@settings(max_examples=examples(400))
@given(st.binary(max_size=120))
@example(b"")
@example(b"\xd2")
@example(b"\xd2\x84" + b"\x81" * 2000)
def test_junk_is_refused_with_a_code(raw: bytes) -> None:
    for candidate in (raw, b"\xd2" + raw, b"\xd2\x84" + raw):
        with pytest.raises(TransactionError) as caught:
            tx.decode(candidate)
        assert 100 <= caught.value.code < 300


@settings(max_examples=examples(400))
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


@settings(max_examples=examples(200))
@given(VALUES)
def test_the_encoding_is_the_one_that_the_codec_calls_canonical_and_reads_back(value: Any) -> None:
    raw = cbor.encode(value)
    assert raw == cbor2.dumps(value, canonical=True)
    assert cbor.decode(raw) == value


@settings(max_examples=examples(200))
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


def _outcome(read: Any, raw: bytes) -> object:
    try:
        return "read", repr(read(raw))
    except (IndexError, TransactionError, ValueError):
        return "refused"


def _quickly(raw: bytes) -> object:
    return cbor._whole(raw)


def _strictly(raw: bytes) -> object:
    return cbor._strictly(raw, str)


@settings(max_examples=examples(1_000), deadline=None)
@given(
    VALUES,
    st.integers(0, 5_000),
    st.sampled_from(["as it is", "byte changed", "cut", "longer", "long length", "two items"]),
    st.integers(0, 255),
)
def test_the_quick_reading_agrees_with_the_codec(value: Any, place: int, change: str, byte: int) -> None:
    raw = bytearray(cbor.encode(value))
    place %= len(raw)
    if change == "byte changed":
        raw[place] = byte
    elif change == "cut":
        del raw[place:]
    elif change == "longer":
        raw[place:place] = bytes([byte])
    elif change == "long length":  # in more bytes than it needs
        raw[place : place + 1] = bytes((raw[place] & 0xE0 | 24, raw[place] & 0x1F))
    elif change == "two items":
        raw += cbor.encode(byte)
    assert _outcome(_quickly, bytes(raw)) == _outcome(_strictly, bytes(raw))


@settings(max_examples=examples(1_000), deadline=None)
@given(st.binary(max_size=12))
def test_the_quick_reading_of_junk_agrees_with_the_codec(raw: bytes) -> None:
    assert _outcome(_quickly, raw) == _outcome(_strictly, raw)


def _nested(opening: str, times: int, inside: str) -> bytes:
    return bytes.fromhex(opening * times + inside)


EDGES = {
    **{f"{count} bytes": cbor.encode(bytes(count)) for count in (0, 23, 24, 255, 256, 65_535, 65_536)},
    **{f"number {bits} bits": cbor.encode(2**bits - 1) for bits in (5, 8, 16, 32, 63)},
    **{f"number of {bits} bits and one": cbor.encode(2**bits) for bits in (5, 8, 16, 32, 63)},
    **{f"negative, {bits} bits": cbor.encode(-(2**bits)) for bits in (5, 8, 16, 32, 63)},
    "below the range": cbor.encode(-(2**63) - 1),
    "largest of 64 bits": bytes.fromhex("1bffffffffffffffff"),
    "smallest of 64 bits": bytes.fromhex("3bffffffffffffffff"),
    **{f"{count} lists deep": _nested("81", count, "80") for count in (14, 15, 16, 17, 18, 40)},
    **{f"a number {count} lists deep": _nested("81", count, "01") for count in (15, 16, 17, 18)},
    **{f"{count} maps deep": _nested("a1" + "60", count, "a0") for count in (14, 15, 16, 17, 18)},
    "a key twice": bytes.fromhex("a2616101616102"),
    "a longer key first": bytes.fromhex("a262616101616202"),
    "a key of bytes": bytes.fromhex("a1416101"),
    "a key that is a number": bytes.fromhex("a10101"),
    "a number in two bytes that fits one": bytes.fromhex("1900ff"),
    "a number in four bytes that fits two": bytes.fromhex("1a0000ffff"),
    "a number in eight bytes that fits four": bytes.fromhex("1b00000000ffffffff"),
    "an endless string": bytes.fromhex("5f4161ff"),
    "an endless list": bytes.fromhex("9fff"),
    "a length of 2**64 - 1": bytes.fromhex("5bffffffffffffffff"),
    "a list of 2**64 - 1": bytes.fromhex("9bffffffffffffffff"),
    "a reserved length": bytes.fromhex("1c"),
    "undefined": bytes.fromhex("f7"),
    "a simple value": bytes.fromhex("f0"),
    "a half float": bytes.fromhex("f93c00"),
    "a tag": bytes.fromhex("c101"),
    "text that is not UTF-8": bytes.fromhex("61ff"),
    "half of a surrogate pair": bytes.fromhex("63eda080"),
    "nothing": b"",
}


@pytest.mark.parametrize("name", EDGES)
def test_the_quick_reading_agrees_with_the_codec_at_every_edge(name: str) -> None:
    assert _outcome(_quickly, EDGES[name]) == _outcome(_strictly, EDGES[name])
