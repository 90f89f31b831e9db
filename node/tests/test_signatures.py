"""Transaction signatures against the public vectors of COSE and Wycheproof."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from gchain_node import tx
from gchain_node.codes import Code
from gchain_node.errors import TransactionError

CASES = Path(__file__).parent / "cases"


class Message(tx.CoseSign1):
    """An envelope whose signed bytes are given, as signature vectors have no COSE around them."""

    __slots__ = ()

    @property
    def to_be_signed(self) -> bytes:
        return self.payload


def wycheproof(name: str) -> list[Any]:
    groups = json.loads((CASES / "wycheproof" / name).read_text())["testGroups"]
    return [pytest.param(g, t, id=f"{name.split('_test')[0]}-{t['tcId']}") for g in groups for t in g["tests"]]


def outcome(algorithm: str, key: Any, test: dict[str, Any]) -> Code:
    envelope = Message(algorithm, bytes(32), bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]), b"")
    if len(envelope.signature) != 64:
        return Code.MALFORMED  # `decode_sign1` answers so before any key is looked up
    try:
        tx.verify(envelope, key)
    except TransactionError as error:
        return error.code
    return Code.OK


@pytest.mark.parametrize(("group", "test"), wycheproof("ecdsa_secp256r1_sha256_p1363_test.json"))
def test_a_p256_signature_verifies_only_if_valid_and_low(group: dict[str, Any], test: dict[str, Any]) -> None:
    key = load_der_public_key(bytes.fromhex(group["publicKeyDer"]))
    high = len(test["sig"]) == 128 and int(test["sig"][64:], 16) > tx.P256_ORDER // 2
    expected = {Code.OK} if test["result"] == "valid" else {Code.BAD_SIGNATURE, Code.MALFORMED, Code.HIGH_S}
    assert outcome("ES256", key, test) in ({Code.HIGH_S} if high else expected)


@pytest.mark.parametrize(("group", "test"), wycheproof("ed25519_test.json"))
def test_an_ed25519_signature_verifies_only_if_valid(group: dict[str, Any], test: dict[str, Any]) -> None:
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]["pk"]))
    assert (outcome("EdDSA", key, test) is Code.OK) == (test["result"] == "valid")


def _decode_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


SIGN1 = json.loads((CASES / "cose" / "sign1.json").read_text())["cases"]
OF_THE_LEDGER = [c for c in SIGN1 if c["vector"]["input"]["sign0"]["key"]["crv"] in ("P-256", "Ed25519")]


def public_key(parts: dict[str, str]) -> ec.EllipticCurvePublicKey | Ed25519PublicKey:
    """Of a JSON Web Key; those of Examples write an Ed25519 key in hex."""
    if parts["crv"] == "Ed25519":
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(parts["x_hex"]))
    x, y = (int.from_bytes(_decode_base64url(parts[name]), "big") for name in "xy")
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


def judged(algorithm: str, key: Any, signed: bytes, signature: bytes, valid: bool) -> None:
    """The ledger's verdict on a signature is the published one, but for a high S, which it refuses too."""
    high = algorithm == "ES256" and int.from_bytes(signature[32:], "big") > tx.P256_ORDER // 2
    expected = Code.HIGH_S if high else Code.OK if valid else Code.BAD_SIGNATURE
    assert outcome(algorithm, key, {"msg": signed.hex(), "sig": signature.hex()}) is expected


@pytest.mark.parametrize("case", OF_THE_LEDGER, ids=lambda case: case["id"])
def test_the_published_cose_signature_verifies_over_our_sig_structure(case: dict[str, Any]) -> None:
    vector = case["vector"]
    source = vector["input"]["sign0"]
    raw = bytes.fromhex(vector["output"]["cbor"])
    decoded = cbor2.loads(raw)
    if isinstance(decoded, cbor2.CBORTag):
        if decoded.tag != 18:
            assert case["expected"] == "invalid"
            with pytest.raises(TransactionError):
                tx.decode_sign1(raw)
            return
        decoded = decoded.value
    protected, _, payload, signature = decoded
    signed = tx.sig_structure(protected, payload, bytes.fromhex(source.get("external", "")))
    if case["expected"] == "valid":
        assert signed.hex() == vector["intermediates"]["ToBeSign_hex"].lower()
    judged(source["alg"], public_key(source["key"]), signed, signature, case["expected"] == "valid")


def test_both_algorithms_of_the_ledger_are_among_the_published_cose_signatures() -> None:
    found = {case["vector"]["input"]["sign0"]["alg"] for case in OF_THE_LEDGER if case["expected"] == "valid"}
    assert found == set(tx.ALGORITHMS)


RECEIPTS = json.loads((CASES / "cose" / "receipts.json").read_text())["cases"]


@pytest.mark.parametrize("case", RECEIPTS, ids=lambda case: case["id"])
def test_a_signed_statement_of_scitt_verifies_and_another_payload_under_it_does_not(case: dict[str, Any]) -> None:
    """Of each receipt's statement; where a receipt is invalid, its statement is good."""
    protected, _, payload, signature = cbor2.loads(bytes.fromhex(case["statement"])).value
    assert payload.hex() == case["payload"]
    algorithm = {number: name for name, number in tx.ALGORITHMS.items()}[cbor2.loads(protected)[1]]
    key = load_pem_public_key(case["issuer_public_key_pem"].encode())
    judged(algorithm, key, tx.sig_structure(protected, payload), signature, valid=True)
    with pytest.raises(AssertionError):
        judged(algorithm, key, tx.sig_structure(protected, payload + b"!"), signature, valid=True)


TOKENS = json.loads((CASES / "status_list" / "tokens.json").read_text())


@pytest.mark.parametrize("case", TOKENS["cases"], ids=lambda case: case["id"])
def test_a_status_lists_token_is_judged_by_its_signature_as_published(case: dict[str, Any]) -> None:
    if case["form"] == "cwt":
        protected, _, payload, signature = cbor2.loads(bytes.fromhex(case["token"])).value
        signed = tx.sig_structure(protected, payload)
    else:
        text, _, mark = case["token"].rpartition(".")
        signed, signature = text.encode(), _decode_base64url(mark)
    judged("ES256", public_key(TOKENS["public_key"]), signed, signature, case["expected"] == "valid")
