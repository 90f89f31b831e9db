"""Judgement: what the ledger demands before it opens, or before its data may lie elsewhere (`golive.py`, `zones.py`).

The transaction carries the outcome table, the subject document that binds its digest, and the officers' approvals of
that subject. Nothing in it is believed: digests are compared with the ledger's own state, the verdict is computed
again, and every approval must be a signature by an officer of an active member.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

from gchain_node import tx
from gchain_node.codes import Code
from gchain_node.errors import TransactionError
from gchain_node.keys.public import load_public_key
from gchain_node.modules.context import Context, required
from gchain_node.modules.membership import active_members
from gchain_node.verdict import decide

__all__ = ["MAX_APPROVALS", "Judged", "digest_text", "judge", "needed", "subject_bytes", "table_bytes"]

MAX_APPROVALS = 256
_FIELDS = {
    "kind", "chain_id", "membership_digest", "rules_digest", "zone_digest", "table_digest", "expires_height",
}  # fmt: skip
_BOUND = (
    ("membership_digest", Code.WRONG_MEMBERSHIP_DIGEST, "membership"),
    ("rules_digest", Code.WRONG_RULES_DIGEST, "rule set"),
    ("zone_digest", Code.WRONG_ZONE_DIGEST, "zone"),
)


@dataclass(frozen=True)
class Judged:
    """What passed: the subject as a document and as bytes, the table's bytes, and who approved, by member."""

    document: Mapping[str, Any]
    subject: bytes
    table: bytes
    approved: Mapping[str, list[str]]

    def evidence(self, height: int) -> dict[str, Any]:
        """What a receipt shows of the judgement."""
        return {
            "height": height,
            "table_digest": digest_text(self.table),
            "subject_digest": digest_text(self.subject),
            "rules_digest": self.document["rules_digest"],
            "membership_digest": self.document["membership_digest"],
            "approvals": dict(self.approved),
        }


def judge(context: Context, args: Mapping[str, Any], kind: str, *extra: str) -> Judged:
    """Check table, subject and approvals of a subject of `kind` with the fields `extra` besides the common ones.

    Raises `TransactionError` with the code of the first thing that does not hold.
    """
    table, subject = required(args, "table", bytes), required(args, "subject", bytes)
    approvals = required(args, "approvals", list)
    consortium = context.state.get("consortium")
    document = _check_subject(context, consortium, subject, table, kind, extra)
    members = active_members(context.state)
    _check_verdict(context, table, members)
    approved = _approvers(approvals, subject, members)
    _check_threshold(consortium["thresholds"]["go_live"], approved, members)
    return Judged(document, subject, table, approved)


def table_bytes(rows: list[dict[str, Any]]) -> bytes:
    """RFC 8785 of the outcome table, sorted as the ledger wants it."""
    ordered: list[Any] = sorted(rows, key=lambda r: (r["member"], r["rule"], r["stage"]))
    return rfc8785.dumps(ordered)


def subject_bytes(
    consortium: Mapping[str, Any], table: bytes, expires_height: int, *, kind: str = "go-live", **extra: str
) -> bytes:
    """RFC 8785 of what officers approve. `consortium` is the ledger's answer to the query of that name."""
    return rfc8785.dumps(
        {
            "kind": kind,
            "chain_id": consortium["chain_id"],
            "membership_digest": consortium["membership_digest"],
            "rules_digest": consortium["rules_digest"],
            "zone_digest": consortium["zone_digest"],
            "table_digest": digest_text(table),
            "expires_height": expires_height,
            **extra,
        }
    )


def needed(threshold: str, members: int) -> int:
    """How many members must agree, of so many active ones: `all`, `two-thirds` (rounded up), `majority`."""
    if threshold == "two-thirds":
        return -(-2 * members // 3)
    return members // 2 + 1 if threshold == "majority" else members


def _check_subject(
    context: Context,
    consortium: Mapping[str, Any],
    subject: bytes,
    table: bytes,
    kind: str,
    extra: tuple[str, ...],
) -> dict[str, Any]:
    document = _canonical_json(subject, Code.WRONG_SUBJECT, "the subject")
    if not isinstance(document, dict) or set(document) != _FIELDS.union(extra) or document["kind"] != kind:
        raise TransactionError(Code.WRONG_SUBJECT, f"the subject is not a {kind} document with exactly its fields")
    if document["chain_id"] != context.chain_id:
        raise TransactionError(Code.WRONG_SUBJECT, f"the subject is of ledger {str(document['chain_id'])[:60]!r}")
    for name, code, words in _BOUND:
        if document[name] != consortium[name]:
            raise TransactionError(code, f"the approvals are of another {words}: the ledger has {consortium[name]}")
    if document["table_digest"] != digest_text(table):
        raise TransactionError(
            Code.WRONG_TABLE_DIGEST, f"the approvals are of another table: this is {digest_text(table)}"
        )
    expires = document["expires_height"]
    if type(expires) is not int or expires < context.height:
        raise TransactionError(
            Code.APPROVAL_EXPIRED, f"the approvals were good to height {expires!r}, this is {context.height}"
        )
    return document


def _check_verdict(context: Context, table: bytes, members: list[dict[str, Any]]) -> None:
    rows = _canonical_json(table, Code.BAD_TABLE, "the table")
    if not isinstance(rows, list):
        raise TransactionError(Code.BAD_TABLE, "the table must be a list of rows")
    verdict = decide(rows, context.state.get("rules")["enforced"], [m["name"] for m in members])
    if not verdict.ok:
        first, more = verdict.reasons[0], len(verdict.reasons) - 1
        raise TransactionError(first.code, first.message + (f"; and {more} more reasons" if more else ""))


def _approvers(approvals: list[Any], subject: bytes, members: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Which officers of which members approved. Raises at the first approval that is not one."""
    if len(approvals) > MAX_APPROVALS:
        raise TransactionError(Code.BAD_APPROVAL, f"{len(approvals)} approvals; at most {MAX_APPROVALS} pass")
    officers = {
        hashlib.sha256(o["public_key"]).digest(): (m["name"], o["name"], o["public_key"])
        for m in members
        for o in m["officers"]
    }
    approved: dict[str, list[str]] = {}
    for number, raw in enumerate(approvals, 1):
        member, officer = _approver(number, raw, subject, officers)
        if officer in approved.setdefault(member, []):
            raise TransactionError(Code.BAD_APPROVAL, f"approval {number}: {member}/{officer} approved twice")
        approved[member].append(officer)
    return {member: sorted(names) for member, names in sorted(approved.items())}


def _approver(
    number: int, raw: Any, subject: bytes, officers: Mapping[bytes, tuple[str, str, bytes]]
) -> tuple[str, str]:
    if not isinstance(raw, bytes):
        raise TransactionError(Code.BAD_APPROVAL, f"approval {number} is not a byte string")
    try:
        approval = tx.decode_sign1(raw)
        if approval.payload != subject:
            raise TransactionError(Code.BAD_APPROVAL, "it approves another subject")
        if approval.kid not in officers:
            raise TransactionError(Code.BAD_APPROVAL, f"key {approval.kid.hex()} is no active member's officer")
        member, officer, public_key = officers[approval.kid]
        tx.verify(approval, load_public_key(public_key))
    except TransactionError as error:
        raise TransactionError(Code.BAD_APPROVAL, f"approval {number}: {error}") from error
    return member, officer


def _check_threshold(threshold: str, approved: Mapping[str, Any], members: list[dict[str, Any]]) -> None:
    enough = needed(threshold, len(members))
    if len(approved) < enough:
        absent = ", ".join(m["name"] for m in members if m["name"] not in approved)
        raise TransactionError(
            Code.APPROVAL_MISSING,
            f"{len(approved)} of {len(members)} members approved, {enough} needed; missing: {absent}",
        )


def _canonical_json(raw: bytes, code: Code, what: str) -> Any:
    try:
        value = json.loads(raw)
        if rfc8785.dumps(value) == raw:
            return value
    except (ValueError, RecursionError) as error:
        raise TransactionError(code, f"{what} is not JSON: {str(error)[:100]}") from error
    raise TransactionError(code, f"{what} is not canonical JSON (RFC 8785)")


def digest_text(raw: bytes) -> str:
    """`sha256:<hex>`."""
    return "sha256:" + hashlib.sha256(raw).hexdigest()
