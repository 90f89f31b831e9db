"""The consortium report: a deterministic merge of the signed member reports and genesis, which anyone can recompute.

Nothing in it comes from the machine or the time of merging: the same envelopes and genesis give the same bytes. The
verdict is `gchain_node.verdict.decide`, the function that the ledger itself runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gchain_node import genesis as ledger_genesis
from gchain_node.verdict import Reason, decide
from policies import validity, waivers
from policies.canonical import canonical_json, digest
from policies.catalogue import Entry, catalogue
from policies.errors import ReportError
from policies.officers import Officers
from policies.outcomes import Outcome
from policies.reports.member import PAYLOAD_TYPE, table

__all__ = ["merge", "verify", "verify_dates"]

_SHOWN = frozenset({Outcome.FAIL, Outcome.ERROR, Outcome.INDETERMINATE, Outcome.WAIVED})
_BOUND = ("environment", "zone_digest", "rules_digest", "chain_id")


def merge(
    envelopes: Mapping[str, Mapping[str, Any]],
    genesis: Mapping[str, Any],
    *,
    zone_digest: str | None = None,
    officers: Officers | None = None,
) -> dict[str, Any]:
    """The consortium report of the envelopes by member name.

    A member without an envelope is missing from the table, which the verdict counts against it. `zone_digest` names the
    zone that the reports must be judged by where it is no longer, or not yet, that of genesis (a zone change).
    `officers` says whose signature counts; those of genesis by default.

    Raises:
        ReportError: an envelope is not signed by an officer of its member, or is of another member, consortium, zone or
            rule set; or a table is not the one that its findings give.
    """
    officers = officers or Officers.of_genesis(genesis)
    genesis_digest = _prefixed(ledger_genesis.digest(dict(genesis)))
    genesis = _in_zone(genesis, zone_digest)
    state = genesis["app_state"]
    members = [contribution["payload"]["member"] for contribution in state["contributions"]]
    reports = {name: _open(name, envelopes[name], officers, genesis) for name in members if name in envelopes}
    rows = sorted(
        (row for report, _ in reports.values() for row in report["table"]),
        key=lambda row: (row["member"], row["rule"], row["stage"]),
    )
    verdict = decide(rows, state["rules"]["enforced"], members)
    return {
        "version": 1,
        "consortium": state["consortium"],
        "environment": state["environment"],
        "chain_id": genesis["chain_id"],
        "genesis_digest": genesis_digest,
        "zone_digest": state["zone_digest"],
        "rules": _rules(state["rules"]),
        "generated_at": max((report["generated_at"] for report, _ in reports.values()), default=""),
        "verdict": {
            "ok": verdict.ok,
            "reasons": [_reason(reason) for reason in verdict.reasons],
            "warnings": [_reason(reason) for reason in verdict.warnings],
        },
        "members": [_member(name, reports.get(name), envelopes.get(name)) for name in members],
        "findings": _findings(reports),
        "waivers": [waiver for report, _ in reports.values() for waiver in report["waivers"]],
        "problems": [f"{name}: {text}" for name, (report, _) in reports.items() for text in report["problems"]],
        "table": rows,
        "table_digest": digest(rows),
    }


def _in_zone(genesis: Mapping[str, Any], zone_digest: str | None) -> Mapping[str, Any]:
    if zone_digest is None:
        return genesis
    return {**genesis, "app_state": {**genesis["app_state"], "zone_digest": zone_digest}}


def verify(
    report: Mapping[str, Any],
    envelopes: Mapping[str, Mapping[str, Any]],
    genesis: Mapping[str, Any],
    *,
    zone_digest: str | None = None,
    officers: Officers | None = None,
) -> None:
    """Recompute a consortium report from its member reports and genesis, offline.

    Raises:
        ReportError: an envelope does not hold, or the report is not their merge; the message names what differs.
    """
    expected = merge(envelopes, genesis, zone_digest=zone_digest, officers=officers)
    if canonical_json(expected) != canonical_json(dict(report)):
        differing = sorted(k for k in {*expected, *report} if expected.get(k) != report.get(k))
        raise ReportError(
            f"the report is not the merge of these member reports: {', '.join(differing)} differ",
            remedy="merge again: gchain report merge",
        )


def _open(
    name: str, envelope: Mapping[str, Any], officers: Officers, genesis: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    report, signers = officers.verify(envelope, PAYLOAD_TYPE)
    if report.get("member") != name or not any(officer.member == name for officer in signers):
        raise ReportError(f"the report of {name} is not one that an officer of {name} signed")
    state = genesis["app_state"]
    bound = {
        "environment": state["environment"],
        "zone_digest": state["zone_digest"],
        "rules_digest": state["rules"]["digest"],
        "chain_id": genesis["chain_id"],
    }
    for key in _BOUND:
        if report.get(key) != bound[key]:
            raise ReportError(
                f"the report of {name} is of another {key.replace('_', ' ')}: {report.get(key)}, not {bound[key]}",
                remedy=f"check again with the agreed files: gchain check --member {name}",
            )
    if report["table"] != table(name, report["stages"], state["rules"]["enforced"]):
        raise ReportError(f"the table in the report of {name} is not what its findings give")
    _check_waivers(report, officers)
    return report, [str(officer) for officer in signers]


def _check_waivers(report: Mapping[str, Any], officers: Officers) -> None:
    """A finding counts as waived only by a waiver that is signed, and was current when the report was made."""
    made = _made(report)
    granted = set()
    for given in report["waivers"]:
        waiver = waivers.verify(given["envelope"], officers, member=report["member"], now=made)
        granted.add((waiver.rule, waiver.resource))
    for stage in report["stages"].values():
        for row in stage["findings"]:
            if row["outcome"] == Outcome.WAIVED and (row["rule"], row["resource"]) not in granted:
                raise ReportError(f"{row['rule']} on {row['resource']} is called waived, but no signed waiver names it")


def _made(report: Mapping[str, Any]) -> datetime:
    try:
        return validity.instant(report["generated_at"])
    except (KeyError, ValueError) as error:
        raise ReportError(f"the report of {report['member']} does not say when it was made: {error}") from error


def verify_dates(document: Mapping[str, Any], now: datetime, *, recent: bool) -> None:
    """The dates of the member reports in a merge, against a clock: the merge itself knows none.

    Args:
        document: what `merge` gave.
        now: the reader's clock.
        recent: also refuse what is older than a month; an old report is evidence of its own day alone.

    Raises:
        ReportError: a member report is from the future, or older than it may be.
    """
    for member in document["members"]:
        if member["generated_at"] is None:
            continue
        made = validity.instant(member["generated_at"])
        if reason := validity.fault(made, now, validity.MAXIMUM_AGE if recent else None):
            name = member["member"]
            raise ReportError(f"the report of {name} {reason}", remedy=f"check again: gchain check --member {name}")


def _rules(rules: Mapping[str, Any]) -> dict[str, Any]:
    known = catalogue()
    chosen = {rule["id"] for rule in rules["enforced"]}
    return {
        "digest": rules["digest"],
        "catalogue_size": len(known),
        "enforced": [{**rule, **_words(known.get(rule["id"]))} for rule in rules["enforced"]],
        "not_enforced": [
            {"id": entry.id, "title": entry.title, "severity": str(entry.severity)}
            for entry in known.values()
            if entry.id not in chosen
        ],
    }


def _words(entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        return {"title": "not in this catalogue", "group": "other", "controls": []}
    return {"title": entry.title, "group": entry.group, "controls": list(entry.controls)}


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "code": int(reason.code),
        "name": reason.code.name,
        "message": reason.message,
        "member": reason.member,
        "rule": reason.rule,
        "stage": reason.stage,
    }


def _member(
    name: str, opened: tuple[dict[str, Any], list[str]] | None, envelope: Mapping[str, Any] | None
) -> dict[str, Any]:
    if opened is None:
        return {"member": name, "report_digest": None, "signed_by": [], "generated_at": None, "stages": {}}
    report, signers = opened
    stages = {
        stage: {"ran": r["ran"], "reason": r["reason"], "counts": r["counts"], "coverage": r["coverage"]}
        for stage, r in report["stages"].items()
    }
    return {
        "member": name,
        "report_digest": digest(report),
        "signed_by": signers,
        "generated_at": report["generated_at"],
        "stages": stages,
        "outcomes": dict(Counter(row["outcome"] for row in report["table"])),
    }


def _findings(reports: Mapping[str, tuple[dict[str, Any], list[str]]]) -> list[dict[str, Any]]:
    """Every finding that is not a plain pass; the passes lie in the member reports, by the digest in the table."""
    return [
        {"member": name, **finding}
        for name, (report, _) in sorted(reports.items())
        for stage in report["stages"].values()
        for finding in stage["findings"]
        if finding["outcome"] in _SHOWN
    ]


def _prefixed(text: str | bytes) -> str:
    found = text.hex() if isinstance(text, bytes) else text
    return found if found.startswith("sha256:") else f"sha256:{found}"
