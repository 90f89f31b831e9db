"""Evidence of misbehaviour that the engine delivers with a block, written down for governance to act on.

    governance/misbehavior          {total, latest: [path]}: how many there were, and where the last `KEPT_IN_INDEX` are
    governance/misbehavior/<h>-<address>-<kind>   {kind, address, member, power, height, time_ns, reported}

`member` is whose validator key it was, null for a key that no member has any more. Nobody loses power by evidence
alone: members decide (`member.suspend`), since the key may have been stolen.
"""

from __future__ import annotations

from typing import Final

from gchain_node.messages import Attribute, Event, Misbehavior
from gchain_node.state import State

__all__ = ["INDEX", "KEPT_IN_INDEX", "report"]

INDEX: Final = "governance/misbehavior"
KEPT_IN_INDEX: Final = 100


def report(state: State, found: Misbehavior, height: int) -> Event:
    """Write one report of the block at `height`; a report that is there already is not counted again."""
    path = f"{INDEX}/{found.height}-{found.address.hex()}-{found.kind}"
    member = _member_of(state, found.address)
    if state.get(path) is None:
        index = state.get(INDEX) or {"total": 0, "latest": []}
        latest = [*index["latest"], path][-KEPT_IN_INDEX:]
        state.put(INDEX, {"total": index["total"] + 1, "latest": latest})
        state.put(path, _entry(found, member, height))
    attributes = (("address", found.address.hex()), ("kind", found.kind), ("member", member or ""))
    return Event("misbehavior", tuple(Attribute(key, value) for key, value in attributes))


def _entry(found: Misbehavior, member: str | None, height: int) -> dict[str, object]:
    return {
        "kind": found.kind,
        "address": found.address,
        "member": member,
        "power": found.power,
        "height": found.height,
        "time_ns": found.time_ns,
        "reported": height,
    }


def _member_of(state: State, address: bytes) -> str | None:
    for row in (state.get("members") or {"members": []})["members"]:
        if state.get(f"members/{row['name']}")["validator"]["address"] == address:
            return str(row["name"])
    rotated = state.get(f"governance/rotated/{address.hex()}")  # a key that was replaced since
    return None if rotated is None else str(rotated["member"])
