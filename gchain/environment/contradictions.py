"""What must hold between the values of an environment: decisions only, no files.

Each check yields `Finding`s; an error makes the environment unusable, a warning says what it cannot survive.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Literal

from gchain.environment.documents import KeyPath
from gchain.environment.models import Consortium, Region, StackSettings, Zone

__all__ = ["Finding", "contradictions", "warnings"]


@dataclass(frozen=True)
class Finding:
    """One contradiction: the file and key to look at, and the sentence to print."""

    file: Literal["zone.yaml", "consortium.yaml", "stack"]
    key: KeyPath
    message: str


def contradictions(zone: Zone, consortium: Consortium, settings: StackSettings) -> list[Finding]:
    """All contradictions, in the order of the files."""
    return [
        *_regions(zone),
        *_zone_accounts(zone, consortium),
        *_operators(zone, consortium),
        *_external_buckets(zone),
        *_servers(zone),
        *_mirrors(zone),
        *_receivers(zone),
        *_vpn_networks(zone),
        *_unique_names(consortium),
        *_convenor(consortium),
        *_jurisdictions(zone, consortium),
        *_placement(zone, consortium),
        *_accounts(zone, consortium),
        *_vpc_sizes(consortium),
        *_networks(zone, consortium),
        *_images(zone, consortium, settings),
        *_keys(consortium, settings),
    ]


def warnings(consortium: Consortium, zone: Zone) -> list[Finding]:
    """What is allowed, but leaves the ledger unable to survive a fault or the loss of a site."""
    sites = _sites(zone, consortium)
    found = []
    if len(sites) < 4:
        found.append(
            _who(f"{len(sites)} validators cannot survive one fault: a Byzantine quorum needs at least four", "members")
        )
    if len(set(sites)) < 4:
        message = (
            f"{len(set(sites))} sites for {len(sites)} validators: the loss of one can leave two thirds of the "
            "votes or fewer, and no block commits (LED-005); use a fourth site, or ask for a waiver that says so"
        )
        found.append(_who(message, "members"))
    return found


def _zone(message: str, *key: str | int) -> Finding:
    return Finding("zone.yaml", key, message)


def _who(message: str, *key: str | int) -> Finding:
    return Finding("consortium.yaml", key, message)


def _sites(zone: Zone, consortium: Consortium) -> list[str]:
    """The site (availability-zone id) of every validator."""
    ids = {az.name: az.id for region in zone.regions for az in region.availability_zones}
    return [ids[host.availability_zone] for member in consortium.members for host in member.validators]


def _near(found: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(found, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def _duplicates(names: Iterable[str]) -> Iterator[tuple[int, str]]:
    seen = set()
    for index, name in enumerate(names):
        if name in seen:
            yield index, name
        seen.add(name)


def _regions(zone: Zone) -> Iterator[Finding]:
    for index, name in _duplicates(region.name for region in zone.regions):
        yield _zone(f"region {name!r} is listed twice", "regions", index, "name")
    every = [az.id for region in zone.regions for az in region.availability_zones]
    for _, identifier in _duplicates(every):
        yield _zone(f"availability zone id {identifier!r} is listed twice", "regions")
    for index, region in enumerate(zone.regions):
        if region.jurisdiction not in zone.jurisdictions:
            message = f"region {region.name} lies in {region.jurisdiction}, outside {', '.join(zone.jurisdictions)}"
            yield _zone(message, "regions", index, "jurisdiction")
        yield from _availability_zones(index, region)


def _availability_zones(index: int, region: Region) -> Iterator[Finding]:
    for position, az in enumerate(region.availability_zones):
        if az.name[:-1] != region.name or not az.name[-1].isalpha():
            message = (
                f"{az.name!r} is not an Availability Zone of {region.name}: expected {region.name} and one letter "
                "(Local and Wavelength Zones may stand in another country)"
            )
            yield _zone(message, "regions", index, "availability_zones", position, "name")


def _zone_accounts(zone: Zone, consortium: Consortium) -> Iterator[Finding]:
    for index, account in _duplicates(zone.accounts.values()):
        yield _zone(f"account {account} is already another name's account", "accounts", list(zone.accounts)[index])
    if "log_archive" not in zone.accounts:
        yield _zone("the account 'log_archive' is missing: logs need a keeper of their own", "accounts")
    names = {member.name for member in consortium.members} | {"log_archive"}
    for name in sorted(zone.accounts.keys() - names):
        yield _zone(f"{name!r} is not a member; {_near(name, names)}", "accounts", name)


def _operators(zone: Zone, consortium: Consortium) -> Iterator[Finding]:
    names = {member.name for member in consortium.members}
    for index, person in enumerate(zone.operators):
        if person.member not in names:
            message = f"{person.name} works for {person.member!r}, which is not a member; {_near(person.member, names)}"
            yield _zone(message, "operators", index, "member")
        if person.jurisdiction not in zone.jurisdictions:
            message = f"{person.name} works in {person.jurisdiction}, outside {', '.join(zone.jurisdictions)}"
            yield _zone(message, "operators", index, "jurisdiction")


def _external_buckets(zone: Zone) -> Iterator[Finding]:
    for bucket, region in zone.external_buckets.items():
        if zone.region(region) is None:
            yield _zone(f"region {region!r} is not in the zone", "external_buckets", bucket)


def _servers(zone: Zone) -> Iterator[Finding]:
    """Name and time servers are the VPC's own (link-local) or stand in the zone's networks."""
    for key, addresses in (("dns_servers", zone.dns_servers), ("ntp_servers", zone.ntp_servers)):
        for index, address in enumerate(addresses):
            if not (address.is_link_local or any(address in network for network in zone.egress_cidrs)):
                yield _zone(f"{address} is neither link-local nor in egress_cidrs", key, index)


def _mirrors(zone: Zone) -> Iterator[Finding]:
    """A mirror answers by a name of the zone or from the network of shared services."""
    for index, mirror in enumerate(zone.mirrors):
        host = mirror.url.partition("://")[2].partition("/")[0].partition(":")[0]
        if not (host.endswith(f".{zone.domain}") or _is_in(host, zone.services_cidr)):
            message = f"{host} is neither a name of {zone.domain} nor in services_cidr ({zone.services_cidr})"
            yield _zone(message, "mirrors", index, "url")


def _is_in(host: str, network: IPv4Network) -> bool:
    try:
        return IPv4Address(host) in network
    except ValueError:
        return False


def _receivers(zone: Zone) -> Iterator[Finding]:
    """An anchor may receive a salted hash and nothing else, so it cannot receive telemetry or alarms as well."""
    for index, anchor in enumerate(zone.anchors):
        if anchor in (*zone.telemetry_endpoints, *zone.notification_endpoints):
            yield _zone(f"{anchor} may receive hashes only, and is listed to receive more", "anchors", index)


def _vpn_networks(zone: Zone) -> Iterator[Finding]:
    """A site has a few public addresses; a wide block would let a tunnel end anywhere."""
    for index, network in enumerate(zone.vpn_networks):
        if network.prefixlen < 24:
            yield _zone(f"{network} is wider than /24: name the public addresses of the site", "vpn_networks", index)


def _unique_names(consortium: Consortium) -> Iterator[Finding]:
    for index, name in _duplicates(member.name for member in consortium.members):
        yield _who(f"duplicate member {name!r}", "members", index, "name")
    for position, member in enumerate(consortium.members):
        if member.name == "foundation":
            yield _who("'foundation' is the name of the shared stack", "members", position, "name")
        for index, name in _duplicates(host.name for host in member.hosts):
            yield _who(f"{member.name}: duplicate host {name!r}", "members", position, "hosts", index, "name")
        for index, name in _duplicates(officer.name for officer in member.officers):
            yield _who(f"{member.name}: duplicate officer {name!r}", "members", position, "officers", index, "name")


def _convenor(consortium: Consortium) -> Iterator[Finding]:
    names = [member.name for member in consortium.members]
    if consortium.convenor not in names:
        yield _who(f"{consortium.convenor!r} is not a member; {_near(consortium.convenor, names)}", "convenor")


def _jurisdictions(zone: Zone, consortium: Consortium) -> Iterator[Finding]:
    for index, member in enumerate(consortium.members):
        if member.jurisdiction not in zone.jurisdictions:
            message = f"{member.name} is under {member.jurisdiction} law, outside {', '.join(zone.jurisdictions)}"
            yield _who(message, "members", index, "jurisdiction")


def _placement(zone: Zone, consortium: Consortium) -> Iterator[Finding]:
    for index, member in enumerate(consortium.members):
        region = zone.region(member.region)
        if region is None:
            near = _near(member.region, (known.name for known in zone.regions))
            yield _who(f"region {member.region!r} is not in zone {zone.name}; {near}", "members", index, "region")
            continue
        names = [az.name for az in region.availability_zones]
        for position, host in enumerate(member.hosts):
            if host.availability_zone not in names:
                near = _near(host.availability_zone, names)
                message = f"{host.availability_zone!r} is not a zone of {region.name} in zone.yaml; {near}"
                yield _who(message, "members", index, "hosts", position, "availability_zone")


def _accounts(zone: Zone, consortium: Consortium) -> Iterator[Finding]:
    for index, account in _duplicates(member.account for member in consortium.members):
        yield _who(f"account {account} belongs to two members", "members", index, "account")
    for index, member in enumerate(consortium.members):
        listed = zone.accounts.get(member.name)
        if listed != member.account:
            message = f"account {member.account} of {member.name} is not what zone.yaml lists ({listed or 'none'})"
            yield _who(message, "members", index, "account")


def _vpc_sizes(consortium: Consortium) -> Iterator[Finding]:
    for index, member in enumerate(consortium.members):
        if not 16 <= member.vpc_cidr.prefixlen <= 24:
            message = f"{member.vpc_cidr} must be between /16 (the cloud's limit) and /24 (three subnets must fit)"
            yield _who(message, "members", index, "vpc_cidr")


def _networks(zone: Zone, consortium: Consortium) -> Iterator[Finding]:
    named = [(_zone("", "services_cidr"), "services_cidr of the zone", zone.services_cidr)]
    for index, member in enumerate(consortium.members):
        named.append((_who("", "members", index, "vpc_cidr"), f"vpc_cidr of {member.name}", member.vpc_cidr))
        operator = _who("", "members", index, "operator_cidr")
        named.append((operator, f"operator_cidr of {member.name}", member.operator_cidr))
    for (_, first, a), (at, second, b) in combinations(named, 2):
        if a.overlaps(b):
            yield replace(at, message=f"{second} ({b}) overlaps {first} ({a})")
    for at, text, network in named:
        if not any(network.subnet_of(allowed) for allowed in zone.egress_cidrs):
            yield replace(at, message=f"{text} ({network}) is outside egress_cidrs of zone.yaml")


def _images(zone: Zone, consortium: Consortium, settings: StackSettings) -> Iterator[Finding]:
    for index, image in enumerate(zone.images):
        if zone.region(image.region) is None:
            yield _zone(f"region {image.region!r} is not in the zone", "images", index, "region")
    available = {image.region for image in zone.images if image.name == settings.image}
    for region in sorted({member.region for member in consortium.members} - available):
        yield Finding("stack", ("image",), f"zone.yaml lists no image {settings.image!r} in {region}")


def _keys(consortium: Consortium, settings: StackSettings) -> Iterator[Finding]:
    if settings.hsm == "cloudhsm" and consortium.validator_key_type == "ed25519":
        message = "AWS CloudHSM has no Ed25519 keys; with hsm: cloudhsm the validator key type must be secp256k1"
        yield _who(message, "validator_key_type")
    shared = settings.hsm_validator_token == settings.hsm_member_token
    if settings.hsm == "cloudhsm" and not shared:
        message = (
            "AWS CloudHSM shows its cluster as one token: hsm_validator_token and hsm_member_token must be its label"
        )
        yield Finding("stack", ("hsm_member_token",), message)
    if settings.hsm == "none" and shared:
        message = "SoftHSM has a token for each: hsm_validator_token and hsm_member_token must differ"
        yield Finding("stack", ("hsm_member_token",), message)
