"""POST /v1/tx: only a block makes a transaction done; what is wrong gets a stable code, a sentence, and no effect."""

from __future__ import annotations

from typing import Any

import pytest

from gchain_node.api.limits import RateLimit
from gchain_node.codes import Code
from gchain_node.tx import MAX_TX_BYTES


def test_waiting_answers_with_the_block_that_has_the_transaction(served: Any) -> None:
    body = served.commit("r1")
    assert (body["committed"], body["code"], body["result"]) == (True, 0, "OK")
    assert served.api.get(f"/v1/blocks/{body['height']}").json()["transactions"][body["index"]]["hash"] == body["hash"]


def test_not_waiting_is_answered_as_queued_and_never_as_committed(served: Any) -> None:
    answer = served.submit(served.signed("r1"))
    assert answer.status_code == 202
    assert answer.json()["committed"] is False


def test_the_same_bytes_again_get_the_first_outcome(served: Any) -> None:
    raw = served.signed("r1")
    first, again = served.submit(raw, wait=1), served.submit(raw, wait=1)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain_id": "another"}, Code.WRONG_CHAIN),
        ({"module": "weather"}, Code.UNKNOWN_MODULE),
        ({"action": "erase"}, Code.UNKNOWN_ACTION),
        ({"args": {"id": "r1"}}, Code.BAD_ARGUMENTS),
        ({"signer": "treasury"}, Code.SIGNER_MISMATCH),
        ({"expires_height": 1}, Code.EXPIRED),
    ],
)
def test_a_refused_transaction_gets_its_code_and_changes_nothing(
    served: Any, changes: dict[str, Any], code: Code
) -> None:
    answer = served.submit(served.signed("r1", **changes), wait=1)
    assert answer.status_code == 422
    assert (answer.json()["committed"], answer.json()["code"]) == (False, code)
    assert answer.json()["log"]
    assert served.api.get("/v1/query/records/r1").status_code == 404


def test_a_number_is_used_once(served: Any) -> None:
    assert served.submit(served.signed("r1", nonce=7), wait=1).status_code == 200
    assert served.submit(served.signed("r2", nonce=7), wait=1).json()["code"] == Code.NONCE_USED


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"", "application/cbor", 400),
        (b"\xd2\x84", "application/cbor", 422),
        (b"not cbor at all", "application/cbor", 422),
        (b"x", "application/json", 415),
        (b"x" * (MAX_TX_BYTES + 1), "application/cbor", 413),
        (b"x" * 600_001, "application/cbor", 413),
    ],
)
def test_a_body_that_is_no_transaction_is_refused(served: Any, content: bytes, content_type: str, status: int) -> None:
    answer = served.api.post("/v1/tx", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status


@pytest.mark.parametrize("timeout", ["0", "-1", "soon", "nan", "121"])
def test_a_timeout_that_is_none_is_refused(served: Any, timeout: str) -> None:
    answer = served.submit(served.signed("r1"), wait=1, timeout=timeout)
    assert answer.status_code == 400
    assert "timeout" in answer.json()["error"]["message"]


class TestWithALowLimit:
    @pytest.fixture
    def limit(self) -> RateLimit:
        return RateLimit(0.001, 2)

    def test_a_client_that_submits_too_fast_is_told_when_to_come_back(self, served: Any) -> None:
        statuses = [served.submit(served.signed(f"r{number}")).status_code for number in range(3)]
        assert statuses == [202, 202, 429]
        assert int(served.submit(served.signed("r9")).headers["Retry-After"]) > 0


class TestWithoutBlocks:
    @pytest.fixture
    def makes_blocks(self) -> bool:
        return False

    def test_an_unanswered_wait_says_that_it_may_still_come(self, served: Any) -> None:
        raw = served.signed("r1")
        answer = served.submit(raw, wait=1, timeout=0.05)
        assert answer.status_code == 504
        assert "send the same bytes again" in answer.json()["error"]["message"]
        served.engine.make_block()
        assert served.submit(raw, wait=1).json()["committed"] is True


def test_the_status_listener_has_no_submission_and_no_metrics(served: Any) -> None:
    assert served.status.post("/v1/tx", content=b"x").status_code == 404
    assert served.status.get("/metrics").status_code == 404
