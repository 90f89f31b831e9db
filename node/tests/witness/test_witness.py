"""A witness against the published cases of tlog-witness, and against logs that fork or go back."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from gchain_node.errors import StateError, VerificationError
from gchain_node.keys.file_key import FileKey
from gchain_node.proof import merkle
from gchain_node.tlog.checkpoint import Checkpoint, verify_checkpoint
from gchain_node.tlog.note import ED25519, Note, NoteSignature, VerifierKey
from gchain_node.tlog.signing import cosigner_key, log_key, sign_checkpoint
from gchain_node.tlog.tree import LogTree
from gchain_node.witness.cli import witness_application
from gchain_node.witness.memory import WitnessMemory
from gchain_node.witness.witness import Request, Witness

VECTORS = json.loads((Path(__file__).parent.parent / "cases/checkpoint/witness_add_checkpoint.json").read_text())
NAME, ORIGIN, NOW = "witness.example", "gchain/test", 1_800_000_000
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(40)]
TREE = LogTree(lambda level, start, end: LEAVES[start:end])
LOG, KEY = FileKey(Ed25519PrivateKey.generate()), FileKey(Ed25519PrivateKey.generate())


def witness(directory: Path, logs: dict[str, list[VerifierKey]] | None = None) -> tuple[Witness, WitnessMemory]:
    memory = WitnessMemory(directory)
    known = {ORIGIN: [log_key(ORIGIN, LOG.public_key)]} if logs is None else logs
    return Witness(NAME, KEY, known, memory, lambda: NOW), memory


def request(old: int, size: int, root: bytes | None = None) -> bytes:
    note = sign_checkpoint(Checkpoint(ORIGIN, size, root or TREE.root(size)), LOG)
    return bytes(Request(old, tuple(TREE.consistency(old, size)) if 0 < old < size else (), note))


def post(judge: Witness, body: bytes) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(witness_application(judge))
        async with httpx.AsyncClient(transport=transport, base_url="http://witness") as client:
            return await client.post("/add-checkpoint", content=body)

    return asyncio.run(send())


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["id"])
def test_a_request_is_answered_as_published(case: dict[str, Any], tmp_path: Path) -> None:
    log = VECTORS["log"]
    key = VerifierKey(log["origin"], ED25519, bytes.fromhex(log["ed25519_public_key"]))
    memory = WitnessMemory(tmp_path)
    if case["latest"]:
        latest = case["latest"]
        memory.advance(latest["origin"], latest["size"], base64.b64decode(latest["root_hash"]))
    judged = Witness(VECTORS["witness_name"], KEY, {log["origin"]: [key]}, memory, lambda: NOW)
    answer = post(judged, case["request_body"].encode())
    assert answer.status_code == case["expected_status"]
    wanted = case["expected_body"]
    assert answer.text == wanted["value"] if wanted["op"] == "equals" else wanted["value"] in answer.text
    memory.close()


def test_a_growing_log_is_cosigned_and_the_cosignature_verifies(tmp_path: Path) -> None:
    judge, memory = witness(tmp_path)
    for old, size in ((0, 5), (5, 5), (5, 8), (8, 40)):
        body = request(old, size)
        answer = judge.add_checkpoint(body)
        assert answer.status == 200, answer.body
        note = Request.parse(body).note
        whole = Note(note.text, (*note.signatures, NoteSignature.parse(answer.body.rstrip("\n"))))
        known = cosigner_key(NAME, KEY.public_key)
        signers = verify_checkpoint(whole, ORIGIN, [log_key(ORIGIN, LOG.public_key)], [known])
        assert [(v.key.name, v.time) for v in signers.witnesses] == [(NAME, NOW)]
    memory.close()


def test_what_was_cosigned_is_remembered_by_the_next_process(tmp_path: Path) -> None:
    judge, memory = witness(tmp_path)
    assert judge.add_checkpoint(request(0, 9)).status == 200
    with pytest.raises(StateError, match="another witness"):
        WitnessMemory(tmp_path)
    memory.close()
    judge, memory = witness(tmp_path)
    assert (judge.add_checkpoint(request(0, 12)).status, judge.add_checkpoint(request(0, 12)).body) == (409, "9\n")
    assert judge.add_checkpoint(request(9, 12)).status == 200
    memory.close()


def test_a_log_that_forks_or_goes_back_is_not_cosigned(tmp_path: Path) -> None:
    judge, memory = witness(tmp_path)
    assert judge.add_checkpoint(request(0, 9)).status == 200
    assert judge.add_checkpoint(request(9, 9, root=bytes(32))).status == 409
    assert judge.add_checkpoint(request(9, 12, root=bytes(32))).status == 422
    assert judge.add_checkpoint(request(4, 4)).status == 409
    assert judge.add_checkpoint(request(9, 4)).status == 400
    assert memory.latest(ORIGIN) == (9, TREE.root(9))
    with pytest.raises(StateError, match="never goes back"):
        memory.advance(ORIGIN, 4, TREE.root(4))
    memory.close()


def test_a_stranger_signs_no_checkpoint_and_an_unknown_log_is_said_to_be_unknown(tmp_path: Path) -> None:
    stranger = sign_checkpoint(Checkpoint(ORIGIN, 3, TREE.root(3)), KEY)
    judge, memory = witness(tmp_path)
    assert judge.add_checkpoint(bytes(Request(0, (), stranger))).status == 403
    memory.close()
    judge, memory = witness(tmp_path, logs={})
    assert judge.add_checkpoint(request(0, 3)).status == 404
    memory.close()


def test_a_memory_that_was_damaged_stops_the_witness(tmp_path: Path) -> None:
    judge, memory = witness(tmp_path)
    assert judge.add_checkpoint(request(0, 3)).status == 200
    (file,) = tmp_path.glob("*.json")
    file.write_text("{}")
    answer = post(judge, request(3, 4))
    assert answer.status_code == 503
    assert "nothing was cosigned" in answer.text
    memory.close()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_make_a_request_fail_in_another_way(body: bytes) -> None:
    try:
        Request.parse(body)
    except VerificationError:
        return
    assert body.startswith(b"old ")
