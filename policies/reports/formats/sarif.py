"""SARIF 2.1.0 (OASIS, 2020): findings for code-scanning views; every row that passes is a result of kind `pass`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from policies.reports.formats.findings import Row, rows, rule_text

__all__ = ["SCHEMA", "render"]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.0", "low": "2.0"}
_KINDS = {
    "fail": "fail",
    "waived": "fail",
    "error": "review",
    "indeterminate": "open",
    "pass": "pass",
    "not-applicable": "notApplicable",
}


def render(report: Mapping[str, Any]) -> str:
    """The report as one run. A kind other than `fail` has the level `none` (section 3.27.9)."""
    run = {
        "tool": {
            "driver": {
                "name": "G-Chain residency gate",
                "version": str(report["version"]),
                "informationUri": "https://csrc.nist.gov/pubs/sp/800/53/r5/upd1/final",
                "rules": [_rule(rule) for rule in report["rules"]["enforced"]],
                "properties": {"ruleSet": report["rules"]["digest"]},
            }
        },
        "automationDetails": {"id": f"{report['chain_id']}/{report['environment']}/{report['table_digest']}"},
        "invocations": [{"executionSuccessful": all(_ran(each) for each in report["members"])}],
        "results": list(_results(report)),
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _ran(member: Mapping[str, Any]) -> bool:
    return bool(member["stages"]) and all(stage["ran"] for stage in member["stages"].values())


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    rationale, remedy = rule_text(rule["id"])
    return {
        "id": rule["id"],
        "shortDescription": {"text": rule["title"]},
        "fullDescription": {"text": rationale or rule["title"]},
        "help": {"text": remedy or rule["title"]},
        "defaultConfiguration": {"level": _LEVELS[rule["severity"]]},
        "properties": {
            "tags": [rule["group"], *(f"nist-800-53-r5/{control}" for control in rule["controls"])],
            "security-severity": _SCORES[rule["severity"]],
            "severity": rule["severity"],
        },
    }


def _results(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    waivers = {(w["member"], w["rule"], w["resource"]): w for w in report["waivers"]}
    index = {rule["id"]: number for number, rule in enumerate(report["rules"]["enforced"])}
    for row in rows(report):
        if row.findings:
            for finding in row.findings:
                yield _result(row, finding, index, waivers)
        else:
            yield _result(row, {"resource": row.stage, "message": "", "outcome": row.outcome}, index, waivers)


def _result(
    row: Row,
    finding: Mapping[str, Any],
    index: Mapping[str, int],
    waivers: Mapping[tuple[str, str, str], Mapping[str, Any]],
) -> dict[str, Any]:
    identity = "\0".join((row.member, row.rule["id"], row.stage, finding["resource"]))
    kind = _KINDS[finding["outcome"]]
    result: dict[str, Any] = {
        "ruleId": row.rule["id"],
        "ruleIndex": index[row.rule["id"]],
        "kind": kind,
        "level": _LEVELS[row.rule["severity"]] if kind == "fail" else "none",
        "message": {"text": finding["message"] or f"{row.rule['title']}: {row.outcome}"},
        "locations": [
            {"logicalLocations": [{"fullyQualifiedName": f"{row.member}/{finding['resource']}", "kind": "resource"}]}
        ],
        "partialFingerprints": {"gchain/v1": hashlib.sha256(identity.encode()).hexdigest()},
        "properties": {"member": row.member, "stage": row.stage, "evidence": row.evidence},
    }
    if finding["outcome"] == "waived":
        waiver = waivers.get((row.member, row.rule["id"], finding["resource"]))
        why = f"{waiver['reason']} (until {waiver['expires'][:10]})" if waiver else "waived"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
    return result
