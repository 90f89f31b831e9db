"""How resources of a graph belong to each other, where the cloud keeps one thing as several resources."""

from __future__ import annotations

from policies.graph import Resource
from policies.rule import Context
from policies.view import UnknownValue, View

__all__ = ["children_of"]


def children_of(parent: Resource, at: Context, name: str, kind: str) -> list[View]:
    """The resources of type `kind` whose property `name` names the parent.

    Raises:
        UnknownValue: one of them does not tell whose it is, and so may be the missing one.
    """
    given = (parent.physical_id, parent.properties.get("bucket"), parent.properties.get("id"))
    names = sorted({each for each in given if isinstance(each, str)})
    by_owner, unsure = at.graph.owned(kind, name)
    found = [at.view(child) for owner in names for child in by_owner.get(owner, ())]
    if not found and (unsure or not names):
        raise UnknownValue(f"whether a {kind.rpartition(':')[2]} belongs to it is not known")
    return found
