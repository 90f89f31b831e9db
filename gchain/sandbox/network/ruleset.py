"""Cloud state -> one nftables ruleset, loaded atomically: what no rule of the cloud opened is closed.

A packet between two hosts passes, in this order and in each direction on its own unless noted:
routing     the route table of the subnet it leaves, longest prefix first; peering active, VPN gateway attached
lists       network ACLs, stateless and ordered, of the subnet it leaves and the one it enters; not inside one subnet
groups      security groups, stateful: egress of the sender, ingress of the receiver, for the first packet only
Anti-spoofing stands before all of it, on each host's own link: a host sends from its own address or not at all.
Name and time service of the VPC (169.254.169.253, .123) answer every host, outside lists and groups, as in AWS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, collapse_addresses

from gchain.sandbox.network.state import AclEntry, CloudState, Peering, Permission, Route, Vpc

__all__ = ["CLOSED", "NAME_SERVER", "TIME_SERVER", "External", "render"]

NAME_SERVER = "169.254.169.253"
TIME_SERVER = "169.254.169.123"
EVERYWHERE = "0.0.0.0/0"

_SERVICES = f"""\
  chain input {{
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    iifname "lo" accept
    iifname "b-*" ip daddr {NAME_SERVER} meta l4proto {{ tcp, udp }} th dport 53 accept
    iifname "b-*" ip daddr {TIME_SERVER} udp dport 123 accept
  }}
"""


@dataclass(frozen=True)
class External:
    """A network beyond the VPN gateways: an agency's own (`account`), or one that all reach (empty account)."""

    link: str
    cidr: str
    account: str = ""


def _table(family: str, body: str) -> str:
    """A table replaced as a whole: one load, no moment without rules."""
    return f"table {family} gchain {{\n}}\ndelete table {family} gchain\ntable {family} gchain {{\n{body}}}\n"


CLOSED = _table("inet", _SERVICES + "  chain forward {\n    type filter hook forward priority 0; policy drop;\n  }\n")
"""What the router starts with: nothing is forwarded."""


def render(state: CloudState, externals: Iterable[External], links: Iterable[str] = ()) -> str:
    """The whole ruleset. `links` are the host links in the router now: a chain cannot name a missing one."""
    return _Rendering(state, tuple(externals)).inet() + _anti_spoofing(state, set(links))


class _Rendering:
    def __init__(self, state: CloudState, externals: tuple[External, ...]) -> None:
        self._state = state
        self._externals = externals
        self._subnets = sorted(state.subnets.values(), key=lambda subnet: subnet.id)

    def inet(self) -> str:
        chains = [*self._routing(), *self._lists(), *self._group_chains(), self._groups(), self._forward()]
        return _table("inet", _SERVICES + "".join(chains))

    def _forward(self) -> str:
        bridges = [subnet.bridge for subnet in self._subnets]
        names = bridges + [external.link for external in self._externals]
        if not bridges:
            return _chain("forward", [], hook="forward")
        inside = _set(f'"{bridge}" . "{bridge}"' for bridge in bridges)
        rules = [
            "ct state invalid drop",
            f"iifname != {_names(names)} drop",
            f"oifname != {_names(names)} drop",
            "iifname vmap " + _set(f'"{name}" : jump route_{_word(name)}' for name in names),
            f"iifname . oifname {inside} goto groups",
            "iifname vmap " + _set(f'"{name}" : jump leave_{_word(name)}' for name in bridges),
            "oifname vmap " + _set(f'"{name}" : jump enter_{_word(name)}' for name in bridges),
            "goto groups",
        ]
        return _chain("forward", rules, hook="forward")

    def _routing(self) -> Iterator[str]:
        for subnet in self._subnets:
            rules = [f'oifname "{subnet.bridge}" return']
            for route in sorted(subnet.routes, key=_precedence):
                rules += self._route(self._state.vpcs[subnet.vpc], route)
            yield _chain(f"route_{_word(subnet.bridge)}", [*rules, "drop"])
        for external in self._externals:
            yield self._from_external(external)

    def _route(self, vpc: Vpc, route: Route) -> list[str]:
        """Packets that match a route go where it leads, or nowhere: a shorter prefix is not tried."""
        matched = "" if route.destination == EVERYWHERE else f"ip daddr {route.destination} "
        targets = self._targets(vpc, route)
        passed = [f"{matched}oifname {_names(targets)} return"] if targets else []
        return [*passed, f"{matched}drop"]

    def _targets(self, vpc: Vpc, route: Route) -> list[str]:
        if route.target == "local":
            return [subnet.bridge for subnet in self._state.subnets_of(vpc.id)]
        peering = self._state.peerings.get(route.target)
        if peering is not None:
            return [subnet.bridge for subnet in self._state.subnets_of(_other_side(peering, vpc.id))]
        if vpc.gateway and route.target == vpc.gateway:
            return [each.link for each in self._externals if each.account in ("", vpc.account)]
        return []

    def _from_external(self, external: External) -> str:
        rules = [f"ip saddr != {external.cidr} drop"]
        for vpc in sorted(self._state.vpcs.values(), key=lambda vpc: vpc.id):
            bridges = [subnet.bridge for subnet in self._state.subnets_of(vpc.id)]
            if vpc.gateway and bridges and external.account in ("", vpc.account):
                rules.append(f"ip daddr {_set(vpc.cidrs)} oifname {_names(bridges)} return")
        return _chain(f"route_{_word(external.link)}", [*rules, "drop"])

    def _lists(self) -> Iterator[str]:
        for subnet in self._subnets:
            acl = self._state.acls.get(subnet.acl)
            entries = sorted(acl.entries, key=lambda entry: entry.number) if acl else []
            leaving = [_entry(entry, "daddr") for entry in entries if entry.egress]
            entering = [_entry(entry, "saddr") for entry in entries if not entry.egress]
            yield _chain(f"leave_{_word(subnet.bridge)}", [*leaving, "drop"])
            yield _chain(f"enter_{_word(subnet.bridge)}", [*entering, "drop"])

    def _combinations(self) -> list[tuple[str, ...]]:
        """The distinct sets of groups that interfaces carry: interfaces that carry the same share their chains."""
        return sorted({each.groups for each in self._state.interfaces.values()})

    def _group_chains(self) -> Iterator[str]:
        for groups in self._combinations():
            known = [self._state.groups[group] for group in groups if group in self._state.groups]
            egress = [rule for group in known for each in group.egress for rule in self._permit(each, "daddr")]
            ingress = [rule for group in known for each in group.ingress for rule in self._permit(each, "saddr")]
            yield _chain(f"egress_{_digest(groups)}", [*egress, "drop"])
            yield _chain(f"ingress_{_digest(groups)}", [*ingress, "drop"])

    def _permit(self, permission: Permission, side: str) -> list[str]:
        cidrs = list(permission.cidrs)
        cidrs += [f"{address}/32" for group in permission.groups for address in self._state.members_of(group)]
        if not cidrs:
            return []
        return [_match(permission.protocol, permission.ports, side, cidrs) + "return"]

    def _groups(self) -> str:
        senders, receivers, addresses = [], [], []
        for each in sorted(self._state.interfaces.values(), key=lambda each: each.id):
            senders.append(f"{each.address} : jump egress_{_digest(each.groups)}")
            receivers.append(f"{each.address} : jump ingress_{_digest(each.groups)}")
            addresses.append(each.address)
        rules = ["ct state established,related accept"]
        if addresses:
            rules += [f"ip saddr vmap {_set(senders)}", f"ip daddr vmap {_set(receivers)}"]
            rules.append(f"ip daddr {_set(addresses)} accept")
        if self._externals:
            rules.append(f"oifname {_names(each.link for each in self._externals)} accept")
        return _chain("groups", [*rules, "drop"])


def _other_side(peering: Peering, vpc: str) -> str:
    return peering.accepter if vpc == peering.requester else peering.requester if vpc == peering.accepter else ""


def _precedence(route: Route) -> tuple[int, bool]:
    return (-IPv4Network(route.destination).prefixlen, route.target != "local")


def _entry(entry: AclEntry, side: str) -> str:
    return _match(entry.protocol, entry.ports, side, [entry.cidr]) + ("return" if entry.allow else "drop")


def _match(protocol: str, ports: tuple[int, int] | None, side: str, cidrs: Iterable[str]) -> str:
    merged = [str(network) for network in collapse_addresses(IPv4Network(cidr) for cidr in cidrs)]
    where = "" if merged == [EVERYWHERE] else f"ip {side} {_set(merged)} "
    return where + _protocol(protocol, ports)


def _protocol(protocol: str, ports: tuple[int, int] | None) -> str:
    name = {"6": "tcp", "17": "udp", "1": "icmp"}.get(protocol, protocol)
    if name == "-1":
        return ""
    if name in ("tcp", "udp"):
        first, last = ports or (0, 65535)
        return f"{name} dport {first}-{last} " if (first, last) != (0, 65535) else f"ip protocol {name} "
    if name == "icmp" and ports and ports[0] >= 0:
        return f"icmp type {ports[0]} "
    return f"ip protocol {name} "


def _anti_spoofing(state: CloudState, links: set[str]) -> str:
    chains = []
    for instance in sorted(state.instances.values(), key=lambda each: each.id):
        if instance.link not in links:
            continue
        rules = [
            f"arp saddr ip != {instance.address} drop",
            f"ip saddr != {instance.address} drop",
            "meta protocol != { ip, arp } drop",
        ]
        head = f'    type filter hook ingress device "{instance.link}" priority -500; policy accept;\n'
        body = "".join(f"    {rule}\n" for rule in rules)
        chains.append(f"  chain from_{_word(instance.link)} {{\n{head}{body}  }}\n")
    return _table("netdev", "".join(chains))


def _chain(name: str, rules: Iterable[str], hook: str = "") -> str:
    head = f"    type filter hook {hook} priority 0; policy drop;\n" if hook else ""
    return f"  chain {name} {{\n{head}" + "".join(f"    {rule}\n" for rule in rules) + "  }\n"


def _names(names: Iterable[str]) -> str:
    return _set(f'"{name}"' for name in names)


def _set(elements: Iterable[str]) -> str:
    return "{ " + ", ".join(elements) + " }"


def _word(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")


def _digest(groups: tuple[str, ...]) -> str:
    return hashlib.sha256(",".join(groups).encode()).hexdigest()[:12]
