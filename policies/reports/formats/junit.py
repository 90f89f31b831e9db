"""JUnit XML: a suite a member, a case a rule and stage. What is not known is an error: a pipeline must stop at it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any
from xml.etree import ElementTree

from policies.reports.formats.findings import Row, rows

__all__ = ["render"]

_TAGS = {
    "fail": "failure",
    "error": "error",
    "indeterminate": "error",
    "waived": "skipped",
    "not-applicable": "skipped",
}
_FORBIDDEN = dict.fromkeys([*range(9), 11, 12, *range(14, 32)], "�")
"""Control characters that XML 1.0 has no place for (section 2.2)."""


def render(report: Mapping[str, Any]) -> str:
    """The outcome table as one `testsuites` document."""
    root = ElementTree.Element("testsuites", name=f"{report['consortium']} ({report['environment']})")
    for member, some in groupby(rows(report), key=lambda row: row.member):
        _suite(root, member, list(some), report["generated_at"])
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ElementTree.Element, member: str, some: list[Row], made: str) -> None:
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=member,
        tests=str(len(some)),
        failures=_count(some, "failure"),
        errors=_count(some, "error"),
        skipped=_count(some, "skipped"),
        timestamp=made[:19],
    )
    for row in some:
        name = f"{row.rule['id']} {row.rule['title']} [{row.stage}]"
        case = ElementTree.SubElement(suite, "testcase", classname=f"{member}.{row.rule['group']}", name=name)
        if row.outcome in _TAGS:
            message = f"{row.outcome} ({row.rule['severity']})"
            told = ElementTree.SubElement(case, _TAGS[row.outcome], message=message, type=row.outcome)
            told.text = row.message.translate(_FORBIDDEN)


def _count(some: Iterable[Row], tag: str) -> str:
    return str(sum(_TAGS.get(row.outcome) == tag for row in some))
