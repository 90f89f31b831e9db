"""The node under a real CometBFT v0.38: it commits, proves, renews its certificate, and survives being killed."""

from __future__ import annotations

import hashlib
import json
import signal
import ssl
import time
from typing import Any

import httpx
import pytest

from gchain_node import genesis
from gchain_node.client import Client, Outcome
from gchain_node.codes import Code
from gchain_node.errors import ApiError
from gchain_node.proof import trust
from gchain_node.proof.receipt import verify_receipt

pytestmark = pytest.mark.slow


def commit_record(ledger: Any, validator: Any, name: str) -> Outcome:
    """Commit a record at one validator's API, signed by its member key."""
    commitment = hashlib.sha256(name.encode()).digest()
    with validator.client() as client:
        member = validator.member
        args = {"id": name, "commitment": commitment}
        outcome: Outcome = client.transact("records", "commit", args, key=member.keys["member"], signer=member.name)
        return outcome


def test_a_forming_ledger_refuses_business_and_opens_by_go_live(ledgers: Any) -> None:
    ledger = ledgers.start(1)
    validator = ledger.validators[0]
    assert validator.get("/v1/status")["phase"] == "forming"
    refused = commit_record(ledger, validator, "too-early")
    assert (refused.committed, refused.code) == (False, Code.FORMING)
    ledger.go_live()
    assert validator.get("/v1/status")["phase"] == "live"
    committed = commit_record(ledger, validator, "first")
    assert (committed.committed, committed.code) == (True, Code.OK)
    assert validator.get("/v1/query/records/first")["value"]["owner"] == validator.member.name


def test_a_receipt_of_a_committed_transaction_verifies_offline(ledgers: Any) -> None:
    ledger = ledgers.start(1)
    ledger.go_live()
    validator = ledger.validators[0]
    outcome = commit_record(ledger, validator, "proved")
    with validator.client() as client:
        receipt = client.receipt(outcome.hash, verified=False)
    proven = verify_receipt(
        receipt, trust.from_genesis(ledger.consortium.genesis, genesis.digest(ledger.consortium.genesis))
    )
    assert (proven.tx_hash, proven.height, proven.code) == (outcome.hash, outcome.height, Code.OK)
    assert proven.data["record"] == "proved"


def test_the_same_bytes_again_get_the_first_outcome(ledgers: Any) -> None:
    ledger = ledgers.start(1)
    ledger.go_live()
    member = ledger.validators[0].member
    with ledger.validators[0].client() as client:
        args = {"id": "once", "commitment": bytes(32)}
        raw = client.build("records", "commit", args, key=member.keys["member"], signer=member.name)
        first, second = client.submit(raw), client.submit(raw)
    assert first.committed
    assert second == first


def test_four_validators_agree_while_each_node_and_engine_is_killed_and_started_again(ledgers: Any) -> None:
    ledger = ledgers.start(4)
    ledger.go_live()
    for number, victim in enumerate(ledger.validators):
        process = victim.node if number % 2 else victim.engine
        process.kill(signal.SIGKILL)
        witness = ledger.validators[(number + 1) % 4]
        outcome = commit_record(ledger, witness, f"while-{victim.member.name}-is-down")
        assert outcome.committed
        victim.stop()
        victim.start()
        ledger.wait_height(outcome.height + 1)
    height = min(validator.height() for validator in ledger.validators) - 1
    assert len({ledger.app_hash(validator, height) for validator in ledger.validators}) == 1
    for validator in ledger.validators:
        records = [validator.get(f"/v1/query/records/while-agency{number}-is-down") for number in range(1, 5)]
        assert [record["result"] for record in records] == ["OK"] * 4
        ledgers.wait_until("three peers", lambda v=validator: len(v.get("/v1/status")["peers"]) == 3)


def test_a_renewed_leaf_is_served_without_a_restart(ledgers: Any) -> None:
    validator = ledgers.start(1).validators[0]
    before = ssl.get_server_certificate(("127.0.0.1", validator.api))
    validator.put_leaf()
    from_now_on = (validator.home / "tls" / "cert.pem").read_text()
    assert from_now_on != before
    address = ("127.0.0.1", validator.api)
    ledgers.wait_until("the new leaf", lambda: ssl.get_server_certificate(address).split() == from_now_on.split())


def _once_issuers_are_known(url: str, context: ssl.SSLContext, seconds: float = 120.0) -> httpx.Response:
    """The node takes the members' issuing certificates from the ledger's state: shortly after its first block."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return httpx.get(url, verify=context, timeout=30)
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def test_metrics_need_a_certificate_that_a_member_issued(ledgers: Any) -> None:
    ledger = ledgers.start(1)
    validator = ledger.validators[0]
    url = f"https://127.0.0.1:{validator.api}/metrics"
    assert httpx.get(url, verify=validator.tls(), timeout=30).status_code == 403
    leaf = validator.issue_leaf(client=True)
    (validator.home / "client.pem").write_bytes(leaf.private_key + leaf.certificate)
    context = validator.tls()
    context.load_cert_chain(validator.home / "client.pem")
    answer = _once_issuers_are_known(url, context)
    assert answer.status_code == 200
    assert 'gchain_phase{phase="forming"} 1.0' in answer.text
    assert "gchain_tls_leaf_expiry_seconds" in answer.text
    plain = httpx.get(f"http://127.0.0.1:{validator.status}/metrics", timeout=30)
    assert plain.status_code == 404


def test_the_status_listener_takes_no_transaction(ledgers: Any) -> None:
    validator = ledgers.start(1).validators[0]
    answer = httpx.post(f"http://127.0.0.1:{validator.status}/v1/tx", content=b"x", timeout=30)
    assert answer.status_code == 404


def test_the_node_stops_cleanly_and_names_a_taken_port(ledgers: Any) -> None:
    validator = ledgers.start(1).validators[0]
    second = type(validator.node)(validator.node.command, validator.home / "second.log")
    second.start()
    assert second.running.wait(120) == 2
    assert "http.status: cannot listen at 127.0.0.1" in second.log.read_text()
    assert validator.engine.kill(signal.SIGTERM) is not None
    assert validator.node.kill(signal.SIGTERM) == 0
    assert not (validator.home / "abci.sock").exists()


def test_an_engine_with_another_genesis_is_refused(ledgers: Any) -> None:
    validator = ledgers.make(1).validators[0]
    document = json.loads((validator.home / "genesis.json").read_text())
    document["app_state"]["zone_digest"] = "sha256:" + "0" * 64
    (validator.home / "genesis.json").write_text(json.dumps(document))
    validator.start_node()
    validator.engine.start()
    assert validator.node.running.wait(120) == 3
    assert "the engine's genesis document differs from" in (validator.home / "node.log").read_text()


def test_an_api_without_the_members_certificate_is_not_believed(ledgers: Any) -> None:
    validator = ledgers.start(1).validators[0]
    stranger = Client(f"https://127.0.0.1:{validator.api}", verify=ssl.create_default_context())
    with stranger, pytest.raises(ApiError, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.get("/v1/status")
