"""Diff: which inputs changed, and whether the cloud can follow in place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from gchain.sandbox.provider.schema import Change, ResourceType, same_value
from gchain.sandbox.provider.wire import UNKNOWN, Properties, contains_unknown

__all__ = ["Difference", "Kind", "changed_inputs", "diff"]


class Kind(Enum):
    ADD = "add"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Difference:
    """Changed properties with their kind, those that force a replacement, and whether the old one must go first."""

    properties: dict[str, Kind]
    replaces: frozenset[str]
    delete_before_replace: bool


def changed_inputs(kind: ResourceType, before: Properties, now: Properties) -> dict[str, Kind]:
    """The declared inputs that differ; what the cloud chooses by itself does not differ by being absent."""
    changed = {}
    for item in kind.inputs:
        old, new = before.get(item.name), now.get(item.name)
        if contains_unknown(new) or not item.equal(old, new):
            if new is None and item.computed:
                continue
            changed[item.name] = _kind(old, new)
    if kind.regional and not same_value(before.get("region"), now.get("region")) and before.get("region"):
        changed["region"] = Kind.UPDATE
    return changed


def _kind(old: Any, new: Any) -> Kind:
    if old is None:
        return Kind.ADD
    return Kind.DELETE if new is None else Kind.UPDATE


def diff(
    kind: ResourceType, before: Properties, state: Properties, now: Properties, tags_all: Properties
) -> Difference:
    """`tags_all` are the tags that the resource should have: the provider's defaults and its own."""
    changed = changed_inputs(kind, before, now)
    replaces = {item.name for item in kind.inputs if item.replace and item.name in changed} | (
        {"region"} & changed.keys()
    )
    replaces |= kind.replacements(Change(before, state, now, frozenset(changed)))
    if kind.taggable:
        changed |= _tag_changes(before, state, now, tags_all)
    return Difference(changed, frozenset(replaces), kind.delete_before_replace or _keeps_its_name(kind, before, now))


def _tag_changes(before: Properties, state: Properties, now: Properties, tags_all: Properties) -> dict[str, Kind]:
    changes = {}
    if not same_value(before.get("tags"), now.get("tags")):
        changes["tags"] = _kind(before.get("tags"), now.get("tags"))
    if not same_value(state.get("tagsAll"), tags_all):
        changes["tagsAll"] = Kind.UPDATE
    return changes


def _keeps_its_name(kind: ResourceType, before: Properties, now: Properties) -> bool:
    """A name chosen by the program cannot exist twice, so the old resource must make room for the new one."""
    names = [item.name for item in kind.inputs if item.autoname]
    return any(now.get(name) is not UNKNOWN and before.get(name) == now.get(name) for name in names)
