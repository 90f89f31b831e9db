"""The catalogue as an OSCAL 1.2.1 component definition: which rules show which control, for a system's own plan."""

from __future__ import annotations

import uuid
from typing import Any

from policies.catalogue import catalogue
from policies.ruleset import enforced

__all__ = ["CATALOG", "component_definition"]

CATALOG = "https://doi.org/10.6028/NIST.SP.800-53r5"
_SPACE = uuid.UUID("9a3e7d52-2f59-5b1c-8a34-6a0b8f0d9c21")
_NS = "https://gchain.example/ns/oscal"
_MADE = "2026-01-01T00:00:00Z"


def component_definition() -> dict[str, Any]:
    """`{"component-definition": ...}`; the same rule set gives the same document."""
    digest = enforced()["digest"]
    component = {
        "uuid": _uuid("component"),
        "type": "validation",
        "title": "G-Chain residency gate",
        "description": "Rules over plan, stack state, cloud, hosts and attestations; the ledger recomputes them.",
        "control-implementations": [
            {
                "uuid": _uuid("implementation"),
                "source": CATALOG,
                "description": "Controls of NIST SP 800-53 revision 5 that rules of the catalogue show.",
                "implemented-requirements": [_requirement(control) for control in _controls()],
            }
        ],
    }
    return {
        "component-definition": {
            "uuid": _uuid("definition", digest),
            "metadata": {
                "title": "G-Chain residency gate: component definition",
                "last-modified": _MADE,
                "version": digest,
                "oscal-version": "1.2.1",
            },
            "components": [component],
        }
    }


def _controls() -> list[str]:
    return sorted({control for entry in catalogue().values() for control in entry.controls})


def _requirement(control: str) -> dict[str, Any]:
    rules = [entry for entry in catalogue().values() if control in entry.controls]
    return {
        "uuid": _uuid("requirement", control),
        "control-id": control,
        "description": "; ".join(f"{rule.id}: {rule.title}" for rule in rules),
        "props": [{"name": "rule", "ns": _NS, "value": rule.id} for rule in rules],
    }


def _uuid(*words: str) -> str:
    return str(uuid.uuid5(_SPACE, "\0".join(words)))
