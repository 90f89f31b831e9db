"""The record of an update counts while it is whole, of this stack, zone and rule set, and of the last month."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from policies.errors import SourceError
from policies.graph import Resource
from policies.outcomes import Outcome
from policies.pack import PackSession, record_path
from policies.sources import plan_record
from policies.zone import ZonePolicy
from tests.unit.policies.conftest import NOW

STACK = "sandbox-treasury"
Record = dict[str, Any]


@pytest.fixture
def path(tmp_path: Path, zone: ZonePolicy) -> Path:
    """What the pack itself writes of an update with a leak, dated `NOW`."""
    session = PackSession(zone, STACK, "treasury", dry_run=False, evidence=tmp_path)
    key = Resource(f"urn:pulumi:{STACK}::gchain::aws:kms/key:Key::k", "aws:kms/key:Key", "k", {"multiRegion": True})
    session.analyze_stack([key])
    written = record_path(tmp_path, STACK)
    changed(written, lambda record: record.update(recorded_at=NOW.isoformat()))
    return written


def changed(path: Path, change: Callable[[Record], object]) -> None:
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def load(path: Path, zone: ZonePolicy, after: timedelta = timedelta(0)) -> plan_record.PlanRecord:
    return plan_record.load(path, STACK, zone, now=NOW + after)


@pytest.mark.parametrize("after", [timedelta(minutes=-4), timedelta(0), timedelta(days=30)])
def test_a_record_of_the_last_month_counts(path: Path, zone: ZonePolicy, after: timedelta) -> None:
    found = load(path, zone, after)
    assert {row.outcome for row in found.findings if row.rule == "RES-040"} == {Outcome.FAIL}


@pytest.mark.parametrize(
    ("after", "said"),
    [(timedelta(days=32), "older than 31 days"), (timedelta(minutes=-6), "after now"), (timedelta(-400), "after now")],
)
def test_one_that_is_old_or_from_the_future_does_not(path: Path, zone: ZonePolicy, after: timedelta, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        load(path, zone, after)


def _cleared(record: Record) -> None:
    for row in record["findings"]:
        row["outcome"] = "pass"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_cleared, "has other findings"),
        (lambda r: r["findings"].pop(), "has other findings"),
        (lambda r: r.update(stack="sandbox-health"), "is the record of stack sandbox-health"),
        (lambda r: r.update(zone_digest="sha256:" + "9" * 64), "another zone file or rule set"),
        (lambda r: r.update(rules_digest="sha256:" + "9" * 64), "another zone file or rule set"),
        (lambda r: r.update(recorded_at="2026-11-23T06:00:00"), "not a time with its offset"),
        (lambda r: r.update(recorded_at=None), "not a time with its offset"),
        (lambda r: r.pop("recorded_at"), "not a whole record"),
        (lambda r: r.pop("findings"), "not a whole record"),
        (lambda r: r.update(findings=None), "not a whole record"),
        (lambda r: r["findings"][0].update(outcome="fine"), "not a whole record"),
        (lambda r: r["findings"][0].update(stage="live"), "not a whole record"),
        (lambda r: r["findings"][0].pop("rule"), "not a whole record"),
    ],
)
def test_a_record_that_is_not_whole_or_not_of_this_stack_is_refused(
    path: Path, zone: ZonePolicy, change: Callable[[Record], object], said: str
) -> None:
    changed(path, change)
    with pytest.raises(SourceError, match=said):
        load(path, zone)


def test_a_record_cut_anywhere_is_refused(path: Path, zone: ZonePolicy) -> None:
    whole = path.read_text()
    for end in range(0, len(whole) - 1, 211):
        path.write_text(whole[:end])
        with pytest.raises(SourceError, match="not a whole record"):
            load(path, zone)


@pytest.mark.parametrize("text", ["[]", "null", '"record"', "7"])
def test_a_file_that_is_no_record_is_refused(path: Path, zone: ZonePolicy, text: str) -> None:
    path.write_text(text)
    with pytest.raises(SourceError, match="not a whole record"):
        load(path, zone)


def test_without_a_record_the_stage_says_what_to_do(path: Path, zone: ZonePolicy) -> None:
    path.unlink()
    with pytest.raises(SourceError, match="no record of an update") as refused:
        load(path, zone)
    assert "gchain up" in refused.value.remedy
