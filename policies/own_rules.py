"""A consortium's own rules: `environments/<environment>/rules/<name>.py`, with their cases beside them.

    from policies.own_rules import define

    rule = define(
        {
            "id": "AGY-001", "title": "Buckets carry the agency's prefix", "group": "other", "severity": "high",
            "stages": ["state"], "controls": ["cm-8"], "rationale": "...",
            "reads": [{"type": "aws:s3/bucket:Bucket", "properties": ["bucket"]}],
            "leak": "A bucket is called data.", "clean": "It is called treasury-data.",
        },
        remedy="Rename the bucket.",
    )

    @rule.on("aws:s3/bucket:Bucket")
    def prefixed(bucket, at):
        if not bucket.text("bucket").startswith("treasury-"):
            yield "the name has no prefix"

Cases lie in `environments/<environment>/rules/AGY-001/state-leak.yaml` and `state-clean.yaml`, as the kit's own do, and
are judged in the environment's zone: `gchain report test-rules`. A rule without them is refused. Own rules are part of
the rule set's digest, so every member of the environment needs the same files. The node stage is the kit's alone: hosts
judge themselves without these files.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from policies import cases
from policies.catalogue import Entry, catalogue
from policies.errors import PolicyError
from policies.outcomes import Stage
from policies.rule import Rule
from policies.rules import RULES
from policies.zone import ZonePolicy

__all__ = ["activate", "define", "test"]

_ID = re.compile(r"[A-Z]{2,8}-[0-9]{1,4}")
_RESERVED = ("RES-", "LED-", "HRD-")
_OWN: dict[str, Rule] = {}
_ACTIVE: dict[Path, ModuleType] = {}


def define(entry: dict[str, Any], *, remedy: str) -> Rule:
    """A rule of the consortium's own, with its entry for the catalogue.

    Raises:
        PolicyError: the entry lacks a key, or its id is malformed, reserved or taken.
    """
    try:
        made = Entry.of(entry)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise PolicyError(f"the entry of {entry.get('id', 'a rule')} lacks or garbles {error}") from error
    if not _ID.fullmatch(made.id) or made.id.startswith(_RESERVED):
        raise PolicyError(f"rule id {made.id!r}: capital letters, a dash, digits; not {', '.join(_RESERVED)}")
    if made.id in catalogue():
        raise PolicyError(f"rule {made.id} is defined twice")
    if Stage.NODE in made.stages:
        raise PolicyError(f"rule {made.id} claims the node stage, which hosts judge without own rules")
    catalogue()[made.id] = made
    rule = Rule(made.id, remedy=remedy)
    _OWN[made.id] = rule
    return rule


def activate(directory: Path) -> list[str]:
    """Load the rules of `directory` (none where it is missing), once a process; returns the ids of all own rules.

    Raises:
        PolicyError: a file cannot be loaded, or a rule lacks a leak or a clean twin at a stage it claims.
    """
    for path in sorted(directory.glob("*.py")) if directory.is_dir() else ():
        if path not in _ACTIVE:
            _ACTIVE[path] = _load(path)
    for identifier, rule in _OWN.items():
        RULES.setdefault(identifier, rule)
    return sorted(_OWN)


def _load(path: Path) -> ModuleType:
    known = set(_OWN)
    spec = importlib.util.spec_from_file_location(f"gchain_own_rules.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise PolicyError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        for identifier in sorted(set(_OWN) - known):
            _need_cases(path.parent, _OWN[identifier])
    except Exception as error:
        for identifier in set(_OWN) - known:
            catalogue().pop(identifier)
            _OWN.pop(identifier)
        raise PolicyError(f"{path.name}: {type(error).__name__}: {error}", remedy="see docs/policies.md") from error
    return module


def _need_cases(directory: Path, rule: Rule) -> None:
    found = {(case.stage, case.kind) for case in cases.load(directory, {}) if case.rule == rule.id}
    for stage in rule.entry.stages:
        for kind in ("leak", "clean"):
            if (stage, kind) not in found:
                raise PolicyError(f"rule {rule.id} has no case {rule.id}/{stage}-{kind}.yaml")


def test(directory: Path, zone: ZonePolicy) -> tuple[int, list[str]]:
    """Run the cases of `directory` in `zone`: how many there are, and what does not hold."""
    some = [case for case in cases.load(directory, zone.as_mapping()) if case.rule in _OWN]
    return len(some), [fault for case in some for fault in cases.faults(case)]
