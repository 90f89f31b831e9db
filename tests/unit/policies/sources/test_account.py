"""How the live source meets an API that pages, throttles, refuses or talks nonsense."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from policies.engine import evaluate
from policies.errors import SourceError
from policies.graph import Graph
from policies.outcomes import Outcome, Stage
from policies.rules import RULES
from policies.sources import live
from policies.sources.aws import network
from policies.sources.aws.account import Account, error_code
from policies.sources.aws.listing import Listing
from policies.sources.aws.paging import LEFT_OUT
from tests.local_cloud import new_session
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
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(json.loads(body) if body.startswith(b"{") else body.decode())
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
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()  # seconds between looks whether to end
    try:
        session = new_session("k", "s")
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
    found, problem = live._collect(account, task)
    return found, problem and error_code(problem)


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


LISTED = "DescribeDestinations: destinations"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((400, {"__type": "AccessDeniedException", "message": "no"}), "AccessDeniedException"),
        ((400, {"__type": "UnknownOperationException", "message": "what?"}), "UnknownOperationException"),
        ((200, b'{"destinations": [{"destin'), "DescribeDestinations: the answer is not whole"),
        ((200, b""), "DescribeDestinations: the answer is not whole"),
        ((200, []), "DescribeDestinations: the answer should be a structure, found a list"),
        ((200, {}), f"{LISTED} is missing from the answer"),
        ((200, {"destinations": None}), f"{LISTED} is missing from the answer"),
        ((200, {"destinations": {}}), f"{LISTED} should be a list, found a dict"),
        ((200, {"destinations": ""}), f"{LISTED} should be a list, found a str"),
        ((200, {"destinations": [None]}), f"{LISTED} should be a structure, found null"),
        ((200, {"destinations": ["one"]}), f"{LISTED} should be a structure, found a str"),
        ((200, {"destinations": [{"targetArn": FAR}]}), f"{LISTED}.destinationName is missing from the answer"),
        ((200, {"destinations": [{"destinationName": "one"}]}), f"{LISTED}.targetArn is missing from the answer"),
        (
            (200, {"destinations": [{"destinationName": "one", "targetArn": 7}]}),
            f"{LISTED}.targetArn should be a string, found a int",
        ),
    ],
)
def test_an_answer_that_is_none_makes_the_rules_that_need_it_indeterminate(answer: Any, reason: str) -> None:
    with answering(answer) as (account, _):
        account.__dict__["number"] = "111122223333"
        task = live._Task((DESTINATIONS.kind,), DESTINATIONS, "eu-central-1", set())
        found, problem = live._collect(account, task)
    graph, coverage = Graph(), live.Coverage()
    live._take(graph, coverage, task, found, problem)
    assert coverage.gaps == [{"type": DESTINATIONS.kind, "region": "eu-central-1", "reason": reason}]
    findings = evaluate(graph, zone(), Stage.LIVE, rules=[RULES["RES-061"]], now=NOW)
    assert {f.outcome for f in findings} == {Outcome.INDETERMINATE}
    assert reason in findings[0].message


XML = {
    "<subnetSet><item><subnetId>s</subnetId><mapPublicIpOnLaunch>yes</mapPublicIpOnLaunch></item></subnetSet>": (
        "DescribeSubnets: Subnets.MapPublicIpOnLaunch should be a boolean, found another word"
    ),
    "<subnetSet>none</subnetSet>": "DescribeSubnets: Subnets should be a list, found text",
    "<subnetSet><item>s</item></subnetSet>": "DescribeSubnets: Subnets should be a structure, found text",
    "<subnetSet/><subnetSet/>": "DescribeSubnets: Subnets should be a list, found more than one",
    "<subnetSet><item><subnetId><a/></subnetId></item></subnetSet>": (
        "DescribeSubnets: Subnets.SubnetId should be a string, found an element"
    ),
    "<requestId>r</requestId>": "DescribeSubnets: Subnets is missing from the answer",
    "<subnetSet><item/></subnetSet>": "DescribeSubnets: Subnets.VpcId is missing from the answer",
}


@pytest.mark.parametrize("body", XML)
def test_xml_that_the_sdk_would_take_for_nothing_or_off_is_refused(body: str) -> None:
    document = (
        f'<DescribeSubnetsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">{body}</DescribeSubnetsResponse>'
    )
    with answering((200, document.encode())) as (account, _), pytest.raises(SourceError) as caught:
        list(network.subnets(account, "eu-central-1", set()))
    assert str(caught.value) == XML[body]


ALIASES = [{"AliasName": "alias/a"}]


@pytest.mark.parametrize(
    ("service", "operation", "key", "pages"),
    [
        ("kms", "list_aliases", "Aliases", [{"Aliases": ALIASES, "Truncated": True}]),
        ("kms", "list_aliases", "Aliases", [{"Aliases": ALIASES, "NextMarker": "m"}]),
        ("kms", "list_aliases", "Aliases", [{"Aliases": ALIASES, "Truncated": False, "NextMarker": "m"}]),
        ("events", "list_event_buses", "EventBuses", [{"EventBuses": [], "NextToken": "again"}] * 2),
    ],
)
def test_a_list_that_goes_on_but_not_where_is_refused(service: str, operation: str, key: str, pages: Any) -> None:
    with answering(*[(200, page) for page in pages]) as (account, _), pytest.raises(SourceError, match="the list"):
        list(account.pages(service, "eu-central-1", operation, key))


def test_an_operation_that_the_sdk_does_not_page_is_read_to_its_end() -> None:
    answers = [{"EventBuses": [{"Name": "one"}], "NextToken": "t"}, {"EventBuses": [{"Name": "two"}]}]
    with answering(*[(200, answer) for answer in answers]) as (account, asked):
        found = [each["Name"] for each in account.pages("events", "eu-central-1", "list_event_buses", "EventBuses")]
    assert found == ["one", "two"]
    assert [each.get("NextToken") for each in asked] == [None, "t"]


def test_an_answer_that_is_read_as_one_may_not_go_on() -> None:
    page = {"directConnectGateways": [], "nextToken": "t"}
    with answering((200, page)) as (account, _), pytest.raises(SourceError, match="more follows"):
        account.ask("directconnect", "eu-central-1", "describe_direct_connect_gateways")


@pytest.mark.parametrize(("service", "operation", "key"), LEFT_OUT)
def test_a_list_that_may_be_left_out_is_one_of_the_operation(service: str, operation: str, key: str) -> None:
    client = Account(new_session("k", "s")).client(service, "eu-central-1")
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).output_shape
    for name in key.split("."):
        shape = shape.members[name]
    assert shape.type_name == "list"
    if "flattened" in LEFT_OUT[service, operation, key]:
        assert shape.serialization["flattened"] is True


def test_no_queues_are_an_empty_list_and_no_topics_are_not() -> None:
    with answering((200, {})) as (account, asked):
        assert list(account.names("sqs", "eu-central-1", "list_queues", "QueueUrls", MaxResults=1000)) == []
        assert asked == [{"MaxResults": 1000}]
        with pytest.raises(SourceError, match="DetectorIds is missing"):
            list(account.names("guardduty", "eu-central-1", "list_detectors", "DetectorIds"))


def test_what_was_read_before_a_page_failed_is_judged_and_the_rest_stays_unknown() -> None:
    denied = (400, {"__type": "AccessDeniedException", "message": "no"})
    with answering(page("one", token="next"), denied) as (account, _):
        found, problem = collected(account)
    graph = Graph(list(found), unavailable={DESTINATIONS.kind: str(problem)})
    outcomes = {f.outcome for f in evaluate(graph, zone(), Stage.LIVE, rules=[RULES["RES-061"]], now=NOW)}
    assert outcomes == {Outcome.FAIL, Outcome.INDETERMINATE}


def test_an_endpoint_that_is_not_there_is_named() -> None:
    account = Account(new_session("k", "s"), "http://127.0.0.1:9")
    client = account.client("logs", "eu-central-1")
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the class is the SDK's own)
        client.describe_destinations()
    assert error_code(caught.value) in ("EndpointConnectionError", "ConnectTimeoutError")
