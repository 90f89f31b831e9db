"""Every implemented rule, collected from the modules of this package: adding a rule touches its own file alone."""

from __future__ import annotations

import importlib
import pkgutil

from policies.rule import Rule

__all__ = ["RULES"]


def _collect() -> dict[str, Rule]:
    found: dict[str, Rule] = {}
    for module in pkgutil.iter_modules(__path__):
        for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, Rule) and found.setdefault(value.id, value) is not value:
                raise ValueError(f"rule {value.id} is defined twice")
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _order(rule: str) -> tuple[int, str]:
    return ("RES", "LED", "HRD").index(rule[:3]) if rule[:3] in ("RES", "LED", "HRD") else 3, rule


RULES = _collect()
"""Implemented rules by id: residency, ledger, hardening, then an agency's own."""
