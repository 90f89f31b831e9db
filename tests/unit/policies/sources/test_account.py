"""How the live source meets an API that pages, throttles, refuses or talks nonsense."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest

from policies.engine import evaluate
from policies.graph import Graph
from policies.outcomes import Outcome, Stage
from policies.rules import RULES
from policies.sources import live
from policies.sources.aws.account import Account, error_code
from policies.sources.aws.listing import Listing
from tests.unit.policies.rule_cases import NOW, zone

DESTINATIONS = Listing(
    "aws:cloudwatch/logDestination:LogDestination",
    "logs",
    "describe_destinations",
    "destinations",
    "destinationName",
    {"targetArn": "targetArn"},
)
FAR = "arn:aws:kinesis:us-east-1:111122223333:stream/logs"


@contextmanager
def answering(*answers: tuple[int, Any]) -> Iterator[tuple[Account, list[Any]]]:
    """An account whose API gives these answers in turn, the last one for ever; and what it was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(json.loads(body))
            status, document = answers[min(len(asked), len(answers)) - 1]
            payload = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        session = boto3.Session("k", "s", region_name="eu-central-1")
        yield Account(session, f"http://127.0.0.1:{server.server_port}"), asked
    finally:
        server.shutdown()
        server.server_close()


def page(*names: str, token: str | None = None) -> tuple[int, Any]:
    listed = [{"destinationName": name, "targetArn": FAR} for name in names]
    return 200, {"destinations": listed, **({"nextToken": token} if token else {})}


def collected(account: Account) -> tuple[list[Any], str | None]:
    account.__dict__["number"] = "111122223333"
    task = live._Task((DESTINATIONS.kind,), DESTINATIONS, "eu-central-1", set())
    return live._collect(account, task)


def test_every_page_is_read() -> None:
    with answering(page("one", token="next"), page("two", token="last"), page("three")) as (account, asked):
        found, problem = collected(account)
    assert [resource.physical_id for resource in found] == ["one", "two", "three"]
    assert [each.get("nextToken") for each in asked] == [None, "next", "last"]
    assert problem is None


def test_a_throttled_call_is_repeated_and_loses_nothing() -> None:
    throttled = (400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
    with answering(throttled, page("one", token="next"), throttled, page("two")) as (account, asked):
        found, problem = collected(account)
    assert [resource.physical_id for resource in found] == ["one", "two"]
    assert (problem, len(asked)) == (None, 4)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((400, {"__type": "AccessDeniedException", "message": "no"}), "AccessDeniedException"),
        ((400, {"__type": "UnknownOperationException", "message": "what?"}), "UnknownOperationException"),
        ((200, b'{"destinations": [{"destin'), "DescribeDestinations: the answer is not whole"),
        ((200, {"destinations": [{"targetArn": FAR}]}), "unexpected"),
    ],
)
def test_an_answer_that_is_none_makes_the_rules_that_need_it_indeterminate(answer: Any, reason: str) -> None:
    with answering(answer) as (account, _):
        found, problem = collected(account)
    graph, coverage = Graph(), live.Coverage()
    task = live._Task((DESTINATIONS.kind,), DESTINATIONS, "eu-central-1", set())
    live._take(graph, coverage, task, found, problem)
    outcomes = {f.outcome for f in evaluate(graph, zone(), Stage.LIVE, rules=[RULES["RES-061"]], now=NOW)}
    if reason != "unexpected":
        assert problem == reason
        assert coverage.gaps == [{"type": DESTINATIONS.kind, "region": "eu-central-1", "reason": reason}]
        assert outcomes == {Outcome.INDETERMINATE}
    else:
        assert Outcome.FAIL in outcomes  # an item without a name is judged all the same


def test_what_was_read_before_a_page_failed_is_judged_and_the_rest_stays_unknown() -> None:
    denied = (400, {"__type": "AccessDeniedException", "message": "no"})
    with answering(page("one", token="next"), denied) as (account, _):
        found, problem = collected(account)
    graph = Graph(list(found), unavailable={DESTINATIONS.kind: str(problem)})
    outcomes = {f.outcome for f in evaluate(graph, zone(), Stage.LIVE, rules=[RULES["RES-061"]], now=NOW)}
    assert outcomes == {Outcome.FAIL, Outcome.INDETERMINATE}


def test_an_endpoint_that_is_not_there_is_named() -> None:
    account = Account(boto3.Session("k", "s", region_name="eu-central-1"), "http://127.0.0.1:9")
    client = account.client("logs", "eu-central-1")
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the class is the SDK's own)
        client.describe_destinations()
    assert error_code(caught.value) in ("EndpointConnectionError", "ConnectTimeoutError")
