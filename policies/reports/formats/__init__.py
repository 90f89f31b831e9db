"""The consortium report in the forms that other tools read. Each form is one function from the report to text.

A form adds nothing and leaves out what it has no place for; `json` is the report itself, byte for byte what is merged,
anchored and verified.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from policies.reports import page
from policies.reports.formats import junit, oscal, sarif, table

__all__ = ["FORMATS", "Format", "plain"]

Report = Mapping[str, Any]


class Format(NamedTuple):
    """`suffix` of the file's name, what it is for, and the function that makes the text."""

    suffix: str
    purpose: str
    render: Callable[[Report], str]


def plain(report: Report) -> str:
    """The report as JSON, in the one form that is written among the public files."""
    return json.dumps(report, indent=1, sort_keys=True) + "\n"


FORMATS: dict[str, Format] = {
    "json": Format(".json", "the report itself (schema/consortium-report.schema.json)", plain),
    "html": Format(".html", "the officer's page, one file", page.render),
    "oscal": Format(".oscal-ar.json", "OSCAL 1.2.1 assessment results", oscal.assessment_results),
    "poam": Format(".oscal-poam.json", "OSCAL 1.2.1 plan of action and milestones", oscal.plan_of_action),
    "sarif": Format(".sarif", "SARIF 2.1.0, for code scanning views", sarif.render),
    "junit": Format(".junit.xml", "JUnit XML, for CI servers", junit.render),
    "csv": Format(".csv", "one line an outcome, for spreadsheets", table.render),
}
