"""The served pages around the report: comparison, evidence, waiver form. Their look is the report's own style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.catalogue import catalogue
from policies.reports import page
from policies.reports.compare import Comparison
from policies.reports.history import Entry

__all__ = ["comparison", "evidence", "message", "report", "waiver_form"]

_WAIVABLE = ("fail", "indeterminate")


def report(document: Mapping[str, Any], changes: Comparison | None) -> str:
    """The report's page with links to the other pages and, where there is an earlier report, what changed since."""
    return page.render(document, served=True, changes=changes)


def comparison(past: Sequence[Entry], chosen: str, changes: Comparison) -> str:
    """Two reports side by side: what is new, fixed, unchanged."""
    return page.template("compare.html.j2", past=past, chosen=chosen, changes=changes)


def evidence(
    row: Mapping[str, Any],
    findings: Sequence[Mapping[str, Any]],
    computed: str,
    signers: Sequence[str],
    member_report: Mapping[str, Any],
) -> str:
    """The findings behind one row of the outcome table, as the officer signed them."""
    return page.template(
        "evidence.html.j2",
        row=row,
        findings=findings,
        computed=computed,
        signers=signers,
        rule=catalogue().get(row["rule"]),
        stage=member_report["stages"][row["stage"]],
        made=member_report["generated_at"],
    )


def waiver_form(document: Mapping[str, Any], given: Mapping[str, str], problem: str) -> str:
    """The form that makes a waiver to sign; `problem` says why the last one was refused."""
    open_ = [f for f in document["findings"] if f["outcome"] in _WAIVABLE]
    return page.template(
        "waiver.html.j2",
        given=given,
        problem=problem,
        members=[each["member"] for each in document["members"]],
        rules=[rule["id"] for rule in document["rules"]["enforced"]],
        critical=[rule["id"] for rule in document["rules"]["enforced"] if rule["severity"] == "critical"],
        findings=open_,
    )


def message(title: str, text: str) -> str:
    """A page that says one thing."""
    return page.template("message.html.j2", title=title, text=text)
