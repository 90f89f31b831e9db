"""The pages that follow the ledger: what a new block changes in them, and what it leaves alone. `make test-quick` looks
at one of them."""

from __future__ import annotations

import time
from typing import Any

import pytest

pytestmark = pytest.mark.browser

# Timers of 30 s or more fire when the test says so; `said` collects what the live region was given to say.
_HELD = """
window.held = []; window.said = [];
const real = window.setTimeout;
window.setTimeout = (run, delay) => delay >= 30000 ? window.held.push(run) : real(run, delay);
document.addEventListener("DOMContentLoaded", () => {
  const news = document.getElementById("news");
  if (news) { new MutationObserver(() => said.push(news.textContent)).observe(news, { childList: true }); }
});
"""


def follow(served: Any, browser: Any, path: str) -> None:
    """Open a page and wait until it follows the ledger."""
    browser.open(f"{served.status.base_url}{path}", 1280)
    browser.wait_for("document.getElementById('connection').textContent === 'Updating live'")


def until_block_is_shown(browser: Any, height: int) -> None:
    browser.wait_for(f"document.querySelector('#list a[href=\"/blocks/{height}\"]') !== null")


def test_a_new_transaction_appears_while_the_page_is_open(served: Any, browser: Any) -> None:
    follow(served, browser, "/")
    outcome = served.commit("while-it-is-open")
    browser.wait_for(f"document.getElementById('transactions').textContent.includes('{outcome['hash'][:16]}')")
    assert browser.refused == []


@pytest.mark.slow
def test_updates_can_be_paused_with_the_keyboard_alone(served: Any, browser: Any) -> None:
    follow(served, browser, "/")
    browser.press("Tab")  # the link that skips to the content
    assert browser.evaluate("document.activeElement.textContent") == "Skip to content"
    browser.press("Tab")
    browser.press("Enter")
    browser.wait_for("document.getElementById('connection').textContent === 'Paused'")
    hash_ = served.commit("while-it-is-paused")["hash"][:16]
    assert not browser.evaluate(f"document.body.textContent.includes('{hash_}')")
    browser.press("Enter")
    browser.wait_for(f"document.body.textContent.includes('{hash_}')")


@pytest.mark.slow
def test_the_list_of_blocks_grows_and_keeps_the_rows_that_stay(served: Any, browser: Any) -> None:
    served.commit("before")
    follow(served, browser, "/blocks")
    browser.evaluate("window.kept = document.querySelector('#list tbody').rows[0]; kept.querySelector('a').focus()")
    height = served.commit("while-it-is-open")["height"]
    until_block_is_shown(browser, height)
    shown = browser.evaluate("[...document.querySelectorAll('#list tbody a')].map((link) => +link.textContent)")
    assert shown == list(range(shown[0], 0, -1))
    assert shown[0] >= height
    assert browser.evaluate("kept.isConnected && kept.contains(document.activeElement)")
    assert browser.refused == []


@pytest.mark.slow
def test_a_full_list_drops_its_oldest_row_and_leaves_the_focus_in_the_list(served: Any, browser: Any) -> None:
    for number in range(24):
        served.commit(f"r{number}")
    follow(served, browser, "/blocks")
    browser.evaluate("document.querySelector('#list tbody tr:last-child a').focus()")
    until_block_is_shown(browser, served.commit("one-more")["height"])
    assert browser.evaluate("document.querySelectorAll('#list tbody tr').length") == 25
    assert browser.evaluate("document.getElementById('list').contains(document.activeElement)")
    assert browser.evaluate("document.querySelector('#pages a[rel=next]') !== null")


@pytest.mark.slow
def test_a_screen_reader_hears_one_sentence_for_many_blocks(served: Any, browser: Any) -> None:
    browser.before_each_page(_HELD)
    follow(served, browser, "/blocks")
    for number in range(5):
        until_block_is_shown(browser, served.commit(f"r{number}")["height"])
    assert browser.evaluate("said") == ["1 new block"]
    browser.evaluate("held.shift()()")
    browser.wait_for("said.length === 2")
    count, words = browser.evaluate("said[1]").split(" ", 1)
    assert (int(count) >= 4, words) == (True, "new blocks")


@pytest.mark.slow
def test_an_older_page_of_blocks_stands_still(served: Any, browser: Any) -> None:
    served.commit("r1")
    browser.open(f"{served.status.base_url}/blocks?before=2", 1280)
    assert browser.evaluate("document.querySelector('script, [data-live], [role=status]')") is None
    assert browser.evaluate("document.querySelectorAll('#list tbody tr').length") == 1


@pytest.mark.slow
def test_a_page_that_is_paused_holds_no_stream(served: Any, browser: Any) -> None:
    follow(served, browser, "/blocks")
    browser.evaluate("document.getElementById('pause').click()")
    browser.wait_for("document.getElementById('connection').textContent === 'Paused'")
    deadline = time.monotonic() + 120
    while served.view.feed._subscribers:
        assert time.monotonic() < deadline, "waited 120 s for the stream of a paused page to end"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_stream_that_was_refused_is_asked_for_again_later(
    served: Any, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.before_each_page(_HELD)
    with monkeypatch.context() as full:
        full.setattr("gchain_node.api.events._MAX_STREAMS", 0)
        browser.open(f"{served.status.base_url}/blocks", 1280)
        browser.wait_for("document.getElementById('connection').textContent === 'No live updates'")
    browser.evaluate("held.shift()()")
    browser.wait_for("document.getElementById('connection').textContent === 'Updating live'")
