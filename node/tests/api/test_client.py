"""The Python client, synchronous and on an event loop, against a real listener."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gchain_node.client import AsyncClient, Client
from gchain_node.codes import Code
from gchain_node.errors import ApiError, TransactionError, VerificationError

COMMITMENT = hashlib.sha256(b"document").digest()


def url(served: Any) -> str:
    return str(served.api.base_url)


def test_a_record_is_committed_read_with_proof_and_receipted(served: Any) -> None:
    key = served.member.keys["member"]
    with Client(url(served), trust=served.trust) as client:
        outcome = client.transact("records", "commit", {"id": "r1", "commitment": COMMITMENT}, key=key, signer="dev")
        assert outcome.raise_for_code().committed
        answer = client.query("records/r1", prove=True)
        assert answer.proven
        assert answer.value["commitment"] == COMMITMENT
        assert client.query("records/none", prove=True).value is None
        assert client.receipt(outcome.hash)["chain_id"] == "gchain-dev"


def test_a_refusal_is_an_outcome_that_can_be_raised(served: Any) -> None:
    with Client(url(served)) as client:
        outcome = client.transact("records", "erase", {}, key=served.member.keys["member"], signer="dev")
    assert (outcome.committed, outcome.code) == (False, Code.UNKNOWN_ACTION)
    with pytest.raises(TransactionError) as caught:
        outcome.raise_for_code()
    assert caught.value.code == Code.UNKNOWN_ACTION


def test_evidence_of_another_ledger_is_refused(served: Any) -> None:
    served.commit("r1")
    foreign = replace(served.trust, chain_id="another-ledger")
    with Client(url(served), trust=foreign) as client, pytest.raises(VerificationError, match="another-ledger"):
        client.query("records/r1", prove=True)


def test_a_receipt_that_nobody_verified_must_be_asked_for_in_so_many_words(served: Any) -> None:
    hash_ = bytes.fromhex(served.commit("r1")["hash"])
    with Client(url(served)) as client:
        with pytest.raises(VerificationError, match="without the ledger's trust file"):
            client.receipt(hash_)
        assert client.receipt(hash_, verified=False)["chain_id"] == "gchain-dev"
    foreign = replace(served.trust, chain_id="another-ledger")
    with Client(url(served), trust=foreign) as client, pytest.raises(VerificationError, match="another-ledger"):
        client.receipt(hash_)


@pytest.mark.slow
def test_clients_that_share_a_signer_both_succeed(served: Any) -> None:
    key = served.member.keys["member"]

    async def commit_all() -> list[int]:
        async with AsyncClient(url(served)) as client:
            args = [{"id": f"r{number}", "commitment": COMMITMENT} for number in range(8)]
            tasks = [client.transact("records", "commit", arg, key=key, signer="dev") for arg in args]
            return [outcome.code for outcome in await asyncio.gather(*tasks)]

    assert asyncio.run(commit_all()) == [0] * 8


class Flaky(httpx.BaseTransport):
    """Fails the first requests in different ways, then lets them through."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.seen = 0
        self._real = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen += 1
        if self.seen <= self.failures:
            if self.seen % 2:
                raise httpx.ConnectError("connection refused", request=request)
            return httpx.Response(503, json={"error": {"status": 503, "message": "busy"}})
        return self._real.handle_request(request)

    def close(self) -> None:
        self._real.close()


def test_a_node_that_is_away_for_a_moment_is_asked_again(served: Any) -> None:
    transport = Flaky(2)
    with Client(url(served), transport=transport) as client:
        assert client.get("/v1/status")["chain_id"] == "gchain-dev"
    assert transport.seen == 3


def test_an_answer_that_is_no_node_is_an_error() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="<html>"))
    with Client("http://node.test", transport=transport) as client, pytest.raises(ApiError, match="without JSON"):
        client.get("/v1/status")


def test_an_outcome_of_another_transaction_is_not_believed() -> None:
    body = {"hash": "00" * 32, "committed": True, "code": 0, "log": "", "height": 1, "index": 0}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=body))
    with Client("http://node.test", transport=transport) as client, pytest.raises(ApiError, match="not for"):
        client.submit(b"some transaction")


class _LosesTheFirstAnswer(httpx.HTTPTransport):
    """Passes everything on, but the first answer to a submission is lost and the next one says: number used."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            return super().handle_request(request)
        self.bodies.append(request.read())
        if len(self.bodies) == 1:
            super().handle_request(request).read()
            raise httpx.ReadError("the connection broke")
        hash_ = hashlib.sha256(self.bodies[-1]).hexdigest()
        refusal = {"hash": hash_, "committed": False, "code": int(Code.NONCE_USED), "log": "used"}
        return httpx.Response(200, json=refusal, request=request)


def test_an_action_whose_answer_was_lost_is_not_carried_out_a_second_time(served: Any) -> None:
    transport = _LosesTheFirstAnswer()
    with Client(url(served), transport=transport) as client:
        key = served.member.keys["member"]
        args = {"id": "lost", "commitment": COMMITMENT}
        outcome = client.transact("records", "commit", args, key=key, signer="dev")
    assert (outcome.committed, outcome.code) == (True, Code.OK)
    assert len(set(transport.bodies)) == 1
