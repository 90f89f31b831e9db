"""The VPC's name server: private hosted zones as the asker's VPC sees them, instances' names, the zone's mirrors.

Nothing outside is resolved: there is no way out of the sandbox's zone.
"""

from __future__ import annotations

import ipaddress

from dnslib import AAAA, CNAME, MX, PTR, QTYPE, RCODE, RR, SRV, TXT, A, DNSHeader, DNSRecord

from gchain.sandbox.network.state import CloudState, Zone

__all__ = ["answer", "reply"]

TTL = 5
"""Short: a changed record takes effect within the reconciler's 2 s and this."""


def reply(query: bytes, asker: str, state: CloudState, mirrors: dict[str, str]) -> bytes:
    """The answer to one DNS message (RFC 1035) from the host at `asker`."""
    try:
        request = DNSRecord.parse(query)
        name, kind = str(request.q.qname).lower().rstrip("."), QTYPE[request.q.qtype]
    except Exception:
        refusal = DNSRecord(DNSHeader(id=int.from_bytes(query[:2], "big"), qr=1, rcode=RCODE.FORMERR))
        return bytes(refusal.pack())
    found, known = answer(state, mirrors, asker, name, kind)
    response = request.reply()
    response.header.ra = 1
    response.header.rcode = RCODE.NOERROR if known else RCODE.NXDOMAIN
    for owner, record_kind, value in found:
        response.add_answer(RR(owner + ".", getattr(QTYPE, record_kind), rdata=_rdata(record_kind, value), ttl=TTL))
    return bytes(response.pack())


def answer(
    state: CloudState, mirrors: dict[str, str], asker: str, name: str, kind: str
) -> tuple[list[tuple[str, str, str]], bool]:
    """Records (owner, type, value) for a question, following aliases; and whether the name exists at all."""
    records: list[tuple[str, str, str]] = []
    for _ in range(8):
        values = _values(state, mirrors, asker, name)
        if not values:
            return records, bool(records)
        records += [(name, kind, value) for value in values.get(kind, ())]
        alias = values.get("CNAME")
        if not alias or kind in values or kind == "CNAME":
            return records, True
        records.append((name, "CNAME", alias[0]))
        name = alias[0].lower().rstrip(".")
    return records, True


def _values(state: CloudState, mirrors: dict[str, str], asker: str, name: str) -> dict[str, tuple[str, ...]]:
    if name in mirrors:
        return {"A": (mirrors[name],)}
    vpc = _vpc_of(state, asker)
    zone = _zone(state, vpc, name)
    found = {kind: values for (owner, kind), values in zone.records.items() if owner == name} if zone else {}
    return found or _instance_name(state, vpc, name)


def _vpc_of(state: CloudState, asker: str) -> str:
    """Anti-spoofing makes the address of a question trustworthy."""
    address = ipaddress.IPv4Address(asker)
    return next((subnet.vpc for subnet in state.subnets.values() if address in subnet.network), "")


def _zone(state: CloudState, vpc: str, name: str) -> Zone | None:
    """The most specific zone of the asker's VPC that the name lies in."""
    seen = [zone for zone in state.zones if vpc in zone.vpcs and (name == zone.name or name.endswith("." + zone.name))]
    return max(seen, key=lambda zone: len(zone.name), default=None)


def _instance_name(state: CloudState, vpc: str, name: str) -> dict[str, tuple[str, ...]]:
    host, _, domain = name.partition(".")
    for instance in state.instances.values():
        subnet = state.subnets.get(instance.subnet)
        own = "ip-" + instance.address.replace(".", "-")
        if host == own and domain == f"{instance.region}.compute.internal" and subnet and subnet.vpc == vpc:
            return {"A": (instance.address,)}
    return {}


def _rdata(kind: str, value: str) -> A | AAAA | CNAME | MX | PTR | SRV | TXT:
    if kind == "TXT":
        return TXT(value.strip('"'))
    if kind == "MX":
        preference, _, host = value.partition(" ")
        return MX(host, int(preference))
    if kind == "SRV":
        priority, weight, port, target = value.split()
        return SRV(int(priority), int(weight), int(port), target)
    simple = {"A": A, "AAAA": AAAA, "CNAME": CNAME, "PTR": PTR}
    return simple[kind](value)
