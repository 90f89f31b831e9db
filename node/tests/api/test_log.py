"""The log over HTTP: what a follower fetches leads to the root that the members' ledger attests."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gchain_node.client import Client
from gchain_node.errors import VerificationError
from gchain_node.keys.file_key import FileKey
from gchain_node.proof import merkle
from gchain_node.proof.receipt import verify_receipt
from gchain_node.proof.saved import verify_cose, verify_state
from gchain_node.proof.trust import Trust
from gchain_node.tlog.checkpoint import Checkpoint, verify_checkpoint
from gchain_node.tlog.cli import cosign_command
from gchain_node.tlog.cosigning import cosigned_by, hand_in
from gchain_node.tlog.entries import Entry, unbundle
from gchain_node.tlog.note import Note, VerifierKey
from gchain_node.tlog.signing import cosign, cosigner_key
from gchain_node.tlog.tiles import TilePath
from gchain_node.witness.cli import witness_application
from gchain_node.witness.memory import WitnessMemory
from gchain_node.witness.witness import Witness

Served = Any  # of conftest.py, which pytest does not let tests import


def raw64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def summary(served: Served) -> dict[str, Any]:
    answer: dict[str, Any] = served.status.get("/v1/log").json()
    return answer


def checkpoint(served: Served) -> Checkpoint:
    keys = [VerifierKey.parse(key) for key in summary(served)["keys"]]
    return verify_checkpoint(Note.parse(served.status.get("/checkpoint").text), "gchain/gchain-dev", keys).checkpoint


def cosigned(served: Served, note: Note) -> Note:
    line = cosign(note.text, "witness.example", served.witness, int(time.time()))
    return Note(note.text, (*note.signatures, line))


def witnessing(served: Served, **changes: Any) -> Trust:
    """The trust file with the witness of this ledger in it."""
    document = served.trust.to_json()
    keys = [str(cosigner_key("witness.example", served.witness.public_key))]
    document["witness"] = {"keys": keys, "threshold": 1, "checkpoint": None}
    return Trust.from_json(json.loads(json.dumps(document | changes)))


def test_entries_and_tiles_lead_to_the_signed_root_which_the_state_has_too(served: Served) -> None:
    committed = [served.commit(f"record-{number}") for number in range(3)]
    head = checkpoint(served)
    width = TilePath(None, 0, head.size)
    entries = unbundle(served.status.get(f"/tile/{width}").content)
    assert merkle.root(entries) == head.root
    assert served.status.get(f"/tile/{TilePath(0, 0, head.size)}").content == b"".join(map(merkle.leaf_hash, entries))
    decoded = [Entry.decode(entry) for entry in entries]
    assert [entry.tx.hex() for entry in decoded[-3:]] == [answer["hash"] for answer in committed]
    assert served.status.get("/v1/query/log").json()["value"]["size"] == head.size == summary(served)["size"]


def test_an_older_log_is_shown_to_be_a_prefix_of_the_newer(served: Served) -> None:
    served.commit("first")
    old = checkpoint(served)
    served.commit("second"), served.commit("third")
    new = checkpoint(served)
    answer = served.status.get("/v1/log/consistency", params={"old": old.size, "new": new.size}).json()
    path = [raw64(step) for step in answer["path"]]
    merkle.verify_consistency(old.size, new.size, path, old.root, new.root)
    with pytest.raises(VerificationError):
        merkle.verify_consistency(old.size, new.size, path, new.root, old.root)


@pytest.mark.parametrize("path", ["0/001", "1/000", "0/000", "entries/000.p/250", "0/x", "entries/../000", "9/000.p/1"])
def test_a_tile_that_is_not_there_is_refused(served: Served, path: str) -> None:
    assert served.status.get(f"/tile/{path}").status_code == 404


@pytest.mark.parametrize(
    ("old", "new", "status"), [("0", "1", 404), ("2", "1", 404), ("1", "999", 404), ("x", "1", 400), ("1", "", 400)]
)
def test_no_consistency_is_shown_between_sizes_that_make_none(served: Served, old: str, new: str, status: int) -> None:
    assert served.status.get("/v1/log/consistency", params={"old": old, "new": new}).status_code == status


def test_a_receipt_holds_its_place_in_the_log_and_says_who_signed_it(served: Served) -> None:
    receipt = served.api.get(f"/v1/receipts/{served.commit('logged')['hash']}").json()
    proven = verify_receipt(receipt, served.trust)
    assert proven.log is not None
    assert proven.log.members == ("dev",)
    assert "of the ledger's log of" in proven.sentence()
    assert "no witness outside the consortium" in proven.sentence()


def test_a_cosigned_checkpoint_stands_behind_the_receipts_that_it_covers(served: Served) -> None:
    hash_ = served.commit("witnessed")["hash"]
    assert served.status.get("/v1/log/cosigned").status_code == 404
    note = cosigned(served, served.log.checkpoint())
    assert served.api.post("/v1/log/cosigned", content=str(note)).status_code == 200
    assert served.status.get("/v1/log/cosigned").text == str(note)
    receipt = served.api.get(f"/v1/receipts/{hash_}").json()
    proven = verify_receipt(receipt, witnessing(served))
    assert [name for name, _ in proven.witnesses] == ["witness.example"]
    assert "cosigned by witness.example at" in proven.sentence()
    assert "no witness" not in proven.sentence()
    later = served.api.get(f"/v1/receipts/{served.commit('later')['hash']}").json()
    assert verify_receipt(later, witnessing(served)).witnesses == ()


def test_a_trust_file_with_a_witness_and_no_validators_needs_the_cosignature(served: Served) -> None:
    hash_ = served.commit("alone")["hash"]
    alone = witnessing(served, validators=[], log_keys=[])
    plain = served.api.get(f"/v1/receipts/{hash_}").json()
    with pytest.raises(VerificationError):
        verify_receipt(plain, alone)
    served.api.post("/v1/log/cosigned", content=str(cosigned(served, served.log.checkpoint())))
    proven = verify_receipt(served.api.get(f"/v1/receipts/{hash_}").json(), alone)
    assert proven.attested is None
    assert "witnessed log alone" in proven.sentence()
    with pytest.raises(VerificationError, match="neither validators nor witnesses"):
        Trust.from_json(served.trust.to_json() | {"validators": []})


def test_a_checkpoint_in_the_trust_file_serves_a_receipt_that_has_none(served: Served) -> None:
    hash_ = served.commit("brought")["hash"]
    note = cosigned(served, served.log.checkpoint())
    trust = witnessing(served)
    document = trust.to_json()
    document["witness"]["checkpoint"] = str(note)
    receipt = served.api.get(f"/v1/receipts/{hash_}").json()
    assert verify_receipt(receipt, Trust.from_json(document)).witnesses == ()
    receipt["log"]["checkpoint"] = None
    assert verify_receipt(receipt, Trust.from_json(document)).witnesses != ()
    with pytest.raises(VerificationError, match="neither"):
        verify_receipt(receipt, trust)


def test_a_cose_receipt_is_verified_offline_by_the_trust_file(served: Served, tmp_path: Path) -> None:
    raw = served.signed("cose")
    hash_ = served.submit(raw, wait=1).json()["hash"]
    receipt = served.status.get(f"/v1/receipts/{hash_}/cose").content
    sentence, document = verify_cose(receipt, served.trust, raw)
    assert (document["transaction"], document["signer"], document["code"]) == (hash_, "dev", 0)
    assert "this is dev's word" in sentence
    with pytest.raises(VerificationError, match="not of the one given"):
        verify_cose(receipt, served.trust, raw + b"x")
    stranger = json.loads(json.dumps(served.trust.to_json())) | {"log_keys": []}
    with pytest.raises(VerificationError, match="names no log key"):
        verify_cose(receipt, Trust.from_json(stranger), raw)
    assert served.status.get(f"/v1/receipts/{'00' * 32}/cose").status_code == 404


@pytest.mark.parametrize("path", ["records/kept", "records/never", "members/dev", "log"])
def test_a_saved_proof_of_a_value_or_of_its_absence_is_verified_offline(served: Served, path: str) -> None:
    served.commit("kept")
    with Client(str(served.status.base_url)) as client:
        saved = client.saved_proof(path)
    sentence, document = verify_state(saved, served.trust)
    assert document["path"] == path
    assert ("is absent" in sentence) == (path == "records/never") == (document["value"] is None)
    for change in ({"path": "records/other"}, {"height": saved["height"] + 5}, {"chain_id": "x"}, {"version": 2}):
        with pytest.raises(VerificationError):
            verify_state(saved | change, served.trust)
    proof = bytearray(raw64(saved["proof"]))
    for place in range(0, len(proof), 7):
        proof[place] ^= 1
        with pytest.raises(VerificationError):
            verify_state(saved | {"proof": base64.urlsafe_b64encode(proof).decode()}, served.trust)
        proof[place] ^= 1


@pytest.mark.parametrize("damage", ["witness", "log", "other", "none"])
def test_a_cosigned_checkpoint_that_does_not_hold_is_not_taken(served: Served, damage: str) -> None:
    served.commit("refused")
    note = served.log.checkpoint()
    good = cosigned(served, note)
    log, witness = good.signatures
    spoiled = {
        "witness": str(Note(good.text, (log, type(witness)(witness.name, witness.key_id, b"x" * 72)))),
        "log": str(Note(good.text, (witness,))),
        "other": str(cosigned(served, Note(good.text.replace("gchain-dev", "gchain-xxx"), (log,)))),
        "none": str(note),
    }
    answer = served.api.post("/v1/log/cosigned", content=spoiled[damage])
    assert answer.status_code == 422, answer.text
    assert served.status.post("/v1/log/cosigned", content=str(good)).status_code == 405
    assert served.status.get("/v1/log/cosigned").status_code == 404


def test_a_witness_that_follows_the_log_stands_behind_its_receipts(
    served: Served, tmp_path: Path, listening: Any
) -> None:
    """Over HTTP from node to witness and back, twice: the second time with a consistency proof."""
    known = {"gchain/gchain-dev": [VerifierKey.parse(key) for key in summary(served)["keys"]]}
    memory = WitnessMemory(tmp_path / "witness")
    witness = Witness("witness.example", served.witness, known, memory, lambda: int(time.time()))
    with listening(witness_application(witness)) as client:
        for record in ("one", "two"):
            hash_ = served.commit(record)["hash"]
            hand_in(served.api, cosigned_by(served.api, [client]))
            proven = verify_receipt(served.api.get(f"/v1/receipts/{hash_}").json(), witnessing(served))
            assert [name for name, _ in proven.witnesses] == ["witness.example"]
    memory.close()


def test_a_policys_quorum_decides_whether_enough_witnesses_cosigned(
    served: Served, tmp_path: Path, listening: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"gchain/gchain-dev": [VerifierKey.parse(key) for key in summary(served)["keys"]]}
    memory, policy = WitnessMemory(tmp_path / "witness"), tmp_path / "policy"
    witness = Witness("witness.example", served.witness, known, memory, lambda: int(time.time()))
    own, away = cosigner_key("witness.example", served.witness.public_key), FileKey(Ed25519PrivateKey.generate())
    served.commit("by-policy")
    with listening(witness_application(witness)) as client:
        lines = [
            f"witness here {own} {client.base_url}",
            f"witness away {cosigner_key('away.example', away.public_key)} http://127.0.0.1:9",
            "group both {} here away",
            "quorum both",
        ]
        policy.write_text("\n".join(lines).format("all"))
        with pytest.raises(VerificationError, match="less than the quorum"):
            cosign_command(policy, url=str(served.api.base_url))
        assert served.status.get("/v1/log/cosigned").status_code == 404
        policy.write_text("\n".join(lines).format("any"))
        cosign_command(policy, url=str(served.api.base_url), keep=True)
    assert "127.0.0.1:9" in capsys.readouterr().err
    assert "witness.example" in served.status.get("/v1/log/cosigned").text
    memory.close()
