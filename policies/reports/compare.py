"""What changed between two reports: new findings, fixed ones, those that stay, and outcomes that got better or worse.

A finding is known again by member, rule, stage and resource; a rule that the older report did not enforce is new as a
whole and is said so. Reports of different ledgers or environments are not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from policies.errors import ReportError

__all__ = ["Change", "Comparison", "compare", "text"]

_OPEN = ("fail", "error", "indeterminate")


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One finding in the newer report, or (fixed) in the older one; `before` is empty where it is new."""

    member: str
    rule: str
    stage: str
    resource: str
    before: str
    after: str
    message: str


@dataclass(frozen=True)
class Comparison:
    """`new`: open now and not before. `fixed`: open before and not now. `unchanged`: open in both."""

    old_digest: str
    new_digest: str
    new: tuple[Change, ...]
    fixed: tuple[Change, ...]
    unchanged: tuple[Change, ...]
    rules_added: tuple[str, ...]
    rules_removed: tuple[str, ...]
    verdict_before: bool
    verdict_after: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


_Key = tuple[str, str, str, str]


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Comparison:
    """The way from `old` to `new`, two consortium reports.

    Raises:
        ReportError: they are not of the same ledger and environment.
    """
    for key in ("chain_id", "environment", "consortium"):
        if old.get(key) != new.get(key):
            raise ReportError(f"the reports are of different ledgers: {key} is {old.get(key)!r} and {new.get(key)!r}")
    before, after = _by_key(old), _by_key(new)
    rules_before, rules_after = _rules(old), _rules(new)
    return Comparison(
        old["table_digest"],
        new["table_digest"],
        new=tuple(_now(*each) for each in _open_findings(after, before, open_there=False)),
        fixed=tuple(_past(*each) for each in _open_findings(before, after, open_there=False)),
        unchanged=tuple(_now(*each) for each in _open_findings(after, before, open_there=True)),
        rules_added=tuple(sorted(rules_after - rules_before)),
        rules_removed=tuple(sorted(rules_before - rules_after)),
        verdict_before=bool(old["verdict"]["ok"]),
        verdict_after=bool(new["verdict"]["ok"]),
    )


def _by_key(report: Mapping[str, Any]) -> dict[_Key, Mapping[str, Any]]:
    return {(f["member"], f["rule"], f["stage"], f["resource"]): f for f in report["findings"]}


def _rules(report: Mapping[str, Any]) -> set[str]:
    return {rule["id"] for rule in report["rules"]["enforced"]}


def _is_open(finding: Mapping[str, Any] | None) -> bool:
    return finding is not None and finding["outcome"] in _OPEN


def _now(key: _Key, finding: Mapping[str, Any], before: str) -> Change:
    return Change(*key, before, finding["outcome"], finding["message"])


def _past(key: _Key, finding: Mapping[str, Any], after: str) -> Change:
    return Change(*key, finding["outcome"], after, finding["message"])


def _open_findings(
    here: Mapping[_Key, Mapping[str, Any]], there: Mapping[_Key, Mapping[str, Any]], *, open_there: bool
) -> list[tuple[_Key, Mapping[str, Any], str]]:
    """The open findings of `here` that are (or are not) open `there` too, each with its outcome there."""
    return [
        (key, finding, there[key]["outcome"] if key in there else "")
        for key, finding in sorted(here.items())
        if _is_open(finding) and _is_open(there.get(key)) == open_there
    ]


def text(found: Comparison) -> str:
    """The comparison for a terminal: a line a finding, then the counts."""
    lines = [
        f"{title:<10}{c.rule}  {c.member}  {c.stage}  {c.resource}: {c.before or '-'} -> {c.after or '-'}"
        for title, changes in (("new", found.new), ("fixed", found.fixed), ("unchanged", found.unchanged))
        for c in changes
    ]
    lines.append(f"{len(found.new)} new, {len(found.fixed)} fixed, {len(found.unchanged)} unchanged")
    for words, rules in (("enforced since", found.rules_added), ("no longer enforced", found.rules_removed)):
        if rules:
            lines.append(f"{words}: {', '.join(rules)}")
    return "\n".join(lines)
