"""A key ceremony: what was made in front of whom, signed by enough of them, and what a record cannot be made to say."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from gchain.custody import ceremony_cli
from gchain.custody.ceremony import STEPS, Ceremony, Record, Step, add_signature, verify_ceremony
from gchain.environment import load
from gchain.errors import ConsortiumError, HostError
from gchain.workspace import Workspace
from gchain_node.errors import VerificationError
from gchain_node.keys import encode_public_key, key_id
from gchain_node.keys.file_key import FileKey

OBJECTS = {"consensus": "validator", "member": "member", "receipt": "member", "tls": "member"}
BOUND = {"sensitive": True, "always_sensitive": True, "never_extractable": True, "local": True, "sign": True}
FREE = {"extractable": False, "decrypt": False, "unwrap": False, "derive": False}
PRESENT = ["customs/c", "treasury/a", "treasury/b"]
KEYS = {name: FileKey(ec.generate_private_key(ec.SECP256R1())) for name in (*PRESENT, "health/absent")}
OFFICERS = {name: key.public_key for name, key in KEYS.items()}


class Host:
    """Tokens that make their keys once; the next step that is named in `breaks` fails."""

    def __init__(self, **attributes: bool) -> None:
        self.keys: dict[str, Any] = {}
        self.attributes, self.breaks, self.steps = BOUND | FREE | attributes, "", []
        self.labels = {"validator": "validator", "member": "member"}

    def __call__(self, step: Step) -> dict[str, Any]:
        if step == self.breaks:
            raise HostError(f"{step} broke")
        self.steps.append(step)
        created = []
        if step == "make" and not self.keys:
            self.keys = {name: Ed25519PrivateKey.generate().public_key() for name in OBJECTS}
            created = ["token member", "token validator", *(f"key {name}" for name in OBJECTS)]
        rows = [self._row(name) for name in self.keys] if step == "examine" else []
        return {"host": "ledger-1", "created": created, "keys": rows, "labels": self.labels}

    def _row(self, name: str) -> dict[str, Any]:
        key = self.keys[name]
        token = {"label": self.labels[OBJECTS[name]], "serial": "77", "manufacturer": "Maker", "model": "M"}
        shown = {"label": name, "key_type": "ed25519", "public_key": encode_public_key(key), "kid": key_id(key).hex()}
        return {**shown, **self.attributes, "token": token}


@pytest.fixture
def hold(tmp_path: Path) -> Callable[..., Path]:
    def run(host: Host, refuses: str = "", **more: Any) -> Path:
        draft = {"consortium": "c", "environment": "sandbox", "member": "treasury", "place": "room 1", "quorum": 2}
        draft |= {"present": PRESENT, "rehearsal": False, "begun": "2026-11-26T10:00:00Z"} | more
        workspace = Workspace(tmp_path, "sandbox", "unit")
        member = load("sandbox").member("treasury")
        asked = lambda officer, _: officer != refuses  # noqa: E731
        return Ceremony(workspace, member, Record.model_validate(draft), asked, lambda _: None, host).hold()

    return run


def signed(path: Path, *officers: str) -> bytes:
    raw = path.read_bytes()
    for officer in officers:
        raw = json.dumps(add_signature(raw, officer, KEYS[officer])).encode()
    return raw


def changed(raw: bytes, **changes: Any) -> bytes:
    """The same envelope around a changed record, with the signatures as they were."""
    envelope = json.loads(raw)
    record = json.loads(base64.b64decode(envelope["payload"])) | changes
    envelope["payload"] = base64.b64encode(json.dumps(record).encode()).decode()
    return json.dumps(envelope).encode()


def test_what_enough_of_those_present_signed_is_proven(hold: Callable[..., Path]) -> None:
    host = Host()
    raw = signed(hold(host), "treasury/a", "customs/c")
    registered = {name: encode_public_key(key) for name, key in host.keys.items()}
    sentence, record = verify_ceremony(raw, OFFICERS, registered)
    assert sentence.startswith("customs/c, treasury/a sign that in a key ceremony of treasury at room 1")
    assert "4 of them made there and then; they are the keys" in sentence
    assert [taken.step for taken in record.steps] == list(STEPS)
    assert all(taken.agreed == PRESENT for taken in record.steps)
    with pytest.raises(VerificationError, match="into genesis"):
        verify_ceremony(raw, OFFICERS, registered | {"receipt": registered["tls"]})


@pytest.mark.parametrize(
    ("officers", "said"),
    [((), "nobody has signed"), (("treasury/a",), "1 of 2"), (("treasury/a", "treasury/a"), "1 of 2")],
)
def test_too_few_signatures_prove_nothing(hold: Callable[..., Path], officers: tuple[str, ...], said: str) -> None:
    with pytest.raises(VerificationError, match=said):
        verify_ceremony(signed(hold(Host()), *officers), OFFICERS)


def test_the_agency_itself_must_have_signed(hold: Callable[..., Path]) -> None:
    path = hold(Host(), present=["customs/c", "health/absent", "treasury/a"])
    with pytest.raises(VerificationError, match="no officer of treasury"):
        verify_ceremony(signed(path, "customs/c", "health/absent"), OFFICERS)


def test_who_was_not_there_cannot_sign_and_does_not_count(hold: Callable[..., Path]) -> None:
    path = hold(Host())
    with pytest.raises(VerificationError, match="was not present"):
        signed(path, "health/absent")
    raw = signed(path, "treasury/a", "customs/c")
    known = {name: key for name, key in OFFICERS.items() if name != "customs/c"}
    with pytest.raises(VerificationError, match="1 of 2"):
        verify_ceremony(raw, known)


@pytest.mark.parametrize(
    "changes", [{"place": "elsewhere"}, {"rehearsal": True}, {"quorum": 1}, {"steps": []}, {"present": ["treasury/a"]}]
)
def test_a_record_that_was_changed_after_it_was_signed_is_refused(
    hold: Callable[..., Path], changes: dict[str, Any]
) -> None:
    with pytest.raises(VerificationError):
        verify_ceremony(changed(signed(hold(Host()), "treasury/a", "treasury/b"), **changes), OFFICERS)


@pytest.mark.parametrize(
    "attributes", [{"extractable": True}, {"never_extractable": False}, {"local": False}, {"decrypt": True}]
)
def test_a_key_that_could_leave_its_hsm_is_named(hold: Callable[..., Path], attributes: dict[str, bool]) -> None:
    raw = signed(hold(Host(**attributes)), "treasury/a", "treasury/b")
    with pytest.raises(VerificationError, match=f"not bound to its HSM.*{next(iter(attributes))}"):
        verify_ceremony(raw, OFFICERS)


def test_a_quorum_of_one_is_for_rehearsals(hold: Callable[..., Path]) -> None:
    with pytest.raises(VerificationError, match="1 of 2"):
        verify_ceremony(signed(hold(Host(), quorum=1), "treasury/a"), OFFICERS)
    sentence, record = verify_ceremony(signed(hold(Host(), quorum=1, rehearsal=True), "treasury/a"), OFFICERS)
    assert "a REHEARSAL of a key ceremony" in sentence
    assert all(taken.agreed == [] for taken in record.steps), "nobody was asked"


def test_an_officer_who_does_not_agree_ends_it_before_anything_is_done(hold: Callable[..., Path]) -> None:
    host = Host()
    with pytest.raises(ConsortiumError, match="treasury/b did not agree"):
        hold(host, refuses="treasury/b")
    assert host.steps == []


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupted_ceremony_goes_on_and_still_says_what_it_made(hold: Callable[..., Path], step: str) -> None:
    host = Host()
    host.breaks = step
    with pytest.raises(HostError):
        hold(host)
    host.breaks = ""
    with pytest.raises(ConsortiumError, match="is not over"):
        hold(host, place="another room")
    _, record = verify_ceremony(signed(hold(host), "treasury/a", "treasury/b"), OFFICERS)
    assert host.steps == list(STEPS), "no step twice"
    assert all(key.made_here for key in record.keys)


def test_in_a_product_with_one_token_all_keys_are_found_under_its_label(hold: Callable[..., Path]) -> None:
    host = Host()
    host.labels = {"validator": "hsm1", "member": "hsm1"}
    _, record = verify_ceremony(signed(hold(host), "treasury/a", "treasury/b"), OFFICERS)
    assert {key.token["label"] for key in record.keys} == {"hsm1"}


def test_keys_that_were_there_before_are_not_said_to_be_made(hold: Callable[..., Path]) -> None:
    host = Host()
    hold(host)
    sentence, _ = verify_ceremony(signed(hold(host), "treasury/a", "treasury/b"), OFFICERS)
    assert "0 of them made there and then (consensus, member, receipt, tls existed before)" in sentence


@pytest.mark.parametrize("raw", [b"", b"no json", b"[]", b'{"payloadType": "x", "payload": "", "signatures": []}'])
def test_what_is_no_record_is_refused(raw: bytes) -> None:
    with pytest.raises(VerificationError):
        verify_ceremony(raw, OFFICERS)
    with pytest.raises(VerificationError):
        add_signature(raw, "treasury/a", KEYS["treasury/a"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--present", "treasury/nobody"], "no officer 'treasury/nobody'"),
        (["--present", "customs/solene-marchal"], "no officer of treasury"),
        (["--present", "treasury/helene-brandt"], "2 must sign, and 1 are present"),
        (["--present", "treasury/helene-brandt", "--quorum", "1"], "needs 2 officers"),
        (["--present", "treasury/helene-brandt", "--present", "treasury/otto-falkner"], "no terminal"),
    ],
)
def test_the_command_refuses_before_it_begins(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(ceremony_cli, "workspace_of", lambda *_: Workspace(tmp_path, "sandbox", "unit"))
    done = CliRunner().invoke(ceremony_cli.app, ["hold", "-m", "treasury", "--place", "room", *arguments])
    assert said in str(done.exception)
