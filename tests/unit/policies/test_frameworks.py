"""Frameworks and rule pages: every name in them leads to a rule, and the published pages are current."""

from __future__ import annotations

from pathlib import Path

import pytest

from gchain.workspace import REPOSITORY
from policies import frameworks
from policies.catalogue import catalogue
from policies.errors import PolicyError
from policies.reports import rule_pages

_PAGES = REPOSITORY / "docs" / "rules"


@pytest.mark.parametrize("name", frameworks.names())
def test_every_requirement_of_a_framework_is_shown_by_rules(name: str) -> None:
    found = frameworks.framework(name)
    assert found.id == name
    assert all(requirement.rules for requirement in found.requirements)
    assert found.rules <= set(catalogue())


def test_a_high_baseline_asks_for_all_that_the_moderate_one_asks() -> None:
    high, moderate = (frameworks.framework(f"fedramp-{name}") for name in ("high", "moderate"))
    assert {r.id for r in moderate.requirements} < {r.id for r in high.requirements}


def test_a_framework_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(PolicyError, match="no framework 'pci'") as caught:
        frameworks.framework("pci")
    assert "fedramp-high" in str(caught.value.remedy)


def test_every_rule_has_its_page_and_the_pages_are_current() -> None:
    published = {path.name: path.read_text() for path in _PAGES.glob("*.md")}
    assert published == rule_pages.pages(), "run `make docs`"


def test_a_page_says_why_what_fails_what_passes_and_what_to_do() -> None:
    page = rule_pages.page("RES-010")
    for part in ("## Why", "## Fails", "## Passes", "## Remedy", "## Controls"):
        assert part in page


def test_a_page_of_a_rule_that_is_gone_goes_too(tmp_path: Path) -> None:
    (tmp_path / "OLD-001.md").write_text("old")
    rule_pages.write(tmp_path)
    assert not (tmp_path / "OLD-001.md").exists()
    assert len(list(tmp_path.glob("*.md"))) == len(catalogue()) + 1
