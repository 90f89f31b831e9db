"""The other type of consensus key, on real hosts from an empty sandbox to a live ledger (`make soak`).

One agency's keys are made in a ceremony on its bare host, as on a real HSM; the others' by `gchain host site`.

`make test` has the same with the default type; four signers with secp256k1 keys in tokens, under real engines and
without hosts, are in `node/tests/network/test_key_types.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gchain.custody.record import PURPOSES
from gchain.environment import choose_key_type, load_for
from gchain.progress import run_stages
from gchain.sandbox.cli import down
from gchain.sandbox.rollout import Rollout, infrastructure_stages
from gchain.sandbox.sandbox import Sandbox
from gchain.workspace import REPOSITORY
from tests.secret_search.host import host_keys, officer_keys, search_host, secrets_of
from tests.secret_search.search import SecretSearch, compiled

from .consortium import Consortium

pytestmark = [pytest.mark.sandbox, pytest.mark.soak]

NAME = os.environ.get("GCHAIN_TEST_SECP256K1_SANDBOX", "test-secp256k1")
HOLDING, OFFICER, GUEST = "registry", "registry/adele-fontanel", "customs/solene-marchal"


def _gchain(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "gchain.cli", *arguments, "--name", NAME]
    return subprocess.run(line, capture_output=True, text=True, check=False, cwd=REPOSITORY)


@pytest.fixture(scope="module")
def other() -> Iterator[Consortium]:
    """A sandbox of its own; one that `GCHAIN_KEEP_SANDBOX=1` kept is found again."""
    if os.geteuid() != 0:
        pytest.skip("real hosts need root")
    keep = os.environ.get("GCHAIN_KEEP_SANDBOX") == "1"
    sandbox = Sandbox(NAME)
    if sandbox.exists and not keep:
        down(NAME)
    try:
        if not sandbox.exists:
            _hold_a_ceremony_on_a_bare_host(sandbox)
        done = _gchain("sandbox", "up", "--validator-key-type", "secp256k1")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        yield Consortium(Rollout(load_for(sandbox.workspace), sandbox))
    finally:
        if not keep:
            down(NAME)


def _hold_a_ceremony_on_a_bare_host(sandbox: Sandbox) -> None:
    with sandbox.exclusive():
        choose_key_type(sandbox.workspace, "secp256k1")
        stages = infrastructure_stages(Rollout(load_for(sandbox.workspace), sandbox))
        run_stages(sandbox.workspace, stages, resume="run the test again")
    present = ["--present", OFFICER, "--present", GUEST, "--rehearsal", "--place", "vault"]
    done = _gchain("keys", "ceremony", "hold", "-m", HOLDING, *present)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_the_keys_of_a_ceremony_are_those_that_the_agency_brings_into_genesis(other: Consortium) -> None:
    (record,) = (other.workspace.member(HOLDING).evidence / "ceremonies").glob("*Z.json")
    made = json.loads(record.read_text())
    assert made["made"][:1] == ["token member"]
    assert {key["purpose"]: key["made_here"] for key in made["keys"]} == dict.fromkeys(PURPOSES, True)
    assert {key["purpose"]: key["key_type"] for key in made["keys"]}["consensus"] == "secp256k1"
    for officer in (OFFICER, GUEST):
        store = other.workspace.member(officer.partition("/")[0]).officer
        signed = _gchain("keys", "ceremony", "sign", str(record), "--officer", officer, "--store", str(store))
        assert signed.returncode == 0, signed.stderr
    done = _gchain("keys", "ceremony", "verify", str(record.with_suffix(".dsse.json")))
    assert done.returncode == 0, done.stderr
    assert "4 of them made there and then; they are the keys of the agency's contribution" in done.stdout


def test_a_sandbox_with_secp256k1_keys_goes_live_and_its_receipts_verify(other: Consortium) -> None:
    genesis = json.loads(other.workspace.genesis.read_text())
    assert genesis["consensus_params"]["validator"]["pub_key_types"] == ["secp256k1"]
    for name in other.names:
        assert other.status(name)["phase"] == "live"
        assert other.query(name, f"members/{name}")["validator"]["type"] == "secp256k1"
    committed = other.record("health", other.once("with-secp256k1"))
    done = subprocess.run(
        [sys.executable, "-m", "gchain.cli", "verify", committed.receipt, "--trust", other.workspace.trust],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_agencys_signer_votes(other: Consortium) -> None:
    height = other.wait_for_blocks("treasury", 3) - 1
    answer = httpx.get(f"{other.nodes['treasury'].status_url}/v1/headers/{height}", trust_env=False, timeout=30)
    flags = [each["block_id_flag"] for each in answer.json()["commit"]["signatures"]]
    assert len(flags) == 4
    assert flags.count(2) >= 3


def test_the_sandbox_does_not_change_its_key_type(other: Consortium) -> None:
    done = _gchain("sandbox", "up", "--validator-key-type", "ed25519")
    assert (done.returncode != 0, "begun with secp256k1" in done.stderr) == (True, True), done.stderr


def test_a_rotation_makes_a_key_of_the_same_type(other: Consortium) -> None:
    before = other.query("health", "members/health")["validator"]
    done = _gchain("keys", "rotate", "consensus", "--member", "health", "--lead", "30")
    assert done.returncode == 0, done.stdout + done.stderr
    after = other.query("health", "members/health")["validator"]
    assert (after["type"], after["public_key"] != before["public_key"]) == ("secp256k1", True)


def test_no_host_has_a_private_key_outside_its_tokens(other: Consortium, tmp_path: Path) -> None:
    library = compiled(tmp_path)
    for name in other.names:
        machine = other.sandbox.machine(other.instance(name))
        keys = host_keys(machine) | officer_keys(other.workspace.member(name).officer)
        searched = search_host(SecretSearch(library, secrets_of(keys)), machine)
        assert searched.copies == []
        assert sum(searched.sizes.values()) > 10_000_000
