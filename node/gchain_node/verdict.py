"""The verdict on an outcome table: the one rule by which the ledger opens, called by the ledger and by the report.

A row is `{member, rule, stage, outcome, evidence}`; rows are sorted by (member, rule, stage) and none occurs twice.
Every enforced rule needs a row for every member and every one of its deciding stages. Outcomes of a rule's stages are
merged with the precedence fail > error > indeterminate > waived > pass > not-applicable; a row that is not there counts
as indeterminate. Only rules of severity `critical` block; the others are told as warnings. Rows of members, rules or
stages that genesis does not know, and rows without evidence, make the table bad, and a bad table never passes.

Pure: the same table, rules and members give the same verdict everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gchain_node.codes import Code

__all__ = ["OUTCOMES", "Reason", "Verdict", "decide"]

OUTCOMES = ("fail", "error", "indeterminate", "waived", "pass", "not-applicable")
_FIELDS = {"member", "rule", "stage", "outcome", "evidence"}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NEEDS_EVIDENCE = ("waived", "pass", "not-applicable")
_MISSING = "missing"
_BLOCKING = {
    "fail": (Code.RULE_FAILED, "failed"),
    "error": (Code.RULE_ERROR, "could not be evaluated"),
    "indeterminate": (Code.RULE_INDETERMINATE, "is indeterminate"),
    _MISSING: (Code.RULE_MISSING, "has no outcome"),
}
_ORDER = (Code.BAD_TABLE, Code.RULE_FAILED, Code.RULE_ERROR, Code.RULE_MISSING, Code.RULE_INDETERMINATE)

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the ledger must not open (or, as a warning, what is not well)."""

    code: Code
    message: str
    member: str = ""
    rule: str = ""
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`ok` if nothing blocks. `reasons` are worst first; `outcomes` merges stages by (member, rule)."""

    ok: bool
    reasons: tuple[Reason, ...]
    warnings: tuple[Reason, ...]
    outcomes: Mapping[tuple[str, str], str]


def decide(
    table: Sequence[Mapping[str, Any]], enforced: Sequence[Mapping[str, Any]], members: Iterable[str]
) -> Verdict:
    """Judge `table` by `enforced` (`{id, severity, stages}`, from genesis) for the active `members`."""
    names = sorted(set(members))
    rules = {rule["id"]: rule for rule in enforced}
    reasons, rows = _read(table, rules, names)
    warnings: list[Reason] = []
    outcomes: dict[tuple[str, str], str] = {}
    if not rules or not names:
        reasons.append(Reason(Code.RULE_MISSING, "no rule is enforced, or there is no member: nothing can be shown"))
    for member in names:
        if not any(key[0] == member for key in rows):
            reasons.append(Reason(Code.RULE_MISSING, f"member {member} has no row in the table", member))
        for identifier, rule in sorted(rules.items()):
            found = _judge(member, rule, rows)
            outcomes[member, identifier] = _merge(rows.get((member, identifier, s)) for s in rule["stages"])
            (reasons if rule["severity"] == "critical" else warnings).extend(found)
    return Verdict(not reasons, _worst_first(reasons), _worst_first(warnings), outcomes)


def _read(
    table: Sequence[Mapping[str, Any]], rules: Mapping[str, Mapping[str, Any]], members: list[str]
) -> tuple[list[Reason], dict[_Key, str]]:
    reasons: list[Reason] = []
    rows: dict[_Key, str] = {}
    previous: _Key | None = None
    for number, row in enumerate(table, 1):
        fault = _fault(row, rules, members)
        if fault is None:
            key = (row["member"], row["rule"], row["stage"])
            if key in rows:
                fault = f"{' '.join(key)} occurs twice"
            elif previous is not None and key < previous:
                fault = f"{' '.join(key)} stands after {' '.join(previous)}: rows are sorted"
            else:
                rows[key] = row["outcome"]
            previous = key
        if fault is not None:
            reasons.append(Reason(Code.BAD_TABLE, f"row {number}: {fault}"))
    return reasons, rows


def _fault(row: Any, rules: Mapping[str, Mapping[str, Any]], members: list[str]) -> str | None:
    if not isinstance(row, Mapping) or set(row) != _FIELDS or not all(isinstance(v, str) for v in row.values()):
        return "must be {member, rule, stage, outcome, evidence}, all texts"
    if row["member"] not in members:
        return f"{row['member']} is not an active member"
    if row["rule"] not in rules:
        return f"{row['rule']} is not enforced by genesis"
    if row["stage"] not in rules[row["rule"]]["stages"]:
        return f"{row['stage']} does not decide {row['rule']}"
    if row["outcome"] not in OUTCOMES:
        return f"outcome {row['outcome']!r} is none of {', '.join(OUTCOMES)}"
    if row["outcome"] in _NEEDS_EVIDENCE and not _DIGEST.fullmatch(row["evidence"]):
        return f"{row['rule']} is {row['outcome']} without the digest of its evidence"
    return None


def _judge(member: str, rule: Mapping[str, Any], rows: Mapping[_Key, str]) -> list[Reason]:
    reasons = []
    for stage in rule["stages"] or [_MISSING]:
        outcome = rows.get((member, rule["id"], stage), _MISSING)
        if outcome in _BLOCKING:
            code, words = _BLOCKING[outcome]
            message = f"{rule['severity']} rule {rule['id']} {words} for {member} at stage {stage}"
            reasons.append(Reason(code, message, member, rule["id"], stage))
    return reasons


def _merge(outcomes: Iterable[str | None]) -> str:
    ranks = [OUTCOMES.index(outcome or "indeterminate") for outcome in outcomes]
    return OUTCOMES[min(ranks, default=OUTCOMES.index("indeterminate"))]


def _worst_first(reasons: list[Reason]) -> tuple[Reason, ...]:
    return tuple(sorted(reasons, key=lambda r: (_ORDER.index(r.code), r.member, r.rule, r.stage, r.message)))
