"""The officer's page: a consortium report as one self-contained HTML file, verdict first.

No asset comes from elsewhere, nothing needs the script (it only filters), and it prints.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from policies.catalogue import catalogue, conflicts
from policies.outcomes import Outcome, worst
from policies.reports.compare import Comparison
from policies.rules import RULES

__all__ = ["render", "template"]

_HERE = Path(__file__).parent / "templates"
_GROUPS = ("placement", "storage", "keys", "telemetry", "network", "people", "ledger", "hardening", "other")
_SEVERITIES = ("critical", "high", "medium", "low")
_WORDS = {
    "fail": "Fails",
    "error": "Broken check",
    "indeterminate": "Not known",
    "waived": "Waived",
    "pass": "Holds",
    "not-applicable": "Nothing there",
}
_SIGNS = {"fail": "✕", "error": "!", "indeterminate": "?", "waived": "~", "pass": "✓", "not-applicable": "–"}


def template(name: str, **values: Any) -> str:
    """A page of this folder's templates, with the words, signs and style that all share."""
    style = (_HERE / "page.css").read_text()
    return _environment().get_template(name).render(words=_WORDS, signs=_SIGNS, style=style, **values)


def render(report: Mapping[str, Any], *, served: bool = False, changes: Comparison | None = None) -> str:
    """The page of a consortium report (`policies.reports.merge.merge`).

    `served` adds links to the other pages of `gchain report serve`, `changes` what differs from an earlier report.
    """
    members = [each["member"] for each in report["members"]]
    rules = _rules(report, members)
    return template(
        "page.html.j2",
        report=report,
        served=served,
        changes=changes,
        members=members,
        rules=rules,
        groups=[(name, [r for r in rules if r["group"] == name]) for name in _GROUPS],
        reasons=_explained(report["verdict"]["reasons"], report["findings"]),
        warnings=_explained(report["verdict"]["warnings"], report["findings"]),
        totals=_totals(rules),
        severities=_SEVERITIES,
        controls=sorted({control for rule in rules for control in rule["controls"]}, key=_in_order),
        coverage=[_coverage(each) for each in report["members"]],
        conflicts=conflicts(),
        script=(_HERE / "page.js").read_text(),
    )


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(_HERE)
    found = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters["short"] = lambda digest: f"{digest[7:19]}…" if digest and digest.startswith("sha256:") else digest
    return found


def _rules(report: Mapping[str, Any], members: Iterable[str]) -> list[dict[str, Any]]:
    """Each enforced rule with its outcome for every member, and the rows and findings behind it."""
    rows, findings = defaultdict(list), defaultdict(list)
    for row in report["table"]:
        rows[row["rule"], row["member"]].append(row)
    for finding in report["findings"]:
        findings[finding["rule"]].append(finding)
    return [_rule(rule, members, rows, findings[rule["id"]]) for rule in report["rules"]["enforced"]]


def _rule(
    rule: Mapping[str, Any],
    members: Iterable[str],
    rows: Mapping[tuple[str, str], list[dict[str, Any]]],
    findings: list[dict[str, Any]],
) -> dict[str, Any]:
    outcomes = {}
    for member in members:
        found = rows.get((rule["id"], member), [])
        complete = {row["stage"] for row in found} == set(rule["stages"])
        outcomes[member] = str(worst(Outcome(r["outcome"]) for r in found)) if complete else "indeterminate"
    entry = catalogue().get(rule["id"])
    implemented = RULES.get(rule["id"])
    return {
        **rule,
        "outcomes": outcomes,
        "worst": str(worst(map(Outcome, outcomes.values()))),
        "rows": [row for member in members for row in rows.get((rule["id"], member), [])],
        "findings": sorted(findings, key=lambda f: (f["member"], f["stage"], f["resource"])),
        "rationale": entry.rationale if entry else "",
        "leak": entry.leak if entry else "",
        "clean": entry.clean if entry else "",
        "remedy": implemented.remedy if implemented else "",
    }


def _in_order(control: str) -> tuple[str | int, ...]:
    """`sc-7.3` behind `sc-7` and before `sc-12`."""
    return tuple(int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", control))


def _explained(reasons: Iterable[Mapping[str, Any]], findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each reason with what was found first, and how much more there is."""
    texts: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for each in findings:
        if each["outcome"] in ("fail", "error", "indeterminate"):
            name = each["resource"].rpartition("::")[2]
            texts[each["member"], each["rule"], each["stage"]].append(f"{name}: {each['message']}")
    found = []
    for reason in reasons:
        said = texts[reason["member"], reason["rule"], reason["stage"]]
        more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
        found.append({**reason, "found": said[0] + more if said else ""})
    return found


def _totals(rules: list[dict[str, Any]]) -> dict[str, int]:
    totals = dict.fromkeys(_WORDS, 0)
    for rule in rules:
        totals[rule["worst"]] += 1
    return totals


def _coverage(member: Mapping[str, Any]) -> dict[str, Any]:
    live = member["stages"].get("live", {}).get("coverage", {})
    listed = live.get("listed", {})
    return {
        **member,
        "resources": sum(count for places in listed.values() for count in places.values()),
        "types": len(listed),
        "zone_regions": live.get("zone_regions", []),
        "probed_regions": live.get("probed_regions", []),
        "gaps": live.get("gaps", []),
        "set_aside": live.get("set_aside", []),
        **_drift(live.get("drift")),
    }


def _drift(found: Any) -> dict[str, Any]:
    """The differences, or why they could not be told."""
    if isinstance(found, list):
        return {"drift": found, "drift_problem": ""}
    why = "; ".join(map(str, found.values())) if isinstance(found, Mapping) else "not compared"
    return {"drift": [], "drift_problem": why}
