"""Attest: what only a person can state, signed by an officer of the member, with an expiry.

A statement is JSON `{version, member, kind, statement, issued, expires}` in a DSSE envelope. Kinds:
`operators` (RES-102): `[{name, location, clearance_expires}]`, the roster of people who may administer hosts
`pipeline` (RES-107): `{runners: [{location}], artefact_stores: [{region}], evidence_bucket: {region},
report_mail: {relay}}`
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gchain_node.dsse import sign_dsse
from gchain_node.keys import Key
from policies.canonical import canonical_json
from policies.errors import ReportError, SourceError
from policies.graph import Graph
from policies.officers import Officers, read_envelope
from policies.validity import CLOCK_SKEW, MAXIMUM_LIFE
from policies.zone import ZonePolicy

__all__ = ["KINDS", "PAYLOAD_TYPE", "drafts", "graph", "sign", "verify"]

PAYLOAD_TYPE = "application/vnd.gchain.attestation+json"
KINDS = ("operators", "pipeline")


def drafts(zone: ZonePolicy, member: str, *, days: int, now: datetime | None = None) -> dict[str, dict[str, Any]]:
    """Statements for an officer to read, correct and sign, filled in from what the zone file declares; by kind."""
    issued = (now or datetime.now(UTC)).replace(microsecond=0)
    expires = issued + timedelta(days=days)
    region = zone.member_regions[member]
    roster = [
        {"name": each["name"], "location": each["jurisdiction"], "clearance_expires": expires.isoformat()}
        for each in zone.operators
        if each["member"] == member
    ]
    pipeline = {
        "runners": [{"location": zone.regions[region]}],
        "artefact_stores": [{"region": region}],
        "evidence_bucket": {"region": region},
        "report_mail": {"relay": None},
    }
    common = {"version": 1, "member": member, "issued": issued.isoformat(), "expires": expires.isoformat()}
    return {
        "operators": {**common, "kind": "operators", "statement": roster},
        "pipeline": {**common, "kind": "pipeline", "statement": pipeline},
    }


def sign(statement: Mapping[str, Any], *keys: Key) -> dict[str, Any]:
    """The envelope of a statement under an officer's key."""
    return sign_dsse(PAYLOAD_TYPE, canonical_json(dict(statement)), *keys)


def verify(
    envelope: Mapping[str, Any], officers: Officers, *, member: str, now: datetime | None = None
) -> dict[str, Any]:
    """A current statement of `member`.

    Raises:
        SourceError: unsigned, malformed, of another member, expired, or valid for longer than a year.
    """
    try:
        document, signers = officers.verify(envelope, PAYLOAD_TYPE)
        kind, issued, expires = document["kind"], document["issued"], document["expires"]
        begins, ends = datetime.fromisoformat(issued), datetime.fromisoformat(expires)
        at = now or datetime.now(UTC)
        reason = _fault(kind, begins, ends, at)
    except (ReportError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"an attestation does not count: {error}") from error
    if document.get("member") != member or not any(officer.member == member for officer in signers):
        raise SourceError(f"the attestation of {kind} is not one that an officer of {member} signed")
    if reason:
        raise SourceError(f"the attestation of {kind} {reason}", remedy="sign a new one")
    return dict(document)


def _fault(kind: str, begins: datetime, ends: datetime, now: datetime) -> str:
    """Why a statement does not count by its kind and dates; empty if it does."""
    faults = [
        (kind not in KINDS, "is of no known kind"),
        (ends <= now, "has expired"),
        (begins > now + CLOCK_SKEW, "is dated after today"),
        (ends < begins, "ends before it begins"),
        (ends - begins > MAXIMUM_LIFE, "is valid for over a year"),
    ]
    return next((words for wrong, words in faults if wrong), "")


def graph(directory: Path, officers: Officers, *, member: str, now: datetime | None = None) -> tuple[Graph, list[str]]:
    """The facts of the member's current statements in `directory` (`*.dsse.json`), and why others do not count."""
    facts: dict[str, Any] = {}
    problems = []
    for path in sorted(directory.glob("*.dsse.json")) if directory.is_dir() else ():
        try:
            document = verify(read_envelope(path), officers, member=member, now=now)
        except (SourceError, ReportError) as error:
            problems.append(f"{path.name}: {error}")
            continue
        if document["kind"] == "operators":
            facts["register"] = {"operators": document["statement"]}
        else:
            facts["pipeline"] = document["statement"]
    return Graph([], facts), problems
