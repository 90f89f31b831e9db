"""Frameworks: which rules answer which requirement, as data. One YAML file a framework in this folder.

id, title, source     what it is and where its text is
blocking              severities that make `gchain check --profile` fail (default: critical)
controls              for frameworks made of NIST SP 800-53 controls: those of its baseline that the catalogue reads
requirements          for others: [{id, title, groups: [...], rules: [...]}], by groups of the catalogue or by rule
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from policies.catalogue import catalogue
from policies.errors import PolicyError
from policies.outcomes import Severity

__all__ = ["Framework", "Requirement", "framework", "names"]

_HERE = Path(__file__).parent
_KEYS = {"id", "title", "source", "blocking", "controls", "requirements"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of a framework and the rules that show it."""

    id: str
    title: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework as this catalogue can show it. `rules` is the union over the requirements."""

    id: str
    title: str
    source: str
    blocking: frozenset[Severity]
    requirements: tuple[Requirement, ...]

    @property
    def rules(self) -> frozenset[str]:
        return frozenset(rule for requirement in self.requirements for rule in requirement.rules)


def names() -> list[str]:
    """The frameworks that there are."""
    return sorted(path.stem for path in _HERE.glob("*.yaml"))


@cache
def framework(name: str) -> Framework:
    """The framework of that name.

    Raises:
        PolicyError: there is none, or its file names an unknown rule, group or severity.
    """
    if name not in names():
        raise PolicyError(f"there is no framework {name!r}", remedy=f"there are {', '.join(names())}")
    raw = yaml.safe_load((_HERE / f"{name}.yaml").read_text())
    unknown = set(raw) - _KEYS
    if unknown:
        raise PolicyError(f"{name}.yaml: unknown key {sorted(unknown)[0]!r}; known: {', '.join(sorted(_KEYS))}")
    requirements = _of_controls(raw["controls"]) if "controls" in raw else _of_text(name, raw["requirements"])
    blocking = frozenset(Severity(each) for each in raw.get("blocking", ["critical"]))
    return Framework(raw["id"], raw["title"], raw["source"], blocking, requirements)


def _of_controls(controls: list[str]) -> tuple[Requirement, ...]:
    found = []
    for control in controls:
        rules = tuple(entry.id for entry in catalogue().values() if control in entry.controls)
        if not rules:
            raise PolicyError(f"no rule of the catalogue reads control {control}")
        found.append(Requirement(control, control.upper(), rules))
    return tuple(found)


def _of_text(name: str, requirements: list[Mapping[str, Any]]) -> tuple[Requirement, ...]:
    known = catalogue()
    groups = {entry.group for entry in known.values()}
    found = []
    for raw in requirements:
        named_groups, named_rules = set(raw.get("groups", ())), set(raw.get("rules", ()))
        wrong = sorted((named_groups - groups) | (named_rules - set(known)))
        if wrong:
            raise PolicyError(f"{name}.yaml: requirement {raw['id']}: there is no group or rule {wrong[0]!r}")
        chosen = {entry.id for entry in known.values() if entry.group in named_groups} | named_rules
        if not chosen:
            raise PolicyError(f"{name}.yaml: requirement {raw['id']} has no rule")
        found.append(Requirement(str(raw["id"]), raw["title"], tuple(sorted(chosen))))
    return tuple(found)
