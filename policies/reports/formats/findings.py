"""What every form needs of a report: its rows with their rule's words, and the findings behind a row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from policies.catalogue import catalogue
from policies.rules import RULES

__all__ = ["Row", "rows", "rule_text"]


@dataclass(frozen=True)
class Row:
    """One line of the outcome table: a rule at a stage for a member, and the findings that made it what it is."""

    rule: Mapping[str, Any]
    member: str
    stage: str
    outcome: str
    evidence: str
    findings: tuple[Mapping[str, Any], ...]

    @cached_property
    def message(self) -> str:
        """What was found, a sentence a resource; empty where everything holds."""
        return "; ".join(f"{f['resource']}: {f['message']}" for f in self.findings if f["message"])


def rows(report: Mapping[str, Any]) -> Iterator[Row]:
    """Every row of the outcome table, in its order, with the words of its rule."""
    rules = {rule["id"]: rule for rule in report["rules"]["enforced"]}
    found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for each in report["findings"]:
        found[each["member"], each["rule"], each["stage"]].append(each)
    for row in report["table"]:
        behind = tuple(found[row["member"], row["rule"], row["stage"]])
        yield Row(rules[row["rule"]], row["member"], row["stage"], row["outcome"], row["evidence"], behind)


def rule_text(identifier: str) -> tuple[str, str]:
    """Why the rule matters and what mends it; empty for a rule that this version does not know."""
    entry, rule = catalogue().get(identifier), RULES.get(identifier)
    return (entry.rationale if entry else "", rule.remedy if rule else "")
