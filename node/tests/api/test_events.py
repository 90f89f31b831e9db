"""Live events: ids, going on where a client left off, filters, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest


def read(served: Any, blocks: int, headers: dict[str, str] | None = None, **params: str) -> list[dict[str, Any]]:
    """The data of the first events of a stream, each as it is described."""
    found: list[dict[str, Any]] = []
    event = ""
    with served.api.stream("GET", "/v1/events", headers=headers or {}, params=params) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: ")))
                served.contract.check_event(event, found[-1])
            if len(found) == blocks:
                return found
    raise AssertionError("the stream ended")


def test_a_client_that_comes_back_gets_the_blocks_in_between(served: Any) -> None:
    first = served.commit("r1")
    last = served.commit("r2")
    since = {"Last-Event-ID": str(first["height"] - 1)}
    events = read(served, last["height"] - first["height"] + 1, since)
    assert [event["height"] for event in events] == list(range(first["height"], last["height"] + 1))
    assert events[-1]["transactions"] == [{"hash": last["hash"], "code": 0}]


def test_blocks_that_left_the_memory_are_read_from_the_engine(served: Any) -> None:
    outcome = served.commit("r1")
    served.view.feed._blocks.clear()
    assert read(served, 1, {"Last-Event-ID": "0"})[0]["height"] == 1
    assert outcome["height"] > 1


def test_a_block_that_is_no_longer_kept_is_a_gap_and_the_next_follows(served: Any) -> None:
    for number in range(3):
        served.commit(f"r{number}")
    served.engine._blocks._connection.execute("DELETE FROM block WHERE height = 2")
    served.view.feed._blocks.clear()
    gap, block = read(served, 2, {"Last-Event-ID": "1"})
    assert gap == {"first": 2, "last": 2}
    assert block["height"] == 3


@pytest.mark.parametrize(
    "wanted", [{"module": "records"}, {"member": "dev"}, {"module": "records", "member": "dev"}], ids=str
)
def test_a_filter_lets_through_what_it_names_and_nothing_else(served: Any, wanted: dict[str, str]) -> None:
    outcome = served.commit("r1")
    events = read(served, 1, {"Last-Event-ID": str(outcome["height"] - 1)}, **wanted)
    assert [tx["hash"] for tx in events[0]["transactions"]] == [outcome["hash"]]
    with served.api.stream(
        "GET", "/v1/events", headers={"Last-Event-ID": "0"}, params=wanted | {"member": "another"}
    ) as stream:
        for line in stream.iter_lines():
            assert not line.startswith("data:")
            if line == f"id: {outcome['height']}":
                break


@pytest.mark.parametrize("text", ["x", "-1", "9" * 19, "1.5"])
def test_an_id_that_is_no_height_is_refused(served: Any, text: str) -> None:
    answer = served.api.get("/v1/events", headers={"Last-Event-ID": text})
    assert answer.status_code == 400
    assert "Last-Event-ID" in answer.json()["error"]["message"]
