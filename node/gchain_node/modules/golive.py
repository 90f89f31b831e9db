"""Go-live: the ledger's own judgement whether the consortium may open.

The transaction carries the outcome table, the subject document that binds its digest, and the officers' approvals of
that subject. Nothing in it is believed: digests are compared with the ledger's own state, the verdict is computed
again, and every approval must be a signature by an officer of an active member.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import rfc8785

from gchain_node import tx
from gchain_node.codes import Code
from gchain_node.errors import TransactionError
from gchain_node.keys.public import load_public_key
from gchain_node.modules.context import Context, Effect, required, sealed
from gchain_node.modules.membership import active_members
from gchain_node.verdict import decide

__all__ = ["MAX_APPROVALS", "go_live", "needed", "subject_bytes", "table_bytes"]

MAX_APPROVALS = 256
_SUBJECT_FIELDS = {
    "kind", "chain_id", "membership_digest", "rules_digest", "zone_digest", "table_digest", "expires_height",
}  # fmt: skip
_BOUND = (
    ("membership_digest", Code.WRONG_MEMBERSHIP_DIGEST, "membership"),
    ("rules_digest", Code.WRONG_RULES_DIGEST, "rule set"),
    ("zone_digest", Code.WRONG_ZONE_DIGEST, "zone"),
)


def table_bytes(rows: list[dict[str, Any]]) -> bytes:
    """RFC 8785 of the outcome table, sorted as the ledger wants it."""
    ordered: list[Any] = sorted(rows, key=lambda r: (r["member"], r["rule"], r["stage"]))
    return rfc8785.dumps(ordered)


def subject_bytes(consortium: Mapping[str, Any], table: bytes, expires_height: int) -> bytes:
    """RFC 8785 of what officers approve. `consortium` is the ledger's answer to the query of that name."""
    return rfc8785.dumps(
        {
            "kind": "go-live",
            "chain_id": consortium["chain_id"],
            "membership_digest": consortium["membership_digest"],
            "rules_digest": consortium["rules_digest"],
            "zone_digest": consortium["zone_digest"],
            "table_digest": _digest(table),
            "expires_height": expires_height,
        }
    )


def needed(threshold: str, members: int) -> int:
    """How many members must agree, of so many active ones: `all`, `two-thirds` (rounded up), `majority`."""
    if threshold == "two-thirds":
        return -(-2 * members // 3)
    return members // 2 + 1 if threshold == "majority" else members


def go_live(context: Context, args: dict[str, Any]) -> Effect:
    """{table, subject, approvals}: open the ledger to business transactions."""
    sealed(args, "table", "subject", "approvals")
    table, subject = required(args, "table", bytes), required(args, "subject", bytes)
    approvals = required(args, "approvals", list)
    consortium = context.state.get("consortium")
    if consortium["phase"] == "live":
        raise TransactionError(Code.ALREADY_LIVE, f"the ledger is live since height {consortium['live_height']}")
    _check_subject(context, consortium, subject, table)
    members = active_members(context.state)
    _check_verdict(context, table, members)
    approved = _approvers(approvals, subject, members)
    _check_threshold(consortium["thresholds"]["go_live"], approved, members)
    return _open(context, consortium, table, subject, approved)


def _check_subject(context: Context, consortium: Mapping[str, Any], subject: bytes, table: bytes) -> None:
    document = _canonical_json(subject, Code.WRONG_SUBJECT, "the subject")
    if not isinstance(document, dict) or set(document) != _SUBJECT_FIELDS or document["kind"] != "go-live":
        raise TransactionError(Code.WRONG_SUBJECT, "the subject is not a go-live document with exactly its fields")
    if document["chain_id"] != context.chain_id:
        raise TransactionError(Code.WRONG_SUBJECT, f"the subject is of ledger {str(document['chain_id'])[:60]!r}")
    for name, code, words in _BOUND:
        if document[name] != consortium[name]:
            raise TransactionError(code, f"the approvals are of another {words}: the ledger has {consortium[name]}")
    if document["table_digest"] != _digest(table):
        raise TransactionError(Code.WRONG_TABLE_DIGEST, f"the approvals are of another table: this is {_digest(table)}")
    expires = document["expires_height"]
    if type(expires) is not int or expires < context.height:
        raise TransactionError(
            Code.APPROVAL_EXPIRED, f"the approvals were good to height {expires!r}, this is {context.height}"
        )


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


def _open(
    context: Context, consortium: dict[str, Any], table: bytes, subject: bytes, approved: Mapping[str, list[str]]
) -> Effect:
    data = {
        "phase": "live",
        "height": context.height,
        "table_digest": _digest(table),
        "subject_digest": _digest(subject),
        "rules_digest": consortium["rules_digest"],
        "membership_digest": consortium["membership_digest"],
        "approvals": dict(approved),
    }
    context.state.put("governance/go-live", data | {"table": table, "subject": subject})
    context.state.put("consortium", consortium | {"phase": "live", "live_height": context.height})
    return Effect(data, {"phase": "live"})


def _canonical_json(raw: bytes, code: Code, what: str) -> Any:
    try:
        value = json.loads(raw)
        if rfc8785.dumps(value) == raw:
            return value
    except (ValueError, RecursionError) as error:
        raise TransactionError(code, f"{what} is not JSON: {str(error)[:100]}") from error
    raise TransactionError(code, f"{what} is not canonical JSON (RFC 8785)")


def _digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()
