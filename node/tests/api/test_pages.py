"""The pages: readable without a script, and safe against what members write. What is live: test_live_pages.py."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest


class Outline(HTMLParser):
    """Landmarks, headings, table headers without scope, and addresses that a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.unscoped = 0
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        attributes = dict(attrs)
        self.unscoped += tag == "th" and "scope" not in attributes
        self.references += [value for name in ("src", "href") if (value := attributes.get(name)) is not None]


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    return parser


def test_the_page_says_everything_without_a_script(served: Any) -> None:
    outcome = served.commit("r1")
    page = served.status.get("/").text
    for expected in ("gchain-dev", "open for business transactions", outcome["hash"][:16], "records/commit"):
        assert expected in page


@pytest.mark.parametrize("path", ["/", "/blocks/2", "transaction", "/blocks/99999"])
def test_every_page_is_self_contained_and_has_its_landmarks(served: Any, path: str) -> None:
    outcome = served.commit("r1")
    page = served.status.get(f"/transactions/{outcome['hash']}" if path == "transaction" else path)
    assert page.headers["content-type"].startswith("text/html")
    found = outline(page.text)
    assert {"header", "main", "footer", "h1", "title"} <= set(found.tags)
    assert found.unscoped == 0
    assert all(re.match(r"(/(?!/)|#|data:image/)", reference) for reference in found.references)
    assert '<html lang="en">' in page.text


def test_a_page_of_what_is_not_there_is_a_404_for_people(served: Any) -> None:
    answer = served.status.get(f"/transactions/{'0' * 64}")
    assert answer.status_code == 404
    assert "No block that this node keeps" in answer.text


def test_what_a_signer_wrote_is_escaped(served: Any) -> None:
    served.view.member = "<script>alert(1)</script>"
    page = served.status.get("/").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.browser
@pytest.mark.parametrize("width", [*(pytest.param(width, marks=pytest.mark.slow) for width in (1280, 768)), 360])
def test_no_width_makes_a_page_overflow(served: Any, browser: Any, width: int) -> None:
    outcome = served.commit("r1")
    pages = ("/blocks", "/members", "/members/dev", "/proposals")
    for path in (*pages, "/", f"/blocks/{outcome['height']}", f"/transactions/{outcome['hash']}"):
        browser.open(f"{served.status.base_url}{path}", width)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width, path
    assert browser.refused == []


@pytest.mark.browser
@pytest.mark.slow
def test_whatever_can_be_focused_or_read_as_a_table_has_a_name(served: Any, browser: Any) -> None:
    served.commit("r1")
    browser.open(str(served.status.base_url), 1280)
    unnamed = [
        role for role, name in browser.accessible() if role in {"link", "button", "heading", "region"} and not name
    ]
    assert unnamed == []
