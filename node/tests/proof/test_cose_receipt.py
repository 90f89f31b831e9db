"""COSE receipts against the vectors of SCITT and of the RFC, and every byte of one of our own changed."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from gchain_node.errors import VerificationError
from gchain_node.keys.file_key import FileKey
from gchain_node.proof import merkle
from gchain_node.proof.cose_receipt import CoseReceipt, make_cose_receipt, verify_cose_receipt

CASES = Path(__file__).parent.parent / "cases" / "cose"
KEY = FileKey(ec.generate_private_key(ec.SECP256R1()))
ENTRIES = [bytes([number]) for number in range(11)]


def published(name: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in json.loads((CASES / name).read_text())["cases"]]


def made(index: int = 6) -> bytes:
    path, root = merkle.inclusion_path(ENTRIES, index), merkle.root(ENTRIES)
    return make_cose_receipt(ENTRIES[index], index, len(ENTRIES), path, root, KEY.kid, KEY.sign)


@pytest.mark.parametrize("case", published("receipts.json"))
def test_a_receipt_of_scitt_is_judged_as_published(case: dict[str, Any]) -> None:
    if case["id"] == "valid-ccf-vds2":  # of CCF's own tree, which is not RFC 9162's
        with pytest.raises(VerificationError, match="verifiable data structure 2"):
            CoseReceipt.decode(bytes.fromhex(case["receipt"]))
        return
    key: PublicKeyTypes = load_pem_public_key(case["log_public_key_pem"].encode())
    statement = bytes.fromhex(case["statement"])

    def verify() -> None:
        verify_cose_receipt(CoseReceipt.decode(bytes.fromhex(case["receipt"])), statement_leaf(statement), key)

    if case["expected"] == "valid":
        verify()
    else:
        with pytest.raises(VerificationError):
            verify()


def statement_leaf(statement: bytes) -> bytes:
    """The log of these vectors has as entry the SHA-256 of the statement."""
    return hashlib.sha256(statement).digest()


@pytest.mark.parametrize("case", published("rfc9942_examples.json"))
def test_the_rfcs_example_is_read_as_published(case: dict[str, Any]) -> None:
    receipt = CoseReceipt.decode(bytes.fromhex(case["receipt"]))
    assert (receipt.size, receipt.index) == (case["decoded"]["tree_size"], case["decoded"]["leaf_index"])


@pytest.mark.parametrize("index", range(11))
def test_a_receipt_made_for_an_entry_verifies_for_it_and_for_no_other(index: int) -> None:
    receipt = CoseReceipt.decode(made(index))
    assert receipt.entry == ENTRIES[index]
    assert verify_cose_receipt(receipt, ENTRIES[index], KEY.public_key) == merkle.root(ENTRIES)
    with pytest.raises(VerificationError):
        verify_cose_receipt(receipt, ENTRIES[index - 1], KEY.public_key)
    stranger = FileKey(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(VerificationError):
        verify_cose_receipt(receipt, ENTRIES[index], stranger.public_key)


def claim(raw: bytes) -> tuple[int, bytes | None] | None:
    """What a receipt proves: an entry at a place; None if nothing."""
    try:
        receipt = CoseReceipt.decode(raw)
        verify_cose_receipt(receipt, receipt.entry or b"", KEY.public_key)
    except VerificationError:
        return None
    return receipt.index, receipt.entry


def test_no_changed_bit_makes_a_receipt_prove_anything_else() -> None:
    raw = made()
    for place, bit in itertools.product(range(len(raw)), range(8)):
        changed = raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]
        assert claim(changed) in (None, claim(raw)), "only a size that fits the same path goes unnoticed"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fail_in_another_way(raw: bytes) -> None:
    with pytest.raises(VerificationError):
        CoseReceipt.decode(raw)
