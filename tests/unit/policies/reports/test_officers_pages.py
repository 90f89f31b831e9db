"""The officer's pages in a real browser: widths, colours, keyboard, screen reader, paper, a waiver made and saved."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gchain.workspace import Workspace
from node.tests import axe
from node.tests.browser import Browser
from policies import waivers
from policies.catalogue import catalogue
from policies.reports import history

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Report = dict[str, Any]
PAGES = ("/", "/waiver?rule=HRD-014", "/evidence/health/RES-010/state", "/compare", "/evidence/health/RES-999/state")
_SHOWN = "[...document.querySelectorAll('.rule:not([hidden])')].map(rule => rule.id).join(' ')"
_CHOOSE = """((name, value) => {{
  document.querySelector(`[name=${{name}}]`).value = value;
  document.getElementById('filters').dispatchEvent(new Event('input'));
}})({name}, {value})"""
_FAINT = r"""(() => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\d.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (at) => {
    for (; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  for (const at of document.body.querySelectorAll('*')) {
    const own = [...at.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || ['SCRIPT', 'STYLE', 'OPTION'].includes(at.tagName)) continue;
    const [a, b] = [light(getComputedStyle(at).color), light(ground(at))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const what = `${at.tagName}.${at.className} ${at.textContent.trim().slice(0, 30)}`;
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${what}`);
  }
  return [...new Set(found)];
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian package chromium)")
    running = Browser(program, tmp_path_factory.mktemp("profile"))
    yield running
    running.close()


@pytest.fixture
def served(address: str, workspace: Workspace, report: Report) -> str:
    """The pages, with an earlier report to compare with."""
    history.keep(workspace, report | {"table_digest": "sha256:" + "0" * 64})
    return address


def choose(browser: Browser, name: str, value: str) -> str:
    """The rules that are shown once a filter is set."""
    browser.evaluate(_CHOOSE.format(name=json.dumps(name), value=json.dumps(value)))
    return str(browser.evaluate(_SHOWN))


@pytest.mark.parametrize("width", [1280, 768, 360])
def test_no_width_makes_a_page_scroll_sideways(served: str, browser: Browser, width: int) -> None:
    for path in PAGES:
        browser.open(f"{served}{path}", width)
        browser.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert browser.evaluate("document.documentElement.scrollWidth") <= width, path
    assert [text for text in browser.refused if "404" not in text] == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_all_text_stands_out_from_its_ground_as_wcag_aa_asks(served: str, browser: Browser, colours: str) -> None:
    grounds = {}
    for path in PAGES:
        browser.prefer(colours)
        browser.open(f"{served}{path}", 1280)
        browser.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert browser.evaluate(_FAINT) == [], path
        grounds[path] = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert set(grounds.values()) == {"rgb(16, 21, 27)" if colours == "dark" else "rgb(246, 247, 249)"}


@pytest.mark.parametrize(("colours", "width"), [("light", 1280), ("dark", 360)])
def test_axe_objects_to_no_page(served: str, browser: Browser, colours: str, width: int) -> None:
    browser.prefer(colours)
    for path in PAGES:
        browser.open(f"{served}{path}", width)
        browser.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert axe.objections(browser) == [], path


def test_faint_text_would_be_found(served: str, browser: Browser) -> None:
    browser.prefer("light")
    browser.open(served + "/", 1280)
    browser.evaluate("document.querySelector('h2').style.color = '#aaa'")
    assert len(browser.evaluate(_FAINT)) == 1


def test_filters_narrow_by_control_member_severity_and_outcome_together(served: str, browser: Browser) -> None:
    browser.open(served + "/", 1280)
    every = str(browser.evaluate(_SHOWN)).split()
    named = set(choose(browser, "control", "sc-12.6").split())
    assert named == {rule for rule in every if "sc-12.6" in catalogue()[rule].controls} != set()
    assert "RES-010" not in choose(browser, "outcome", "fail")
    choose(browser, "control", "")
    assert choose(browser, "outcome", "fail").split() == ["RES-010"]
    assert choose(browser, "member", "treasury") == ""
    assert choose(browser, "member", "health") == "RES-010"
    assert choose(browser, "severity", "high") == ""
    assert browser.evaluate("document.getElementById('shown').textContent") == f"0 of {len(every)} rules"


def test_the_keyboard_alone_opens_a_rule_and_skips_to_the_content(served: str, browser: Browser) -> None:
    browser.open(served + "/", 1280)
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.textContent") == "Skip to the rules"
    assert browser.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    browser.evaluate("document.querySelector('#RES-010 > summary').focus()")
    browser.press("Enter")
    browser.wait_for("document.getElementById('RES-010').open")
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.getAttribute('href')").startswith(
        "/waiver?member=health&rule=RES-010"
    )


def test_whatever_a_screen_reader_stops_at_has_a_name(served: str, browser: Browser) -> None:
    stops = {"link", "button", "heading", "combobox", "textbox", "searchbox", "spinbutton", "navigation"}
    for path in PAGES:
        browser.open(f"{served}{path}", 1280)
        told = browser.accessible()
        assert [role for role, name in told if role in stops and not name] == [], path
        assert "main" in {role for role, _ in told}


def test_on_paper_what_fails_is_open_and_what_holds_is_not(served: str, browser: Browser) -> None:
    browser.open(served + "/", 1280)
    assert browser.printed().startswith(b"%PDF-")
    opened = browser.evaluate("[...document.querySelectorAll('.rule[open]')].map(rule => rule.dataset.worst)")
    assert set(opened) == {"fail", "waived"}


def test_an_officer_goes_from_a_finding_to_a_file_to_sign(served: str, browser: Browser, tmp_path: Path) -> None:
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "saved"))
    browser.open(served + "/", 1280)
    browser.evaluate("document.querySelector('#RES-010 a[href*=waiver]').click()")
    browser.wait_for("location.pathname === '/waiver' && document.readyState === 'complete'")
    assert browser.evaluate("document.querySelector('[name=member]').value") == "health"
    for name, text in (("reason", "the copy is deleted this week"), ("control", "nobody but the officer can read it")):
        browser.evaluate(f"document.querySelector('[name={name}]').value = {json.dumps(text)}")
    browser.evaluate("document.querySelector('form button').click()")
    saved = tmp_path / "saved" / "waiver-health-RES-010.json"
    deadline = time.monotonic() + 120
    while not saved.exists():
        assert time.monotonic() < deadline, "the browser saved no waiver in 120 s"
        time.sleep(0.05)
    document = waivers.read_draft(saved, "health")
    assert (document["rule"], document["reason"]) == ("RES-010", "the copy is deleted this week")
