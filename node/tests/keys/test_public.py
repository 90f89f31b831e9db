from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gchain_node._proto import types_pb2 as types
from gchain_node.errors import KeyAccessError, VerificationError
from gchain_node.keys import (
    PublicKey,
    cometbft_address,
    cometbft_bytes,
    cometbft_type,
    encode_public_key,
    load_public_key,
    verify_signature,
)
from gchain_node.keys.public import CURVE_ORDERS, low_s

CASES = Path(__file__).parent.parent / "cases"


def _cometbft_keys() -> list[Any]:
    return [
        pytest.param(case, id=case["id"]) for case in json.loads((CASES / "cometbft/keys.json").read_text())["cases"]
    ]


def _wycheproof(name: str) -> list[Any]:
    groups = json.loads((CASES / "wycheproof" / name).read_text())["testGroups"]
    return [
        pytest.param(load_public_key(bytes.fromhex(group["publicKeyDer"])), test, id=f"{test['tcId']}")
        for group in groups
        for test in group["tests"]
    ]


def _verifies(key: PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        verify_signature(key, message, signature)
    except VerificationError:
        return False
    return True


@pytest.mark.parametrize("case", _cometbft_keys())
def test_type_bytes_and_address_are_cometbfts(case: dict[str, Any]) -> None:
    private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    if case["type"] == "ed25519":
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["seed"]))
    else:
        private = ec.derive_private_key(int(case["scalar"], 16), ec.SECP256K1())
    public = private.public_key()
    assert cometbft_type(public) == case["type"]
    assert cometbft_bytes(public).hex() == case["pub_key"]
    assert cometbft_address(public).hex().upper() == case["address"]
    assert base64.b64encode(cometbft_bytes(public)).decode() == case["pub_key_json"]["value"]
    encoded = types.PublicKey(**{case["type"]: cometbft_bytes(public)}).SerializeToString()
    assert encoded.hex() == case["pub_key_proto"]


@pytest.mark.parametrize(("key", "case"), _wycheproof("ed25519_test.json"))
def test_wycheproof_ed25519(key: PublicKey, case: dict[str, Any]) -> None:
    verified = _verifies(key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
    assert verified == (case["result"] == "valid"), case["comment"]


def _is_low_s_raw(signature: bytes, curve: str) -> bool:
    return len(signature) == 64 and low_s(signature, curve) == signature


@pytest.mark.parametrize(
    ("key", "case"),
    _wycheproof("ecdsa_secp256k1_sha256_p1363_test.json") + _wycheproof("ecdsa_secp256r1_sha256_p1363_test.json"),
)
def test_wycheproof_ecdsa_with_high_s_refused_as_well(key: ec.EllipticCurvePublicKey, case: dict[str, Any]) -> None:
    signature = bytes.fromhex(case["sig"])
    verified = _verifies(key, bytes.fromhex(case["msg"]), signature)
    assert verified == (case["result"] == "valid" and _is_low_s_raw(signature, key.curve.name)), case["comment"]


@pytest.mark.parametrize(("key", "case"), _wycheproof("ecdsa_secp256k1_sha256_bitcoin_test.json"))
def test_wycheproof_secp256k1_where_high_s_is_invalid(key: PublicKey, case: dict[str, Any]) -> None:
    """The file's signatures are DER; what has no 64-byte form cannot reach the verifier and must be one of the
    invalid.
    """
    try:
        r, s = decode_dss_signature(bytes.fromhex(case["sig"]))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    except (ValueError, OverflowError):
        assert case["result"] == "invalid", case["comment"]
        return
    assert _verifies(key, bytes.fromhex(case["msg"]), signature) == (case["result"] == "valid"), case["comment"]


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP256K1()])
def test_low_s_turns_a_high_s_over_and_leaves_a_low_one(curve: ec.EllipticCurve) -> None:
    order = CURVE_ORDERS[curve.name]
    low = bytes(31) + b"\x05" + (order // 2).to_bytes(32, "big")
    high = bytes(31) + b"\x05" + (order - order // 2).to_bytes(32, "big")
    assert low_s(low, curve.name) == low
    assert low_s(high, curve.name) == low


def test_text_form_reads_back_the_same_key() -> None:
    for private in (ec.generate_private_key(ec.SECP256R1()), Ed25519PrivateKey.generate()):
        public = private.public_key()
        assert load_public_key(encode_public_key(public)) == public


@pytest.mark.parametrize("text", ["", "!!!!", "AAAA", "MFkw"])
def test_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(VerificationError, match="not a public key"):
        load_public_key(text)


def test_keys_that_the_ledger_does_not_use_are_refused() -> None:
    other_curve = ec.generate_private_key(ec.SECP384R1()).public_key()
    with pytest.raises(KeyAccessError, match="secp384r1"):
        load_public_key(other_curve.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    other_kind = rsa.generate_private_key(65537, 2048).public_key()
    with pytest.raises(VerificationError, match="RSA"):
        load_public_key(other_kind.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(KeyAccessError, match="P-256"):
        cometbft_type(ec.generate_private_key(ec.SECP256R1()).public_key())
