"""Reads: status, queries with proof, blocks, receipts, health; and what every answer carries."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from gchain_node.proof.receipt import verify_receipt
from gchain_node.proof.signed_header import verify_signed_header
from gchain_node.proof.state import StateProof


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_status_has_the_keys_that_policies_read(served: Any) -> None:
    status = served.status.get("/v1/status").json()
    assert status["chain_id"] == "gchain-dev"
    assert status["phase"] == "live"
    assert [(v["member"], v["power"]) for v in status["validators"]] == [("dev", 10)]
    assert status["peers"] == []
    assert {"height", "node_id", "app_hash", "members", "consortium"} <= status.keys()


def test_the_status_shows_the_latest_transactions_newest_first(served: Any) -> None:
    hashes = [served.commit(f"r{number}")["hash"] for number in range(3)]
    shown = [entry["hash"] for entry in served.status.get("/v1/status").json()["transactions"]]
    assert shown[:3] == list(reversed(hashes))


@pytest.mark.parametrize(("path", "present"), [("records/r1", True), ("records/absent", False)])
def test_a_value_and_its_absence_are_proven_up_to_a_signed_header(served: Any, path: str, present: bool) -> None:
    served.commit("r1")
    answer = served.api.get(f"/v1/query/{path}", params={"prove": 1})
    body = answer.json()
    assert answer.status_code == (200 if present else 404)
    proof = StateProof.decode(decoded(body["proof"]))
    assert (proof.value is not None) is present
    signed = served.api.get(f"/v1/headers/{body['header']}").json()
    proof.verify(verify_signed_header(signed, served.trust).app_hash)


def test_a_receipt_verifies_with_the_trust_file_alone(served: Any) -> None:
    outcome = served.commit("r1")
    answer = served.status.get(f"/v1/receipts/{outcome['hash']}")
    assert "attachment" in answer.headers["content-disposition"]
    assert verify_receipt(answer.json(), served.trust).tx_hash.hex() == outcome["hash"]


def test_a_transaction_is_found_by_its_hash(served: Any) -> None:
    outcome = served.commit("r1")
    found = served.api.get(f"/v1/tx/{outcome['hash']}").json()
    assert (found["module"], found["action"], found["signer"]) == ("records", "commit", "dev")
    assert (found["height"], found["index"]) == (outcome["height"], outcome["index"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/tx/" + "0" * 64, 404),
        ("/v1/tx/xyz", 400),
        ("/v1/receipts/" + "0" * 64, 404),
        ("/v1/blocks/0", 404),
        ("/v1/headers/0", 404),
        ("/v1/blocks/99999", 404),
        ("/v1/headers/99999", 404),
        ("/v1/query/weather", 404),
        ("/v1/query/records/r1?height=99999", 409),
        ("/v1/query/records/r1?height=1", 410),
        ("/v1/query/records/r1?height=abc", 400),
        ("/v1/nothing", 404),
    ],
)
def test_what_is_not_there_is_said_as_json(served: Any, path: str, status: int) -> None:
    served.commit("r1")
    answer = served.api.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"


def test_health_and_readiness_say_what_is_wrong(served: Any) -> None:
    assert served.status.get("/healthz").json() == {"alive": True}
    assert served.status.get("/readyz").json() == {"ready": True, "not_ready": []}
    served.view._engine_connected = lambda: False
    answer = served.status.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["not_ready"] == ["The engine is not connected to the node."]


def test_metrics_are_refused_without_a_member_certificate(served: Any) -> None:
    answer = served.api.get("/metrics")
    assert answer.status_code == 403
    assert "certificate" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/", "/v1/status", "/v1/nothing", "/blocks/1"])
def test_every_answer_carries_the_security_headers(served: Any, path: str) -> None:
    headers = served.status.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"


def test_the_code_table_is_served(served: Any) -> None:
    codes = {entry["code"]: entry["name"] for entry in served.api.get("/v1/codes").json()["codes"]}
    assert (codes[0], codes[302], codes[305]) == ("OK", "NONCE_USED", "FORMING")


@pytest.mark.parametrize("path", ["blocks/2", "headers/2"])
def test_a_block_that_the_node_does_not_keep_has_a_code_of_its_own(served: Any, path: str) -> None:
    for number in range(3):
        served.commit(f"r{number}")
    assert served.status.get(f"/v1/{path}").status_code == 200
    served.engine._blocks._connection.execute("DELETE FROM block WHERE height = 2")
    served.view.feed._blocks.clear()
    answer = served.status.get(f"/v1/{path}")
    assert answer.status_code == 410
    assert answer.json()["error"]["name"] == "BLOCK_NOT_KEPT"
    assert served.status.get("/v1/blocks/1000000").status_code == 404
