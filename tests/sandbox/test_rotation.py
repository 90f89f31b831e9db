"""One agency replaces all its keys by the CLI while the ledger is used; then it loses its validator's token.

The old keys' own bytes, learned from the token before it destroys them, are what is tried afterwards: a copy that
somebody made in time is worth nothing.
"""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gchain.consortium.ledger import open_client
from gchain.custody.record import PURPOSES, TOKENS, Purpose
from gchain.workspace import REPOSITORY
from gchain_node.codes import Code
from gchain_node.keys.file_key import FileKey
from gchain_node.keys.public import cometbft_address, load_public_key
from tests.secret_search.host import host_keys
from tests.secret_search.softhsm_store import StoredKey

from .consortium import Consortium, wait_until

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

ROTATING, WORKING = "customs", "treasury"
OVERLAP = 3


def _gchain(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "gchain.cli", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, cwd=REPOSITORY)


def _rotate(live: Consortium, purpose: Purpose, *more: str) -> None:
    options = ["--member", ROTATING, "--overlap", str(OVERLAP), "--name", live.sandbox.name]
    done = _gchain("keys", "rotate", purpose, *options, *more)
    assert done.returncode == 0, done.stdout + done.stderr


class Load:
    """Records, one after the other, through another agency's node, until told to stop."""

    def __init__(self, live: Consortium) -> None:
        self._live, self._ended = live, threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.codes: list[int] = []
        self.failure: Exception | None = None

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            while not self._ended.is_set():
                args = {"id": self._live.once(f"load-{len(self.codes)}"), "commitment": bytes(32)}
                self.codes.append(self._live.transact(WORKING, "records", "commit", args).code)
        except Exception as error:  # reported by the test
            self.failure = error


@dataclass
class Rotated:
    """What was before, what the rotations did, and in which blocks."""

    before: dict[str, StoredKey]
    entry: dict[str, Any]
    receipts: list[Path]
    codes: list[int]
    after: dict[str, StoredKey] = field(default_factory=dict)
    spans: dict[Purpose, tuple[int, int]] = field(default_factory=dict)
    started_before: str = ""
    started_after: str = ""


def _keys(live: Consortium) -> dict[str, StoredKey]:
    return host_keys(live.sandbox.machine(live.instance(ROTATING)))


def _entry(live: Consortium) -> dict[str, Any]:
    found: dict[str, Any] = live.query(WORKING, f"members/{ROTATING}")
    return found


@pytest.fixture(scope="module")
def rotated(live: Consortium) -> Rotated:
    receipts = [live.record(name, live.once(f"before-{name}")).receipt for name in (ROTATING, WORKING)]
    done = Rotated(_keys(live), _entry(live), receipts, [])
    assert _sent_with_a_copy(live, done.before, done.entry["member_key"]) == Code.OK
    done.started_before = _started(live)
    with Load(live) as load:
        for purpose in PURPOSES:
            first = live.height(WORKING)
            _rotate(live, purpose)
            done.spans[purpose] = (first, live.height(WORKING))
    assert load.failure is None, load.failure
    done.codes, done.after, done.started_after = load.codes, _keys(live), _started(live)
    return done


def _started(live: Consortium) -> str:
    """Which processes are the agency's node and engine, and since when."""
    shown = "systemctl show -p ExecMainStartTimestamp -p MainPID gchain-node gchain-engine"
    return str(live.host(ROTATING).check_output(shown))


def _sent_with_a_copy(live: Consortium, keys: dict[str, StoredKey], public_key: bytes) -> int:
    """The ledger's answer to a transaction of the member that is signed with a copy of its member key."""
    secret = next(key.secret for key in keys.values() if load_public_key(key.public_key) == load_public_key(public_key))
    copied = FileKey(ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1()))
    args = {"id": live.once(f"copied-{live.height(WORKING)}"), "commitment": bytes(32)}
    with live.client(WORKING) as client:
        return int(client.transact("records", "commit", args, key=copied, signer=ROTATING).code)


def test_everything_that_was_sent_during_the_rotations_was_committed(rotated: Rotated) -> None:
    assert len(rotated.codes) > 20
    assert set(rotated.codes) == {Code.OK}


def test_each_purpose_has_a_new_key_in_the_token_and_the_old_ones_object_is_gone(
    live: Consortium, rotated: Rotated
) -> None:
    record = live.workspace.member(ROTATING).root
    assert (record / "keys.json").is_file()
    for purpose in PURPOSES:
        mine = {name for name in rotated.before if name.startswith(f"{TOKENS[purpose]}/{purpose}")}
        now = {name for name in rotated.after if name.startswith(f"{TOKENS[purpose]}/{purpose}")}
        assert (len(mine), len(now)) == (1, 1)
        assert mine != now
        assert (record / "evidence" / "rotations" / f"{mine.pop().partition('/')[2]}.dsse.json").is_file()
    old = {key.public_key for key in rotated.before.values()}
    assert old.isdisjoint(key.public_key for key in rotated.after.values())


def test_a_copy_of_the_old_member_key_signs_nothing_any_more(live: Consortium, rotated: Rotated) -> None:
    assert _sent_with_a_copy(live, rotated.before, rotated.entry["member_key"]) == Code.KEY_RETIRED


def test_the_node_serves_with_a_leaf_of_the_new_issuing_key_alone(live: Consortium, rotated: Rotated) -> None:
    old, new = rotated.entry["tls_ca"], _entry(live)["tls_ca"]
    assert len(x509.load_pem_x509_certificates(new.encode())) == 1
    assert new != old
    with open_client(live.workspace, live.nodes[ROTATING]) as client:
        assert client.query("consortium").value
    assert (_is_trusted(live, new), _is_trusted(live, old)) == (True, False)


def _is_trusted(live: Consortium, authority: str) -> bool:
    node = live.nodes[ROTATING]
    context = ssl.create_default_context(cadata=authority)
    with httpx.Client(verify=context, trust_env=False, timeout=30) as client:
        try:
            client.get(f"{node.api_url}/v1/status", extensions={"sni_hostname": node.name})
        except httpx.ConnectError as error:
            if "CERTIFICATE_VERIFY_FAILED" not in str(error):
                raise
            return False
    return True


def test_the_agencys_gate_goes_on_with_the_new_member_key(live: Consortium, rotated: Rotated) -> None:
    path = f"compliance/members/{ROTATING}"
    before = live.query(WORKING, path)["hosts"]["validator-1"]
    host = live.host(ROTATING)
    with host.sudo():
        done = host.run("systemctl start gchain-gate.service")
    assert done.rc == 0, done.stderr
    assert live.query(WORKING, path)["hosts"]["validator-1"] != before


def _commits(live: Consortium, span: tuple[int, int]) -> Iterator[tuple[int, dict[str, Any]]]:
    for height in range(*span):
        answer = httpx.get(f"{live.nodes[WORKING].status_url}/v1/headers/{height}", trust_env=False, timeout=30)
        assert answer.status_code == 200, answer.text
        yield height, answer.json()["commit"]


def _voters(commit: dict[str, Any]) -> set[str]:
    return {str(each["validator_address"]).lower() for each in commit["signatures"] if each["block_id_flag"] == 2}


def _address(key: StoredKey) -> str:
    return cometbft_address(load_public_key(key.public_key)).hex()


def _consensus(keys: dict[str, StoredKey]) -> str:
    (found,) = (_address(key) for name, key in keys.items() if name.startswith("validator/"))
    return found


@pytest.fixture(scope="module")
def commits(live: Consortium, rotated: Rotated) -> dict[int, dict[str, Any]]:
    """Of every block that was made during the rotations, none left out: who voted for it, and in which round."""
    heights = [height for span in rotated.spans.values() for height in span]
    return dict(_commits(live, (min(heights), max(heights))))


def test_the_new_consensus_key_votes_from_where_the_old_one_ends_and_no_block_is_lost(
    rotated: Rotated, commits: dict[int, dict[str, Any]]
) -> None:
    old, new = _consensus(rotated.before), _consensus(rotated.after)
    by_old = {height for height, commit in commits.items() if old in _voters(commit)}
    by_new = {height for height, commit in commits.items() if new in _voters(commit)}
    assert max(by_old) < min(by_new) <= max(by_old) + 2, "a vote of more than the round in flight was lost"


def test_no_rotation_costs_the_others_more_than_the_round_in_flight(commits: dict[int, dict[str, Any]]) -> None:
    assert {height: commit["round"] for height, commit in commits.items() if int(commit["round"]) > 1} == {}


def test_no_rotation_starts_the_agencys_node_or_engine_anew(rotated: Rotated) -> None:
    assert rotated.started_before == rotated.started_after


@pytest.mark.parametrize("number", [0, 1])
def test_receipts_from_before_the_rotations_still_verify(live: Consortium, rotated: Rotated, number: int) -> None:
    done = _gchain("verify", str(rotated.receipts[number]), "--trust", str(live.workspace.trust))
    assert done.returncode == 0, done.stderr


def test_a_record_of_the_agency_after_the_rotations_has_a_receipt_that_verifies(
    live: Consortium, rotated: Rotated
) -> None:
    assert live.record(ROTATING, live.once("after-the-rotations")).receipt.is_file()


def test_a_lost_token_is_replaced_while_the_others_go_on(live: Consortium, rotated: Rotated) -> None:
    host, lost = live.host(ROTATING), _consensus(rotated.after)
    with host.sudo():
        host.check_output("systemctl kill --signal=SIGKILL gchain-signer.service")
        host.check_output("find /var/lib/gchain/hsm/validator/tokens -mindepth 1 -delete")
    silent = live.wait_for_blocks(WORKING, 5)
    assert live.record(WORKING, live.once("without-customs")).outcome.committed
    ((_, commit),) = _commits(live, (silent - 1, silent))
    assert lost not in _voters(commit)
    _rotate(live, "consensus", "--lost")
    found = _consensus(_keys(live))
    assert found != lost

    def votes() -> bool:
        height = live.height(WORKING) - 1
        ((_, commit),) = _commits(live, (height, height + 1))
        return found in _voters(commit)

    wait_until("a vote of the key in the new token", votes, 120)
