"""VPCs may share addresses in a real cloud; behind one router they cannot: the later one is left out, and named."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from gchain.sandbox.network.state import CloudState, Vpc

__all__ = ["without_overlaps"]


def without_overlaps(state: CloudState) -> tuple[CloudState, list[str]]:
    """The state without VPCs whose addresses another one already has, and a sentence for each that was left out."""
    kept: dict[str, Vpc] = {}
    problems = []
    inhabited = {state.subnets[each.subnet].vpc for each in state.instances.values() if each.subnet in state.subnets}
    for vpc in sorted(state.vpcs.values(), key=lambda each: (each.id not in inhabited, each.id)):
        clash = next((other for other in kept.values() if _overlap(vpc, other)), None)
        if clash is None:
            kept[vpc.id] = vpc
        else:
            problems.append(f"{vpc.id} ({', '.join(vpc.cidrs)}) overlaps {clash.id}: the sandbox does not carry it")
    if not problems:
        return state, []
    return _only(state, kept), problems


def _overlap(one: Vpc, other: Vpc) -> bool:
    return any(IPv4Network(a).overlaps(IPv4Network(b)) for a in one.cidrs for b in other.cidrs)


def _only(state: CloudState, vpcs: dict[str, Vpc]) -> CloudState:
    subnets = {key: each for key, each in state.subnets.items() if each.vpc in vpcs}
    return replace(
        state,
        vpcs=vpcs,
        subnets=subnets,
        interfaces={key: each for key, each in state.interfaces.items() if each.subnet in subnets},
        instances={key: each for key, each in state.instances.items() if each.subnet in subnets},
    )
