"""Waivers: an officer accepts a rule's failure on one named resource until a date, with a reason and a control instead.

A waiver turns only *fail* or *indeterminate* into *waived*. It is a JSON document
`{version, member, rule, resource, reason, compensating_control, created, expires}` in a DSSE envelope signed by an
officer of that member; a critical rule needs two officers of the consortium. An expired, over-broad, unsigned or
unknown waiver has no effect and is reported as such.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gchain_node.dsse import sign_dsse
from gchain_node.keys import Key
from gchain_node.modules.compliance import WAIVER_TYPE
from policies.canonical import canonical_json, digest
from policies.catalogue import catalogue
from policies.engine import WHOLE_STAGE
from policies.errors import ReportError, WaiverError
from policies.officers import Officer, Officers, read_envelope
from policies.outcomes import Finding, Outcome, Severity
from policies.validity import CLOCK_SKEW, MAXIMUM_LIFE

__all__ = [
    "PAYLOAD_TYPE",
    "Waiver",
    "apply",
    "check_draft",
    "draft",
    "load",
    "of_ledger",
    "read_draft",
    "sign",
    "united",
    "verify",
]

PAYLOAD_TYPE = WAIVER_TYPE
_WAIVABLE = (Outcome.FAIL, Outcome.INDETERMINATE)
_TEXTS = ("member", "rule", "resource", "reason", "compensating_control", "created", "expires")
_SHORTEST_REASON = 12


@dataclass(frozen=True, slots=True)
class Waiver:
    """A verified, current waiver."""

    member: str
    rule: str
    resource: str
    reason: str
    compensating_control: str
    expires: datetime
    approvers: tuple[Officer, ...]
    digest: str
    envelope: Mapping[str, Any]

    def days_left(self, now: datetime) -> int:
        return max(0, (self.expires - now).days)

    def as_json(self, now: datetime) -> dict[str, Any]:
        return {
            "member": self.member,
            "rule": self.rule,
            "resource": self.resource,
            "reason": self.reason,
            "compensating_control": self.compensating_control,
            "expires": self.expires.isoformat(),
            "days_left": self.days_left(now),
            "approvers": [str(officer) for officer in self.approvers],
            "digest": self.digest,
            "envelope": dict(self.envelope),
        }


def draft(
    member: str,
    rule: str,
    resource: str,
    *,
    reason: str,
    compensating_control: str,
    days: int,
    now: datetime | None = None,
) -> dict[str, Any]:
    """An unsigned waiver for an officer to read and sign; `days` is its life."""
    created = (now or datetime.now(UTC)).replace(microsecond=0)
    return {
        "version": 1,
        "member": member,
        "rule": rule,
        "resource": resource,
        "reason": reason,
        "compensating_control": compensating_control,
        "created": created.isoformat(),
        "expires": (created + timedelta(days=days)).isoformat(),
    }


def read_draft(path: Path, member: str) -> dict[str, Any]:
    """An unsigned waiver from a file, such as the waiver form makes.

    Raises:
        WaiverError: it is not one, or would have no effect once it is signed; the message says why.
    """
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise WaiverError(f"{path}: not a waiver: {error}") from error
    if not isinstance(document, dict) or set(document) != {"version", *_TEXTS}:
        raise WaiverError(f"{path}: not a waiver: exactly version, {', '.join(_TEXTS)} are expected")
    check_draft(document, member)
    return document


def check_draft(document: Mapping[str, Any], member: str) -> None:
    """Raises `WaiverError` for an unsigned waiver that would have no effect once it is signed."""
    name = f"waiver of {document['rule']} on {document['resource']}"
    empty = [key for key in _TEXTS if not isinstance(document[key], str) or not document[key].strip()]
    if empty:
        raise WaiverError(f"{name}: {', '.join(empty)} is empty")
    _check_scope(name, document, member)
    _check_times(name, document, datetime.now(UTC))


def sign(waiver: Mapping[str, Any], *keys: Key) -> dict[str, Any]:
    """The envelope of a waiver under one or more officers' keys."""
    return sign_dsse(PAYLOAD_TYPE, canonical_json(dict(waiver)), *keys)


def verify(envelope: Mapping[str, Any], officers: Officers, *, member: str, now: datetime | None = None) -> Waiver:
    """A waiver that may take effect for `member`.

    Raises:
        WaiverError: it is unsigned, malformed, of another member, expired, over-broad, about a rule that the catalogue
            does not have, or a critical rule's with fewer than two officers.
    """
    try:
        document, approvers = officers.verify(envelope, PAYLOAD_TYPE)
    except ReportError as error:
        raise WaiverError(f"a waiver has no effect: {error}") from error
    name = f"waiver of {document.get('rule')} on {document.get('resource')}"
    missing = [key for key in _TEXTS if not isinstance(document.get(key), str) or not document[key].strip()]
    if missing or document.get("version") != 1:
        raise WaiverError(f"{name}: {', '.join(missing) or 'version'} is missing or empty")
    _check_scope(name, document, member)
    expires = _check_times(name, document, now or datetime.now(UTC))
    _check_approvers(name, document, approvers)
    return Waiver(
        document["member"],
        document["rule"],
        document["resource"],
        document["reason"],
        document["compensating_control"],
        expires,
        tuple(approvers),
        digest(document),
        envelope,
    )


def _check_scope(name: str, document: Mapping[str, Any], member: str) -> None:
    if document["member"] != member:
        raise WaiverError(f"{name}: it is {document['member']}'s, not {member}'s")
    if document["rule"] not in catalogue():
        raise WaiverError(f"{name}: the catalogue has no rule {document['rule']}")
    if any(mark in document["resource"] for mark in "*?") or document["resource"] == WHOLE_STAGE:
        raise WaiverError(f"{name}: it is over-broad", remedy="name exactly one resource, as the finding names it")
    if len(document["reason"]) < _SHORTEST_REASON:
        raise WaiverError(f"{name}: the reason {document['reason']!r} says too little")


def _check_times(name: str, document: Mapping[str, Any], now: datetime) -> datetime:
    try:
        created, expires = (datetime.fromisoformat(document[key]) for key in ("created", "expires"))
        if created > now + CLOCK_SKEW:
            raise WaiverError(
                f"{name}: it is dated {created.date()}, after today", remedy="sign it when it shall begin"
            )
        alive = created <= expires and expires - created <= MAXIMUM_LIFE
        if not alive:
            raise WaiverError(f"{name}: its life is not between 0 and {MAXIMUM_LIFE.days} days")
        if expires <= now:
            raise WaiverError(f"{name}: it expired on {expires.date()}", remedy="repair the finding, or sign a new one")
    except (ValueError, TypeError) as error:
        raise WaiverError(f"{name}: a date is not in UTC ISO 8601: {error}") from error
    return expires


def _check_approvers(name: str, document: Mapping[str, Any], approvers: Sequence[Officer]) -> None:
    if not any(officer.member == document["member"] for officer in approvers):
        raise WaiverError(f"{name}: no officer of {document['member']} signed it")
    critical = catalogue()[document["rule"]].severity is Severity.CRITICAL
    if critical and len(set(approvers)) < 2:
        raise WaiverError(f"{name}: a critical rule needs two officers, {len(set(approvers))} signed")


def load(
    directory: Path, officers: Officers, *, member: str, now: datetime | None = None
) -> tuple[list[Waiver], list[str]]:
    """The member's waivers in `directory` (`*.dsse.json`), and why the others have no effect."""
    good, problems = [], []
    for path in sorted(directory.glob("*.dsse.json")) if directory.is_dir() else ():
        try:
            good.append(verify(read_envelope(path), officers, member=member, now=now))
        except (WaiverError, ReportError) as error:
            problems.append(f"{path.name}: {error}")
    return good, problems


def of_ledger(
    value: Mapping[str, Any] | None, officers: Officers, *, member: str, now: datetime | None = None
) -> tuple[list[Waiver], list[str]]:
    """The waivers of the ledger's record `compliance/waivers/<member>`, and why the others have no effect."""
    good, problems = [], []
    for digest_, entry in sorted((value or {"waivers": {}})["waivers"].items()):
        try:
            good.append(verify(json.loads(entry["envelope"]), officers, member=member, now=now))
        except (WaiverError, ReportError) as error:
            problems.append(f"ledger record {digest_[:12]}: {error}")
    return good, problems


def united(*groups: Iterable[Waiver]) -> list[Waiver]:
    """Each waiver once, whether it came from a file, from the ledger, or from both."""
    return list({waiver.digest: waiver for group in groups for waiver in group}.values())


def apply(findings: Iterable[Finding], waivers: Iterable[Waiver]) -> list[Finding]:
    """The findings, with those that a waiver names exactly turned into *waived*; nothing else changes."""
    granted = {(waiver.rule, waiver.resource): waiver for waiver in waivers}
    return [_waived(finding, granted.get((finding.rule, finding.resource))) for finding in findings]


def _waived(finding: Finding, waiver: Waiver | None) -> Finding:
    if waiver is None or finding.outcome not in _WAIVABLE:
        return finding
    message = f"{finding.outcome}, waived until {waiver.expires.date()}: {finding.message}"
    return dataclasses.replace(finding, outcome=Outcome.WAIVED, message=message)
