"""The pages in a browser against WCAG 2.2 AA, as far as a machine can measure: contrast, keyboard, structure, and what
axe-core says of them. `make test-quick` asks axe-core alone, of every fourth page."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from gchain_node.client import Client
from node.tests import axe
from node.tests.api.test_openapi import propose
from node.tests.api.test_reports import DIGEST, RAW, anchor

pytestmark = pytest.mark.browser

_MEASURE: Final = (Path(__file__).parents[1] / "accessibility.js").read_text()
_BADGES: Final = """document.querySelector("main").insertAdjacentHTML("beforeend",
    ["", "good", "warn", "bad"].map((kind) => `<span class="badge ${kind}">badge ${kind}</span>`).join(""))"""
_TIMES: Final = """(() => {
  const lines = (text, from, to) => {
    const range = document.createRange();
    range.setStart(text, from);
    range.setEnd(text, to);
    return new Set([...range.getClientRects()].map(({top}) => Math.round(top))).size;
  };
  const texts = (node) => node.nodeType === Node.TEXT_NODE ? [node] : [...node.childNodes].flatMap(texts);
  const broken = (text) => [...text.data.matchAll(/\\S+/g)]
    .some(({0: word, index}) => lines(text, index, index + word.length) > 1);
  const times = [...document.querySelectorAll("time")];
  return [times.filter((time) => texts(time).some(broken)).map((time) => time.textContent), times.length];
})()"""
"""The texts of the times in which a date or a time of day takes more than one line, and how many times there are."""


def measure(browser: Any, what: str) -> Any:
    """What the function of `accessibility.js` says of the page that is open."""
    return browser.evaluate(f"({_MEASURE}).{what}()")


@pytest.fixture(scope="module")
def pages(serving: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The address of each kind of page, with something on it, and of what is not there."""
    with serving(tmp_path_factory.mktemp("ledger")) as served:
        yield _pages(served)


def _pages(served: Any) -> list[str]:
    outcome = served.commit("r1")
    anchor(served)
    with Client(str(served.api.base_url)) as client:
        client.hand_in_report(RAW)
    proposed = propose(served)
    served.view.not_ready = lambda: ["The node is catching up with the ledger."]
    own = [f"/blocks/{outcome['height']}", f"/transactions/{outcome['hash']}", f"/proposals/{proposed}"]
    lists = [
        "/",
        "/blocks",
        "/members",
        "/members/dev",
        "/proposals",
        "/policy",
        f"/reports/{DIGEST}",
        "/search?q=none",
    ]
    return [f"{served.status.base_url}{path}" for path in lists + own]


@pytest.mark.slow
@pytest.mark.parametrize(("colours", "width"), list(itertools.product(["light", "dark"], [1280, 390])))
def test_every_text_and_part_of_a_control_has_enough_contrast(
    pages: list[str], browser: Any, colours: str, width: int
) -> None:
    browser.prefer(colours)
    for page in pages:
        browser.open(page, width)
        browser.evaluate(_BADGES)
        found = measure(browser, "contrast")
        assert len(found) > 15, page
        assert [pair for pair in found if pair["ratio"] < pair["needed"]] == [], page


@pytest.mark.parametrize(
    ("colours", "width", "every"),
    [
        ("light", 1280, 4),
        pytest.param("light", 1280, 1, marks=pytest.mark.slow),
        pytest.param("dark", 390, 1, marks=pytest.mark.slow),
    ],
)
def test_axe_objects_to_no_page(pages: list[str], browser: Any, colours: str, width: int, every: int) -> None:
    browser.prefer(colours)
    for page in pages[::every]:
        browser.open(page, width)
        assert axe.objections(browser) == [], page


def test_axe_would_object(pages: list[str], browser: Any) -> None:
    browser.open(pages[0], 1280)
    browser.evaluate("document.querySelector('label').remove()")
    assert [sentence for sentence in axe.objections(browser) if sentence.startswith("label: #")]


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_no_date_or_time_of_day_is_broken_over_two_lines(pages: list[str], browser: Any, width: int) -> None:
    shown = 0
    for page in pages:
        browser.open(page, width)
        broken, count = browser.evaluate(_TIMES)
        assert broken == [], page
        shown += count
    assert shown > 5


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_a_button_under_the_pointer_stays_readable(pages: list[str], browser: Any, colours: str) -> None:
    browser.prefer(colours)
    browser.open(pages[0], 1280)
    before = browser.evaluate("getComputedStyle(document.querySelector('form button')).backgroundColor")
    x, y = browser.evaluate(
        "(({x, y, width, height}) => [x + width / 2, y + height / 2])"
        "(document.querySelector('form button').getBoundingClientRect())"
    )
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    browser.wait_for(f"getComputedStyle(document.querySelector('form button')).backgroundColor !== '{before}'")
    assert [pair for pair in measure(browser, "contrast") if pair["ratio"] < pair["needed"]] == []


@pytest.mark.slow
def test_a_text_with_too_little_contrast_is_found(pages: list[str], browser: Any) -> None:
    browser.prefer("light")
    browser.open(pages[0], 1280)
    browser.evaluate("document.documentElement.style.setProperty('--muted', '#8a97a3')")
    assert [pair for pair in measure(browser, "contrast") if pair["ratio"] < pair["needed"]]


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_keyboard_reaches_every_control_in_order_and_shows_where_it_is(
    pages: list[str], browser: Any, colours: str
) -> None:
    browser.prefer(colours)
    for page in pages:
        browser.open(page, 1280)
        expected = browser.evaluate(f"({_MEASURE}).controls().length")
        reached: list[int] = []
        for _ in range(expected + 10):  # what scrolls and holds no control takes the focus too
            browser.press("Tab")
            focus = measure(browser, "focus")
            if focus["what"].startswith("<body"):
                break
            assert (focus["outline"] >= 2, focus["ratio"] >= 3, focus["inView"]) == (True, True, True), (page, focus)
            reached += [focus["place"]] * (focus["place"] >= 0)
            if len(reached) == expected:
                break
        assert reached == list(range(expected)), page


@pytest.mark.slow
def test_every_page_has_landmarks_headings_names_and_table_headers(pages: list[str], browser: Any) -> None:
    for page in pages:
        browser.open(page, 1280)
        assert measure(browser, "problems") == [], page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("document.documentElement.removeAttribute('lang')", "language"),
        ("document.querySelector('h2').outerHTML = '<h4>deep</h4>'", "leave out a level"),
        ("document.querySelector('label').remove()", "has no label"),
        ("document.querySelector('tbody th').removeAttribute('scope')", "no row header"),
        ("document.querySelector('table').removeAttribute('aria-labelledby')", "has no name"),
        ("document.querySelector('form button').textContent = ''", "has no name"),
    ],
)
def test_a_flaw_in_the_structure_is_found(pages: list[str], browser: Any, harm: str, words: str) -> None:
    browser.open(pages[0], 1280)
    # In one step: the page follows the ledger, and mends itself.
    problems = browser.evaluate(f"(() => {{ {harm}; return ({_MEASURE}).problems(); }})()")
    assert [sentence for sentence in problems if words in sentence]
