"""Signed notes, checkpoints and tiles against the vectors of C2SP, golang/mod, formats, tessera and Rekor."""

from __future__ import annotations

import base64
import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from gchain_node.errors import VerificationError
from gchain_node.proof import merkle
from gchain_node.tlog.checkpoint import Checkpoint, verify_checkpoint
from gchain_node.tlog.entries import bundle, unbundle
from gchain_node.tlog.note import ED25519, Note, VerifierKey
from gchain_node.tlog.policy import Policy
from gchain_node.tlog.proof_file import TlogProof
from gchain_node.tlog.tiles import TilePath

CASES = Path(__file__).parent.parent / "cases" / "checkpoint"
ML_DSA = 6  # a type of cosignature that this program passes over, as it does any key that it does not know


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CASES / name).read_text())
    return found


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in document(name)["cases"]]


def judged(valid: bool) -> AbstractContextManager[Any]:
    return nullcontext() if valid else pytest.raises(VerificationError)


def readable(keys: list[str]) -> list[VerifierKey]:
    return [VerifierKey.parse(k) for k in keys if base64.b64decode(k.split("+", 2)[2])[0] != ML_DSA]


@pytest.mark.parametrize("case", cases("signed_notes.json"))
def test_a_note_is_opened_or_refused_as_published(case: dict[str, Any]) -> None:
    raw = bytes.fromhex(case["note_hex"]) if "note_hex" in case else case["note"]
    keys = [VerifierKey.parse(text) for text in case["verifier_keys"]]
    with judged(case["expected"] != "malformed"):
        note = Note.parse(raw)
        with judged(case["expected"] == "valid"):
            assert len(note.verify(keys)) == case["verified_signatures"]
        assert str(note) == case["note"]


@pytest.mark.parametrize("case", cases("verifier_keys.json"))
def test_a_verifier_key_is_read_or_refused_as_published(case: dict[str, Any]) -> None:
    with judged(case["expected"] == "valid"):
        assert str(VerifierKey.parse(case["vkey"])) == case["vkey"]


@pytest.mark.parametrize("case", cases("checkpoint_bodies.json"))
def test_a_checkpoint_is_read_or_refused_as_published(case: dict[str, Any]) -> None:
    with judged(case["expected"] == "valid"):
        found = Checkpoint.parse(case["body"])
        assert {
            "origin": found.origin,
            "size": str(found.size),
            "root_hash": found.root.hex(),
            "extensions": list(found.extensions),
        } == case["fields"]
        assert str(found) == case["body"]


@pytest.mark.parametrize("case", cases("tile_log.json"))
def test_tiles_and_entries_of_a_log_lead_to_its_signed_root(case: dict[str, Any]) -> None:
    key = VerifierKey.parse(document("tile_log.json")["log_vkey"])
    checkpoint = verify_checkpoint(Note.parse(case["checkpoint"]), key.name, [key]).checkpoint
    assert checkpoint.size == case["size"]
    entries = unbundle(bytes.fromhex(case.get("entry_bundle", {}).get("hex", "")))
    assert entries == [entry.encode() for entry in case.get("entries", [])]
    assert merkle.root(entries) == checkpoint.root
    if entries:
        assert bundle(entries).hex() == case["entry_bundle"]["hex"]
        assert b"".join(map(merkle.leaf_hash, entries)).hex() == case["hash_tile"]["hex"]
        assert TilePath.parse(case["hash_tile"]["path"].removeprefix("tile/")) == TilePath(0, 0, len(entries))
        assert TilePath.parse(case["entry_bundle"]["path"].removeprefix("tile/")) == TilePath(None, 0, len(entries))


@pytest.mark.parametrize("case", cases("cosigned_checkpoints.json"))
def test_a_cosigned_checkpoint_is_judged_as_published(case: dict[str, Any]) -> None:
    log, note = VerifierKey.parse(case["log_vkey"]), Note.parse(case["note"])
    witnesses = readable(case["witness_vkeys"])
    assert verify_checkpoint(note, log.name, [log]).witnesses == ()
    with judged(not case["expected"].get("note_rejected")):
        signers = verify_checkpoint(note, log.name, [log], witnesses)
        assert len(signers.witnesses) == len(witnesses)
        assert all(entry.time and entry.time > 1_700_000_000 for entry in signers.witnesses)


@pytest.mark.parametrize("case", cases("rekor_checkpoints.json"))
def test_a_checkpoint_and_inclusion_proof_of_rekor_are_judged_as_published(case: dict[str, Any]) -> None:
    key = VerifierKey(case["log_name"], ED25519, bytes.fromhex(case["log_ed25519_public_key"]))
    assert key.id.hex() == case["log_key_id"]
    with judged(case["expected"] == "valid"):
        checkpoint = verify_checkpoint(Note.parse(case["checkpoint"]), key.name, [key]).checkpoint
        path = [base64.b64decode(step) for step in case["inclusion_path"]]
        leaf = merkle.leaf_hash(base64.b64decode(case["leaf_data"]))
        merkle.verify_inclusion(leaf, int(case["leaf_index"]), checkpoint.size, path, checkpoint.root)


@pytest.mark.parametrize("case", cases("witness_policies.json"))
def test_a_witness_policy_is_read_or_refused_as_published(case: dict[str, Any]) -> None:
    with judged(case["expected"] == "valid"):
        policy = Policy.parse(case["policy"])
        assert policy.quorum is not None
        group = policy.groups[policy.quorum]
        assert (group.threshold, len(group.members)) == (case["quorum"]["threshold"], case["quorum"]["members"])
        keys = [witness.key for witness in policy.witnesses.values()]
        assert policy.satisfied(keys[: group.threshold])
        assert not policy.satisfied(keys[: group.threshold - 1])


@pytest.mark.parametrize("case", cases("tlog_proofs.json"))
def test_a_tlog_proof_is_read_or_refused_as_published(case: dict[str, Any]) -> None:
    with judged(case["expected"] == "valid"):
        proof = TlogProof.parse(case["proof"])
        assert str(proof) == case["proof"]
        assert {
            "index": str(proof.index),
            "hashes": [base64.b64encode(hash_).decode() for hash_ in proof.hashes],
            "extra": None if proof.extra is None else base64.b64encode(proof.extra).decode(),
            "checkpoint": proof.checkpoint,
        } == case["fields"]
