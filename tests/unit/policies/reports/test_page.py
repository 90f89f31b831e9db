"""The officer's page: verdict first, nothing from elsewhere, filters that work in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gchain_node.development import DevelopmentMember
from policies.outcomes import Finding
from policies.reports import page
from policies.reports.member import sign
from policies.reports.merge import merge
from tests.unit.policies.conftest import NAMES

MakeReport = Callable[..., dict[str, Any]]
Members = dict[str, DevelopmentMember]


@pytest.fixture
def closed(make_report: MakeReport, members: Members, agreed: dict[str, Any], leak: Finding) -> str:
    """The page of a consortium in which health leaks."""
    reports = {name: make_report(name, *([leak] if name == "health" else [])) for name in NAMES}
    return page.render(merge({n: sign(r, members[n].keys["officer"]) for n, r in reports.items()}, agreed))


@pytest.fixture
def open_(make_report: MakeReport, members: Members, agreed: dict[str, Any]) -> str:
    envelopes = {name: sign(make_report(name), members[name].keys["officer"]) for name in NAMES}
    return page.render(merge(envelopes, agreed))


def test_the_verdict_stands_first_and_then_the_reasons(closed: str, open_: str) -> None:
    assert "Ready to go live" in open_
    assert "Not ready to go live" in closed
    assert closed.index("Not ready to go live") < closed.index('id="reasons"') < closed.index('id="rules"')
    assert "critical rule RES-010 failed for health at stage state" in closed
    assert "us-east-1" in closed


def test_it_says_how_many_rules_are_not_enforced_and_names_them(open_: str) -> None:
    assert "of the catalogue’s 103 rules" in open_
    assert "RES-005" in open_


def test_it_loads_nothing_from_elsewhere(closed: str) -> None:
    assert not re.findall(r"(?:src|href)=\"(?!#)", closed)
    assert "url(" not in closed
    assert "default-src 'none'" in closed


def test_text_from_the_estate_cannot_become_markup(
    make_report: MakeReport, members: Members, agreed: dict[str, Any], leak: Finding
) -> None:
    nasty = Finding(leak.rule, "<script>alert(1)</script>", leak.stage, leak.outcome, "<img src=x>", leak.evidence)
    reports = {name: make_report(name, *([nasty] if name == "health" else [])) for name in NAMES}
    text = page.render(merge({n: sign(r, members[n].keys["officer"]) for n, r in reports.items()}, agreed))
    assert "<script>alert" not in text
    assert "<img" not in text


_DRIVE = """
<script>
addEventListener("load", () => {
  const choose = (name, value) => {
    document.querySelector(`[name=${name}]`).value = value;
    document.getElementById("filters").dispatchEvent(new Event("input"));
  };
  const shown = () => [...document.querySelectorAll(".rule:not([hidden])")].map((rule) => rule.id).join(" ");
  const say = (id, text) => {
    const at = document.createElement("pre");
    at.id = id;
    at.textContent = text;
    document.body.append(at);
  };
  choose("outcome", "fail"); say("of-any", shown());
  choose("member", "treasury"); say("of-treasury", shown());
  choose("member", "health"); say("of-health", shown());
  choose("outcome", ""); choose("member", ""); choose("group", "keys");
  choose("severity", "high"); say("keys-high", shown());
});
</script>
"""


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed (Debian package chromium)")
def test_filters_work_in_a_browser(closed: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(closed.replace("</body>", _DRIVE + "</body>"))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = ["chromium", *flags, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout

    def said(name: str) -> str:
        match = re.search(rf'<pre id="{name}">([^<]*)</pre>', dom)
        assert match is not None, name
        return match.group(1)

    assert said("of-any") == "RES-010"
    assert said("of-treasury") == ""
    assert said("of-health") == "RES-010"
    assert said("keys-high") == "RES-046"
