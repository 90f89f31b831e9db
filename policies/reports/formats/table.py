"""CSV (RFC 4180): one line an outcome row, for whoever wants to sort and count."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from policies.reports.formats.findings import rows

__all__ = ["COLUMNS", "render"]

COLUMNS = ("member", "rule", "severity", "stage", "outcome", "sentence", "controls", "found", "evidence")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render(report: Mapping[str, Any]) -> str:
    """The outcome table as CSV, with a head line."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows(report):
        words = (row.rule["title"], " ".join(row.rule["controls"]), row.message)
        known = (row.member, row.rule["id"], row.rule["severity"], row.stage, row.outcome)
        writer.writerow([_plain(cell) for cell in (*known, *words, row.evidence)])
    return text.getvalue()


def _plain(cell: str) -> str:
    """A spreadsheet must not take what was found in a cloud for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
