"""The enforced rule set: what genesis pins, and what the ledger recomputes the verdict from."""

from __future__ import annotations

from typing import Any

from policies.canonical import digest
from policies.catalogue import Entry, catalogue
from policies.outcomes import deciding_stages
from policies.rules import RULES

__all__ = ["enforced", "not_enforced"]


def enforced() -> dict[str, Any]:
    """The rule set for genesis: `{digest, enforced: [{id, severity, stages}]}`, sorted by id.

    `stages` are the deciding ones: all that the rule claims but *plan*, which decides only where there is no other.
    `digest` is `sha256:<hex>` over the RFC 8785 JSON of the list, so anyone can recompute it from genesis alone.
    """
    rows = [
        {
            "id": rule.id,
            "severity": str(rule.severity),
            "stages": [str(stage) for stage in deciding_stages(rule.entry.stages)],
        }
        for rule in sorted(RULES.values(), key=lambda rule: rule.id)
    ]
    return {"digest": digest(rows), "enforced": rows}


def not_enforced() -> list[Entry]:
    """The catalogue's rules that this rule set leaves out; every report names them."""
    return [entry for entry in catalogue().values() if entry.id not in RULES]
