from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import rfc8785

from gchain_node.dsse import pae, sign_dsse, verify_dsse
from gchain_node.errors import ConfigurationError, KeyAccessError, VerificationError
from gchain_node.keys import load_public_key
from gchain_node.keys.uri import DEFAULT_MODULE
from gchain_node.officer import approve, describe_subject, init_officer, open_officer, read_subject, verify_public_file
from gchain_node.tx import decode_sign1, verify

pytestmark = pytest.mark.skipif(
    not Path(DEFAULT_MODULE).exists(), reason=f"SoftHSM2 is not installed: {DEFAULT_MODULE}"
)
SUBJECT = rfc8785.dumps({"kind": "go-live", "chain_id": "c", "expires_height": 100})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one officer, alice. Tests leave it as it is, or add to it."""
    made = tmp_path_factory.mktemp("officers") / "store"
    init_officer(made, "alice", member="treasury", consortium="gov")
    return made


def test_an_officers_public_file_proves_possession(store: Path) -> None:
    document = json.loads((store / "alice.json").read_text())
    verify_public_file(document)
    with pytest.raises(VerificationError, match="proof of possession"):
        verify_public_file(document | {"member": "health"})


def test_a_second_init_keeps_key_and_file(store: Path) -> None:
    before = (store / "alice.json").read_bytes()
    init_officer(store, "alice", member="treasury", consortium="gov")
    assert (store / "alice.json").read_bytes() == before


def test_two_officers_of_one_store_have_keys_and_pins_of_their_own(store: Path) -> None:
    init_officer(store, "bob", member="treasury", consortium="gov")
    alice, bob = open_officer(store, "alice"), open_officer(store, "bob")
    assert alice.kid != bob.kid
    assert (store / "alice.pin").read_text() != (store / "bob.pin").read_text()
    alice.close()
    bob.close()


def test_officers_of_two_members_work_in_one_process(store: Path, tmp_path: Path) -> None:
    init_officer(tmp_path / "health", "dora", member="health", consortium="gov")
    keys = [open_officer(store, "alice"), open_officer(tmp_path / "health", "dora")]
    for key in keys * 2:
        envelope = decode_sign1(approve(SUBJECT, key))
        verify(envelope, key.public_key)
        assert envelope.payload == SUBJECT
    for key in keys:
        key.close()


def test_secrets_of_a_store_are_for_the_officer_alone(store: Path) -> None:
    assert store.stat().st_mode & 0o777 == 0o700
    assert (store / "alice.pin").stat().st_mode & 0o777 == 0o600


def test_an_officer_that_is_not_there_is_named_with_those_that_are(store: Path) -> None:
    with pytest.raises(KeyAccessError, match=r"no officer 'carol'.*alice"):
        open_officer(store, "carol")


@pytest.mark.parametrize("name", ["", "Alice", "a b", "x" * 25, "../a"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="officer name"):
        init_officer(tmp_path / "s", name, member="m", consortium="c")


def test_a_person_reads_what_they_approve() -> None:
    assert describe_subject(SUBJECT).splitlines() == ["approve: go-live", "  chain_id: c", "  expires_height: 100"]


@pytest.mark.parametrize("raw", [b'{"kind": "go-live"}', b'{"a":1}', b"[]", b"not json", SUBJECT + b"\n"])
def test_a_subject_that_is_not_canonical_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "subject.json").write_bytes(raw)
    with pytest.raises(VerificationError):
        read_subject(tmp_path / "subject.json")


def test_the_approve_command_signs_exactly_the_file(store: Path, tmp_path: Path) -> None:
    (tmp_path / "subject.json").write_bytes(SUBJECT)
    arguments = [
        "--subject",
        tmp_path / "subject.json",
        "--store",
        store,
        "--name",
        "alice",
        "--out",
        tmp_path / "a.cose",
    ]
    command = [sys.executable, "-m", "gchain_node.cli", "officer", "approve", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "SOFTHSM2_CONF"}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "approve: go-live" in result.stdout
    envelope = decode_sign1((tmp_path / "a.cose").read_bytes())
    verify(envelope, load_public_key(json.loads((store / "alice.json").read_text())["public_key"]))
    assert envelope.payload == SUBJECT


TYPE = "application/vnd.gchain.member-report+json"


def test_the_pre_authentication_encoding_is_dsses() -> None:
    assert (
        pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_report_in_an_envelope_verifies_and_a_changed_one_does_not(store: Path) -> None:
    key = open_officer(store, "alice")
    envelope = json.loads(json.dumps(sign_dsse(TYPE, b"report", key)))
    known = {key.kid.hex(): key.public_key}
    assert verify_dsse(envelope, TYPE, known) == (b"report", [key.kid.hex()])
    with pytest.raises(VerificationError, match="does not verify"):
        verify_dsse(envelope | {"payload": "cmVwb3J0MQ=="}, TYPE, known)
    with pytest.raises(VerificationError, match="expected"):
        verify_dsse(envelope, "text/plain", known)
    with pytest.raises(VerificationError, match="no signature of a known key"):
        verify_dsse(envelope, TYPE, {})
    with pytest.raises(VerificationError, match="not a DSSE"):
        verify_dsse({"payload": "!"}, TYPE, known)
    key.close()
