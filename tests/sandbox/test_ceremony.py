"""A key ceremony rehearsed on a live host, signed by two agencies' officers; then one of them gets a new key.

The officer is a second one of an agency, whose signature stands under nothing else in the sandbox.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gchain.consortium.officers import officer_key
from gchain.custody.record import PURPOSES, TOKENS
from gchain.workspace import REPOSITORY
from gchain_node.codes import Code
from gchain_node.keys import Key
from gchain_node.keys.file_key import FileKey
from gchain_node.officer import key_label
from tests.secret_search.host import host_keys, officer_keys

from .consortium import Consortium

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

HOLDING, OFFICER, GUEST = "treasury", "otto-falkner", "health/miriam-seidel"
RUNNING = "systemctl show -p MainPID -p ExecMainStartTimestamp gchain-signer gchain-node gchain-engine"


def _gchain(live: Consortium, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "gchain.cli", *arguments, "--name", live.sandbox.name]
    return subprocess.run(line, capture_output=True, text=True, check=False, cwd=REPOSITORY)


def _done(live: Consortium, *arguments: str) -> str:
    done = _gchain(live, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass
class Held:
    """The record, what `verify` said with one signature and with two, and the host's programs before and after."""

    record: Path
    one: subprocess.CompletedProcess[str]
    both: str
    running: list[str]

    @property
    def envelope(self) -> Path:
        return self.record.with_suffix(".dsse.json")


@dataclass
class Rotated:
    """What came before an officer's rotation: the ceremony, and a copy of the officer's key that somebody made."""

    held: Held
    copied: FileKey
    code_before: int
    object_before: str


@pytest.fixture(scope="module")
def held(live: Consortium) -> Held:
    running = [live.host(HOLDING).check_output(RUNNING)]
    present = ["--present", f"{HOLDING}/{OFFICER}", "--present", GUEST, "--guest", "an auditor"]
    said = _done(live, "keys", "ceremony", "hold", "-m", HOLDING, "--place", "vault", "--rehearsal", *present)
    record = Path(said.splitlines()[-1].partition(": to be signed")[0])
    running.append(live.host(HOLDING).check_output(RUNNING))
    _sign(live, record, GUEST)
    one = _gchain(live, "keys", "ceremony", "verify", str(record.with_suffix(".dsse.json")))
    _sign(live, record, f"{HOLDING}/{OFFICER}")
    return Held(record, one, _done(live, "keys", "ceremony", "verify", str(record.with_suffix(".dsse.json"))), running)


def _sign(live: Consortium, record: Path, officer: str) -> None:
    store = live.workspace.member(officer.partition("/")[0]).officer
    _done(live, "keys", "ceremony", "sign", str(record), "--officer", officer, "--store", str(store))


@pytest.fixture(scope="module")
def rotated(live: Consortium, held: Held) -> Rotated:
    store = live.workspace.member(HOLDING).officer
    label = key_label(store, OFFICER)
    (secret,) = (key.secret for name, key in officer_keys(store).items() if name.rpartition("/")[2] == label)
    copied = FileKey(ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1()))
    before = Rotated(held, copied, _sent(live, copied, "before"), label)
    _done(live, "keys", "rotate", "officer", "--member", HOLDING, "--officer", OFFICER, "--again")
    return before


def _sent(live: Consortium, key: Key, name: str) -> int:
    """The ledger's answer to a record by the officer, signed with `key`."""
    args = {"id": live.once(f"officer-{name}-{live.height(HOLDING)}"), "commitment": bytes(32)}
    with live.client(HOLDING) as client:
        return int(client.transact("records", "commit", args, key=key, signer=f"{HOLDING}/{OFFICER}").code)


def test_a_ceremony_finds_the_keys_that_the_host_uses_and_makes_no_others(live: Consortium, rotated: Rotated) -> None:
    record = json.loads(rotated.held.record.read_text())
    in_tokens = {key.public_key for key in host_keys(live.sandbox.machine(live.instance(HOLDING))).values()}
    assert record["made"] == []
    assert [step["step"] for step in record["steps"]] == ["prepare", "make", "examine"]
    assert {key["purpose"]: key["token"]["label"] for key in record["keys"]} == TOKENS
    assert {key["public_key"] for key in record["keys"]} == in_tokens
    assert len(in_tokens) == len(PURPOSES)


def test_a_ceremony_on_a_running_host_starts_nothing_anew(rotated: Rotated) -> None:
    assert rotated.held.running[0] == rotated.held.running[1]


def test_the_record_proves_nothing_before_two_officers_signed_it(rotated: Rotated) -> None:
    assert (rotated.held.one.returncode != 0, "1 of 2 officers" in rotated.held.one.stderr) == (True, True)
    assert rotated.held.both.startswith(f"{GUEST}, {HOLDING}/{OFFICER} sign that in a REHEARSAL of a key ceremony")
    assert "0 of them made there and then" in rotated.held.both
    assert "they are the keys of the agency's contribution" in rotated.held.both


def test_a_copy_of_the_replaced_officers_key_signs_nothing_any_more(live: Consortium, rotated: Rotated) -> None:
    assert rotated.code_before == Code.OK
    assert _sent(live, rotated.copied, "copied") != Code.OK
    with officer_key(live.workspace, live.member(HOLDING), OFFICER) as (signer, key):
        assert signer == f"{HOLDING}/{OFFICER}"
        assert _sent(live, key, "new") == Code.OK


def test_the_replaced_officers_key_is_gone_and_the_rotation_is_evidence(live: Consortium, rotated: Rotated) -> None:
    directory = live.workspace.member(HOLDING)
    assert key_label(directory.officer, OFFICER) != rotated.object_before
    left = {name.rpartition("/")[2] for name in officer_keys(directory.officer)}
    assert (rotated.object_before in left, key_label(directory.officer, OFFICER) in left) == (False, True)
    assert (directory.evidence / "rotations" / f"{rotated.object_before}.dsse.json").is_file()


def test_what_the_officer_signed_before_counts_again_once_the_new_key_signs_it(
    live: Consortium, rotated: Rotated
) -> None:
    refused = _gchain(live, "keys", "ceremony", "verify", str(rotated.held.envelope))
    assert (refused.returncode != 0, "1 of 2 officers" in refused.stderr) == (True, True)
    _sign(live, rotated.held.envelope, f"{HOLDING}/{OFFICER}")
    assert _done(live, "keys", "ceremony", "verify", str(rotated.held.envelope)) == rotated.held.both
