"""What no ledger takes, sent over HTTP: a stable code, a sentence, and nothing written."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gchain_node import tx
from gchain_node.client import Client
from gchain_node.codes import TABLE, Code
from gchain_node.keys import Key, encode_public_key
from gchain_node.keys.file_key import FileKey
from gchain_node.keys.possession import prove
from node.tests.bad_transactions import BAD, RECORD, encoded

Served = Any  # of conftest.py, which pytest does not let tests import


@pytest.fixture
def names() -> tuple[str, ...]:
    return ("treasury", "finance", "interior", "justice")


class Bench:
    """Signs for the members of a ledger that is served, and looks at what it holds."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._numbers = itertools.count(1)
        self.genesis: dict[str, Any] = served.consortium.genesis
        self.members = {member.name: member for member in served.consortium.members}

    @property
    def height(self) -> int:
        return int(self._served.view.app.info().last_block_height)

    def key(self, signer: str) -> Key:
        member, _, officer = signer.partition("/")
        return self.members[member].keys["officer" if officer else "member"]

    def tx(self, signer: str, call: str, args: dict[str, Any], *, key: Key | None = None, **changes: Any) -> bytes:
        module, _, action = call.partition("/")
        known = {"chain_id": self.genesis["chain_id"], "signer": signer, "expires_height": self.height + 1000}
        fields = {"module": module, "action": action, "args": args, "nonce": next(self._numbers)} | known | changes
        return tx.sign(tx.Tx(**fields), key or self.key(signer))

    def state(self) -> list[tuple[bytes, bytes]]:
        """All that the ledger holds, the head of its log included."""
        return list(self._served.view.app._store.scan(b""))

    def send(self, raw: bytes) -> httpx.Response:
        return self._served.submit(raw, wait=1)

    def decide(self, kind: str, **args: Any) -> None:
        """A proposal that the officers of three members carry."""
        proposal = f"{kind}-{next(self._numbers)}"
        ballot = {"proposal": proposal, "ballot": "yes"}
        self._ask("treasury", "propose", {"id": proposal, "kind": kind, "args": args})
        self._ask("finance", "vote", ballot)
        self._ask("justice", "vote", ballot)

    def _ask(self, name: str, action: str, args: dict[str, Any]) -> None:
        member = self.members[name]
        with Client(str(self._served.api.base_url)) as client:
            key, signer = member.keys["officer"], member.officer
            client.transact("governance", action, args, key=key, signer=signer).raise_for_code()


@pytest.fixture
def bench(served: Served) -> Bench:
    return Bench(served)


def refused(answer: httpx.Response, code: Code) -> None:
    """The code, its name and a sentence, in one of the two shapes that the description has."""
    body = answer.json()
    found = body.get("error", body)
    said = found.get("message") or found["log"]
    assert (found["code"], found.get("name") or found["result"]) == (code, code.name), said
    assert len(said.split()) > 3, "a sentence"
    assert body.get("committed", False) is False
    assert 400 <= answer.status_code < 500


def test_each_bad_transaction_is_refused_over_http_and_writes_nothing(served: Served, bench: Bench) -> None:
    before = bench.state()
    for case, (make, code) in BAD.items():
        raw = make(bench)
        answer = bench.send(raw)
        refused(answer, code)
        assert bench.state() == before, case
        assert served.api.get(f"/v1/tx/{hashlib.sha256(raw).hexdigest()}").status_code == 404, case
    assert bench.send(encoded(bench)).json()["code"] == Code.OK  # their good twin


def test_a_number_that_was_used_or_fell_out_of_the_window_is_refused(bench: Bench) -> None:
    first = encoded(bench, nonce=5000)
    assert bench.send(first).json()["code"] == Code.OK
    assert bench.send(first).json()["code"] == Code.OK  # the same bytes: the first outcome, nothing new
    before = bench.state()
    for nonce, code in ((5000, Code.NONCE_USED), (5000 - 1024, Code.NONCE_TOO_OLD)):
        refused(bench.send(encoded(bench, nonce=nonce, args=RECORD | {"id": f"r{nonce}"})), code)
    assert bench.state() == before


def test_the_keys_of_a_suspended_member_sign_nothing_more(bench: Bench) -> None:
    kept = [bench.tx("interior", "records/commit", RECORD), bench.tx("interior/officer", "records/commit", RECORD)]
    bench.decide("member.suspend", member="interior")
    before = bench.state()
    for raw in kept:
        refused(bench.send(raw), Code.MEMBER_SUSPENDED)
    assert bench.state() == before


def test_the_key_of_an_officer_who_was_removed_signs_nothing_more(bench: Bench) -> None:
    kept = bench.tx("interior/officer", "records/commit", RECORD)
    deputy = FileKey(ec.generate_private_key(ec.SECP256R1()))
    pop = prove(deputy, consortium="development", member="interior", purpose="officer/deputy")
    key = encode_public_key(deputy.public_key)
    bench.decide("officer.add", member="interior", name="deputy", public_key=key, pop=pop)
    bench.decide("officer.remove", member="interior", name="officer")
    before = bench.state()
    refused(bench.send(kept), Code.UNKNOWN_KEY)
    assert bench.state() == before


def test_the_state_of_another_height_is_not_answered_for_this_one(served: Served, bench: Bench) -> None:
    assert bench.send(encoded(bench)).json()["code"] == Code.OK
    for height, code, status in ((1, Code.HEIGHT_PRUNED, 410), (bench.height + 1000, Code.HEIGHT_AHEAD, 409)):
        answer = served.status.get("/v1/query/records/r", params={"height": height, "prove": 1})
        refused(answer, code)
        assert answer.status_code == status
        assert str(height) in answer.json()["log"]
        assert (answer.json()["value"], answer.json()["proof"]) == (None, "")


def test_every_code_of_an_encoding_or_a_signer_is_met_here_or_named_elsewhere() -> None:
    met = {code for _, code in BAD.values()}
    met |= {Code.NONCE_USED, Code.NONCE_TOO_OLD, Code.MEMBER_SUSPENDED}
    elsewhere = {
        Code.ALGORITHM_NOT_ALLOWED,  # core/test_tx.py
        Code.NOT_AUTHORISED,  # core/test_governance.py
        Code.KEY_RETIRED,  # core/test_rotation.py
        Code.FORMING,  # core/test_app.py
    }
    assert met | elsewhere >= {code for code in TABLE if 100 <= code < 402}
