"""OSCAL 1.2.1 (NIST): assessment results and plan of action and milestones.

Identifiers are version-5 UUIDs (RFC 9562, section 5.5) over what they name, so the same report gives the same document.
Every reference ends at an object of the same document: `unresolved` lists those that do not, and a test holds it empty.

    assessment results   one result: observations (a row of the outcome table each), risks (what fails, broke, is
                         unknown or waived), findings (one a control: satisfied only if all rules that cover it hold)
    POA&M                the risks alone, each as an item
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from policies.reports.formats.findings import Row, rows, rule_text

__all__ = ["VERSION", "assessment_results", "plan_of_action", "unresolved"]

VERSION = "1.2.1"
_SPACE = uuid.UUID("6f1c2ab0-6c0e-5b58-9e0e-3a4f1d6f1a10")
_NS = "https://gchain.example/ns/oscal"
_OPEN = ("fail", "error", "indeterminate", "waived")
_HOLDS = ("pass", "not-applicable")
_METHODS = {"attest": "INTERVIEW"}

Json = dict[str, Any]


def assessment_results(report: Mapping[str, Any]) -> str:
    """The report as an `assessment-results` document."""
    some = list(rows(report))
    plan = _uuid(report, "plan")
    controls = sorted({control for row in some for control in row.rule["controls"]})
    result = {
        "uuid": _uuid(report, "result"),
        "title": f"Residency of {report['consortium']}",
        "description": _verdict(report),
        "start": _time(report),
        "end": _time(report),
        "local-definitions": {"components": _components(report)},
        "reviewed-controls": {
            "control-selections": [{"include-controls": [{"control-id": control} for control in controls]}]
        },
        "observations": [_observation(report, row) for row in some],
        "risks": [_risk(report, row) for row in some if row.outcome in _OPEN],
        "findings": [_finding(report, control, _covering(some, control)) for control in controls],
    }
    if not result["risks"]:
        del result["risks"]
    document = {
        "uuid": _uuid(report, "assessment-results"),
        "metadata": _metadata(report, "assessment results"),
        "import-ap": {"href": f"#{plan}"},
        "results": [result],
        "back-matter": {"resources": [_plan_resource(report, plan), *_evidence(report)]},
    }
    return _text({"assessment-results": document})


def plan_of_action(report: Mapping[str, Any]) -> str:
    """What is open, as a `plan-of-action-and-milestones` document."""
    some = [row for row in rows(report) if row.outcome in _OPEN]
    document: Json = {
        "uuid": _uuid(report, "poam"),
        "metadata": _metadata(report, "plan of action and milestones"),
        "system-id": {"identifier-type": f"{_NS}/chain-id", "id": report["chain_id"]},
        "local-definitions": {"components": _components(report)},
    }
    if some:
        document["observations"] = [_observation(report, row) for row in some]
        document["risks"] = [_risk(report, row) for row in some]
    document["poam-items"] = [_item(report, row) for row in some] or [_nothing_open(report)]
    document["back-matter"] = {"resources": _evidence(report)}
    return _text({"plan-of-action-and-milestones": document})


def unresolved(document: Mapping[str, Any]) -> list[str]:
    """References of an OSCAL document made here that lead to no object of it."""
    known = {value for key, value in _pairs(document) if key == "uuid"}
    wanted = [(key, value) for key, value in _pairs(document) if key.endswith("-uuid")]
    wanted += [(k, v.removeprefix("#")) for k, v in _pairs(document) if k == "href" and str(v).startswith("#")]
    return [f"{key} {value}" for key, value in wanted if value not in known]


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key, inner
            yield from _pairs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _pairs(inner)


def _uuid(report: Mapping[str, Any], *words: str) -> str:
    return str(uuid.uuid5(_SPACE, "\0".join((report["chain_id"], report["table_digest"], *words))))


def _text(document: Json) -> str:
    return json.dumps(document, indent=1) + "\n"


def _time(report: Mapping[str, Any]) -> str:
    return str(report["generated_at"] or "1970-01-01T00:00:00+00:00")


def _metadata(report: Mapping[str, Any], what: str) -> Json:
    parties = [
        {"uuid": _uuid(report, "party", each["member"]), "type": "organization", "name": each["member"]}
        for each in report["members"]
    ]
    return {
        "title": f"Residency gate of {report['consortium']} ({report['environment']}): {what}",
        "last-modified": _time(report),
        "version": report["table_digest"],
        "oscal-version": VERSION,
        "parties": parties,
    }


def _verdict(report: Mapping[str, Any]) -> str:
    if report["verdict"]["ok"]:
        return "Nothing critical fails, is broken or is unknown."
    return "; ".join(reason["message"] for reason in report["verdict"]["reasons"])


def _components(report: Mapping[str, Any]) -> list[Json]:
    return [
        {
            "uuid": _uuid(report, "component", each["member"]),
            "type": "this-system",
            "title": f"estate of {each['member']}",
            "description": f"Cloud account, hosts and ledger node of {each['member']}.",
            "status": {"state": "operational"},
        }
        for each in report["members"]
    ]


def _property(name: str, value: str) -> Json:
    return {"name": name, "ns": _NS, "value": " ".join(value.split()) or "none"}


def _observation(report: Mapping[str, Any], row: Row) -> Json:
    made = next((m["generated_at"] for m in report["members"] if m["member"] == row.member), None)
    return {
        "uuid": _row_uuid(report, "observation", row),
        "title": f"{row.rule['id']} at stage {row.stage} for {row.member}",
        "description": row.message or f"{row.rule['title']}: {row.outcome}.",
        "props": [
            _property("rule", row.rule["id"]),
            _property("stage", row.stage),
            _property("outcome", row.outcome),
            _property("severity", row.rule["severity"]),
        ],
        "methods": [_METHODS.get(row.stage, "TEST")],
        "subjects": [{"subject-uuid": _uuid(report, "component", row.member), "type": "component"}],
        "relevant-evidence": [
            {
                "href": f"#{_uuid(report, 'evidence', row.member)}",
                "description": "Findings of this rule at this stage in the signed member report.",
                "props": [_property("digest", row.evidence or "none")],
            }
        ],
        "collected": made or _time(report),
    }


def _risk(report: Mapping[str, Any], row: Row) -> Json:
    rationale, remedy = rule_text(row.rule["id"])
    risk: Json = {
        "uuid": _row_uuid(report, "risk", row),
        "title": f"{row.rule['title']}: {row.outcome} for {row.member}",
        "description": row.message or row.rule["title"],
        "statement": rationale or row.rule["title"],
        "status": "deviation-approved" if row.outcome == "waived" else "open",
        "characterizations": [
            {
                "origin": {"actors": [{"type": "party", "actor-uuid": _uuid(report, "party", row.member)}]},
                "facets": [{"name": "severity", "system": _NS, "value": row.rule["severity"]}],
            }
        ],
        "related-observations": [{"observation-uuid": _row_uuid(report, "observation", row)}],
    }
    waivers = [w for w in report["waivers"] if (w["member"], w["rule"]) == (row.member, row.rule["id"])]
    if row.outcome == "waived" and waivers:
        risk["mitigating-factors"] = [
            {"uuid": _uuid(report, "waiver", w["digest"]), "description": w["compensating_control"]} for w in waivers
        ]
        risk["deadline"] = min(w["expires"] for w in waivers)
    if remedy:
        risk["remediations"] = [
            {
                "uuid": _row_uuid(report, "remedy", row),
                "lifecycle": "recommendation",
                "title": "Remedy",
                "description": remedy,
            }
        ]
    return risk


def _covering(some: Iterable[Row], control: str) -> list[Row]:
    return [row for row in some if control in row.rule["controls"]]


def _finding(report: Mapping[str, Any], control: str, covering: list[Row]) -> Json:
    bad = [row for row in covering if row.outcome not in _HOLDS and row.outcome != "waived"]
    named = ", ".join(sorted({row.rule["id"] for row in covering}))
    finding: Json = {
        "uuid": _uuid(report, "finding", control),
        "title": control,
        "description": f"Rules {named} over {len(report['members'])} members; {len(bad)} rows do not hold.",
        "target": {
            "type": "statement-id",
            "target-id": f"{control}_smt",
            "status": {"state": "not-satisfied" if bad else "satisfied"},
        },
        "related-observations": [{"observation-uuid": _row_uuid(report, "observation", row)} for row in covering],
    }
    risks = [{"risk-uuid": _row_uuid(report, "risk", row)} for row in covering if row.outcome in _OPEN]
    return finding | ({"related-risks": risks} if risks else {})


def _item(report: Mapping[str, Any], row: Row) -> Json:
    return {
        "uuid": _row_uuid(report, "item", row),
        "title": f"{row.rule['id']} for {row.member} at stage {row.stage}: {row.outcome}",
        "description": rule_text(row.rule["id"])[1] or row.rule["title"],
        "related-observations": [{"observation-uuid": _row_uuid(report, "observation", row)}],
        "related-risks": [{"risk-uuid": _row_uuid(report, "risk", row)}],
    }


def _nothing_open(report: Mapping[str, Any]) -> Json:
    return {
        "uuid": _uuid(report, "item", "none"),
        "title": "Nothing is open",
        "description": "Every enforced rule holds for every member at every deciding stage; OSCAL wants one item.",
    }


def _plan_resource(report: Mapping[str, Any], plan: str) -> Json:
    rules = report["rules"]
    return {
        "uuid": plan,
        "title": "Assessment plan",
        "description": f"The rule set {rules['digest']}, pinned in genesis {report['genesis_digest']}.",
        "rlinks": [{"href": "genesis.json", "media-type": "application/json"}],
    }


def _evidence(report: Mapping[str, Any]) -> list[Json]:
    return [
        {
            "uuid": _uuid(report, "evidence", each["member"]),
            "title": f"Member report of {each['member']}",
            "description": f"{each['report_digest'] or 'absent'}, signed by {', '.join(each['signed_by']) or 'nobody'}",
            "rlinks": [{"href": f"reports/{each['member']}.dsse.json", "media-type": "application/json"}],
        }
        for each in report["members"]
    ]


def _row_uuid(report: Mapping[str, Any], kind: str, row: Row) -> str:
    return _uuid(report, kind, row.member, row.rule["id"], row.stage)
