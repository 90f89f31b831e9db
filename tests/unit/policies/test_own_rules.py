"""A consortium's own rule: one file and its cases, part of the rule set; what is wrong with it is said by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gchain.environment import load
from policies import own_rules
from policies.catalogue import catalogue
from policies.errors import PolicyError
from policies.reports import rule_pages
from policies.rules import RULES
from policies.ruleset import enforced
from policies.zone import ZonePolicy

RULE = """
from policies.own_rules import define

rule = define(
    {{
        "id": "{id}", "title": "Buckets carry the agency's prefix", "group": "other", "severity": "{severity}",
        "stages": {stages}, "controls": ["cm-8"], "rationale": "Names are how people find out whose a thing is.",
        "reads": [{{"type": "aws:s3/bucket:Bucket", "properties": ["bucket"]}}],
        "leak": "A bucket is called data.", "clean": "It is called treasury-data.",
    }},
    remedy="Rename the bucket.",
)


@rule.on("aws:s3/bucket:Bucket")
def prefixed(bucket, at):
    if {condition}:
        yield "the name has no prefix"
"""
CASE = "resources:\n- {{type: 'aws:s3/bucket:Bucket', name: b, properties: {{bucket: {name}, region: eu-central-1}}}}\n"
CAREFUL = 'bucket.text("bucket")[:9] != "treasury-"'
CARELESS = 'bucket.text("bucket") == "data"'


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    tables: list[dict[str, Any]] = [catalogue(), RULES]
    before = [dict(table) for table in tables]
    yield
    for table, kept in zip(tables, before, strict=True):
        table.clear()
        table.update(kept)
    own_rules._OWN.clear()
    own_rules._ACTIVE.clear()


def write(directory: Path, *, cases: tuple[str, ...] = ("leak", "clean"), **changes: str) -> Path:
    words = {"id": "AGY-001", "severity": "critical", "stages": '["state"]', "condition": CAREFUL} | changes
    (directory / words["id"]).mkdir(exist_ok=True)
    (directory / "own.py").write_text(RULE.format(**words))
    for kind in cases:
        name = "data" if kind == "leak" else "treasury-data"
        (directory / words["id"] / f"state-{kind}.yaml").write_text(CASE.format(name=name))
    return directory


def zone() -> ZonePolicy:
    return ZonePolicy.of(load("sandbox"))


def test_an_own_rule_is_enforced_has_a_page_and_its_cases_hold(tmp_path: Path) -> None:
    before = enforced()["digest"]
    assert own_rules.activate(write(tmp_path)) == ["AGY-001"]
    assert own_rules.test(tmp_path, zone()) == (2, [])
    assert {"id": "AGY-001", "severity": "critical", "stages": ["state"]} in enforced()["enforced"]
    assert enforced()["digest"] != before
    assert "Rename the bucket." in rule_pages.page("AGY-001")


def test_loading_twice_changes_nothing(tmp_path: Path) -> None:
    assert own_rules.activate(write(tmp_path)) == own_rules.activate(tmp_path)


def test_a_folder_that_is_not_there_holds_no_rules(tmp_path: Path) -> None:
    assert own_rules.activate(tmp_path / "rules") == []


def test_a_rule_that_can_be_fooled_is_told_so(tmp_path: Path) -> None:
    own_rules.activate(write(tmp_path, condition=CARELESS))
    count, faults = own_rules.test(tmp_path, zone())
    assert count == 2
    assert any("passes when" in fault and "garbled" in fault for fault in faults)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "RES-900"}, "RES-900"),
        ({"id": "lower-1"}, "lower-1"),
        ({"severity": "urgent"}, "urgent"),
        ({"stages": '["node"]'}, "node stage"),
        ({"stages": '["state", "live"]'}, "live-leak.yaml"),
        ({"condition": "(("}, "SyntaxError"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_nothing_of_it_stays(
    tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    before = enforced()
    with pytest.raises(PolicyError, match=r"own\.py: ") as caught:
        own_rules.activate(write(tmp_path, **changes))
    assert said in str(caught.value)
    assert enforced() == before


def test_a_rule_without_a_clean_twin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"AGY-001/state-clean\.yaml"):
        own_rules.activate(write(tmp_path, cases=("leak",)))
