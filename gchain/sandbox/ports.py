"""Which loopback port leads to which host: the i-th host in member order, whatever order they were made in."""

from __future__ import annotations

from ipaddress import IPv4Address

from gchain.sandbox.layout import Layout, Plan
from gchain.sandbox.network.state import CloudState, Instance

__all__ = ["forwards", "positions"]


def positions(plan: Plan, state: CloudState) -> dict[str, int]:
    """Instance id -> its index among the environment's hosts.

    A member's instances take that member's places: by their `Name` tag (`<host>` or `<member>-<host>`, with or
    without a domain), the rest in order of address. An instance beyond the places that the environment has gets none.
    """
    found: dict[str, int] = {}
    start = 0
    for member in plan.members:
        own = sorted(
            (each for each in state.instances.values() if each.account == member.account),
            key=lambda each: IPv4Address(each.address),
        )
        for name, instance in _assign(member.name, list(member.hosts), own):
            found[instance.id] = start + member.hosts.index(name)
        start += len(member.hosts)
    return found


def _assign(member: str, names: list[str], instances: list[Instance]) -> list[tuple[str, Instance]]:
    pairs, rest = [], []
    for instance in instances:
        label = instance.name.partition(".")[0]
        match = next((name for name in names if label in (name, f"{member}-{name}", f"{name}-{member}")), None)
        if match is None:
            rest.append(instance)
        else:
            names.remove(match)
            pairs.append((match, instance))
    return pairs + list(zip(names, rest, strict=False))


def forwards(layout: Layout, plan: Plan, state: CloudState) -> dict[int, tuple[str, str, int]]:
    """Loopback port -> (namespace to dial from, host address, host port)."""
    members = {member.account: member.name for member in plan.members}
    targets = {}
    for instance_id, index in positions(plan, state).items():
        instance = state.instances[instance_id]
        for local, remote in layout.forwarded(index).items():
            targets[local] = (layout.operator(members[instance.account]), instance.address, remote)
    return targets
