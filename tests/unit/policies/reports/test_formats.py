"""The report's other forms: each says what the report says, and each is what its standard calls valid."""

from __future__ import annotations

import copy
import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from trestle.oscal.assessment_results import AssessmentResults
from trestle.oscal.component import ComponentDefinition
from trestle.oscal.poam import PlanOfActionAndMilestones

from policies.errors import ReportError
from policies.frameworks.component import component_definition
from policies.reports import schemas
from policies.reports.formats import FORMATS, oscal

Report = dict[str, Any]
_SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "results": {
                        "items": {
                            "required": ["message", "ruleId"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "kind": {"enum": ["notApplicable", "pass", "fail", "review", "open", "informational"]},
                            },
                        }
                    }
                },
            }
        },
    },
}
"""The parts of the OASIS schema that the gate's own results use (sections 3.13, 3.27)."""


def test_the_merged_report_fits_its_published_schema(report: Report) -> None:
    schemas.check_consortium(report, "the report")


@pytest.mark.parametrize("key", ["verdict", "table", "genesis_digest", "rules"])
def test_a_report_without_a_part_is_named_as_none(report: Report, key: str) -> None:
    with pytest.raises(ReportError, match=f"x.json: not a consortium-report: .*{key}"):
        schemas.check_consortium({k: v for k, v in report.items() if k != key}, "x.json")


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_report_gives_the_same_bytes(report: Report, form: str) -> None:
    assert FORMATS[form].render(report) == FORMATS[form].render(copy.deepcopy(report))


@pytest.mark.parametrize(
    ("form", "model"), [("oscal", AssessmentResults), ("poam", PlanOfActionAndMilestones)], ids=["results", "poam"]
)
def test_oscal_documents_are_read_by_trestle_and_lead_nowhere_else(
    report: Report, tmp_path: Path, form: str, model: Any
) -> None:
    path = tmp_path / "document.json"
    path.write_text(FORMATS[form].render(report))
    assert model.oscal_read(path) is not None
    assert oscal.unresolved(json.loads(path.read_text())) == []


def test_a_reference_that_leads_nowhere_is_found(report: Report) -> None:
    document = json.loads(FORMATS["oscal"].render(report))
    document["assessment-results"]["results"][0]["observations"].pop(0)
    assert oscal.unresolved(document)


def test_a_control_is_satisfied_only_if_every_row_that_covers_it_holds(report: Report) -> None:
    document = json.loads(FORMATS["oscal"].render(report))["assessment-results"]["results"][0]
    states = {f["title"]: f["target"]["status"]["state"] for f in document["findings"]}
    bad = {
        control
        for row in report["table"]
        if row["outcome"] in ("fail", "error", "indeterminate")
        for rule in report["rules"]["enforced"]
        if rule["id"] == row["rule"]
        for control in rule["controls"]
    }
    assert bad
    assert {control for control, state in states.items() if state == "not-satisfied"} == bad


def test_the_component_definition_is_read_by_trestle(tmp_path: Path) -> None:
    path = tmp_path / "component.json"
    path.write_text(json.dumps(component_definition()))
    assert ComponentDefinition.oscal_read(path) is not None


def test_sarif_has_a_result_for_every_open_finding_and_suppresses_what_is_waived(report: Report) -> None:
    document = json.loads(FORMATS["sarif"].render(report))
    jsonschema.validate(document, _SARIF)
    results = document["runs"][0]["results"]
    waived = [r for r in results if "suppressions" in r]
    assert len(waived) == sum(f["outcome"] == "waived" for f in report["findings"])
    assert all(r["level"] == "none" for r in results if r["kind"] != "fail")
    assert len({r["partialFingerprints"]["gchain/v1"] for r in results}) == len(results)


def test_junit_counts_what_the_table_counts_and_calls_the_unknown_an_error(report: Report) -> None:
    root = ElementTree.fromstring(FORMATS["junit"].render(report))  # noqa: S314 (our own text)
    found = Counter[str]()
    for suite in root:
        assert int(suite.attrib["tests"]) == len(suite)
        found += Counter(child.tag for case in suite for child in case)
    outcomes = Counter(row["outcome"] for row in report["table"])
    assert found["failure"] == outcomes["fail"]
    assert found["error"] == outcomes["error"] + outcomes["indeterminate"]
    assert found["skipped"] == outcomes["waived"] + outcomes["not-applicable"]


def test_csv_has_a_line_a_row_and_no_cell_that_a_spreadsheet_would_run(report: Report) -> None:
    changed = copy.deepcopy(report)
    changed["table"][0]["evidence"] = "=HYPERLINK(1)"
    lines = list(csv.reader(io.StringIO(FORMATS["csv"].render(changed))))
    assert len(lines) == 1 + len(report["table"])
    assert lines[1][-1] == "'=HYPERLINK(1)"
