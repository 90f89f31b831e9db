"""The explorer: lists, search and pages of members and proposals, without a script."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("path", ["/blocks", "/members", "/members/dev", "/proposals", "/policy"])
def test_a_page_is_whole_and_marks_where_the_reader_is(served: Any, path: str) -> None:
    served.commit("r1")
    page = served.status.get(path)
    assert page.status_code == 200
    assert page.text.count('aria-current="page"') == (path != "/members/dev")
    assert page.text.count("<caption>") == {"/proposals": 0, "/policy": 1}.get(path, 1)


@pytest.mark.parametrize("path", ["/members/nobody", "/proposals/none", "/search?q=nothing", "/search"])
def test_what_is_not_there_is_said_to_people_with_404(served: Any, path: str) -> None:
    page = served.status.get(path)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")


def test_a_search_leads_to_block_transaction_and_member(served: Any) -> None:
    outcome = served.commit("r1")
    found = {outcome["hash"]: f"/transactions/{outcome['hash']}", "2": "/blocks/2", " dev ": "/members/dev"}
    for asked, page in found.items():
        answer = served.status.get("/search", params={"q": asked})
        assert (answer.status_code, answer.headers["location"]) == (303, page)
        assert served.status.get(page).status_code == 200


def test_what_is_searched_for_is_escaped(served: Any) -> None:
    assert "<script>alert" not in served.status.get("/search", params={"q": "<script>alert(1)</script>"}).text


def test_blocks_come_in_pages_without_gap_or_repetition(served: Any) -> None:
    for number in range(4):
        served.commit(f"r{number}")
    heights, before = [], 0
    while before is not None:
        page = served.api.get("/v1/blocks", params={"before": before, "limit": 2}).json()
        heights += [block["height"] for block in page["blocks"]]
        before = page["next_before"]
    assert heights == list(range(heights[0], 0, -1))


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 51}, {"limit": "x"}, {"before": -1}])
def test_a_page_that_cannot_be_is_refused_in_a_sentence(served: Any, params: dict[str, Any]) -> None:
    answer = served.api.get("/v1/blocks", params=params)
    assert answer.status_code == 400
    assert "expected" in answer.json()["error"]["message"]


def test_members_are_listed_and_read_one_by_one(served: Any) -> None:
    page = served.api.get("/v1/members").json()
    assert ([member["name"] for member in page["members"]], page["next_after"]) == (["dev"], None)
    assert served.api.get("/v1/members/dev").json() == page["members"][0]
    assert served.api.get("/v1/members", params={"after": "dev"}).json()["members"] == []
    assert served.api.get("/v1/members/nobody").status_code == 404


def test_an_open_proposal_shows_its_ballots(served: Any) -> None:
    ballots = {"dev": "yes"}
    proposal = {"id": "p1", "kind": "officer.remove", "args": {"member": "dev"}, "proposer": "dev/a", "height": 2}
    states = {
        "governance/proposals": {"open": ["p1"], "closed": 0},
        "governance/proposals/p1": proposal | {"closes_height": 9, "ballots": ballots, "status": "open"},
    }
    served.view.state = states.get
    assert served.api.get("/v1/proposals").json()["proposals"][0]["ballots"] == ballots
    page = served.status.get("/proposals/p1").text
    assert "officer.remove" in page
    assert "yes</span>" in page
    assert "p1" in served.status.get("/proposals").text
