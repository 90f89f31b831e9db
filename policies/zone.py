"""The zone as rules ask about it: which regions, sites, accounts, networks, people and buckets are inside.

Built from an environment's `zone.yaml` and `consortium.yaml`; rules never see the files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gchain.environment import Environment

__all__ = ["ValidatorSeat", "ZonePolicy"]

Network = IPv4Network | IPv6Network
_SETS = (
    *("jurisdictions", "dns_servers", "ntp_servers", "mirrors", "telemetry_endpoints", "anchors"),
    *("notification_endpoints", "direct_connect_locations", "role_bundles", "identity_providers"),
)


@dataclass(frozen=True, slots=True)
class ValidatorSeat:
    """One validator as the consortium file plans it: who votes, and at which site."""

    member: str
    host: str
    availability_zone: str
    site: str
    jurisdiction: str


@dataclass(frozen=True)
class ZonePolicy:
    """Where data may be. `digest` is the zone file's, which reports and go-live bind."""

    name: str
    digest: str
    regions: Mapping[str, str]
    jurisdictions: frozenset[str]
    availability_zones: Mapping[str, str]
    accounts: Mapping[str, str]
    networks: tuple[Network, ...]
    organization_id: str = ""
    partition: str = "aws"
    domain: str = ""
    dns_servers: frozenset[str] = frozenset()
    ntp_servers: frozenset[str] = frozenset()
    mirrors: frozenset[str] = frozenset()
    telemetry_endpoints: frozenset[str] = frozenset()
    anchors: frozenset[str] = frozenset()
    notification_endpoints: frozenset[str] = frozenset()
    vpn_networks: tuple[Network, ...] = ()
    direct_connect_locations: frozenset[str] = frozenset()
    role_bundles: frozenset[str] = frozenset()
    external_buckets: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    operators: tuple[Mapping[str, str], ...] = ()
    identity_providers: frozenset[str] = frozenset()
    tags: Mapping[str, frozenset[str]] = field(default_factory=dict)
    evidence_retention_days: int = 0
    log_retention_days: int = 0
    deletion_protection: bool = True
    member_regions: Mapping[str, str] = field(default_factory=dict)
    convenor: str = ""
    validators: tuple[ValidatorSeat, ...] = ()

    def has_account(self, account: str) -> bool:
        return account in self.accounts.values()

    def has_network(self, cidr: str) -> bool:
        """Whether a network, or an address, lies wholly inside the zone's networks."""
        try:
            network = _plain(ip_network(cidr, strict=False))
        except ValueError:
            return False
        return any(_within(network, inside) for inside in self.networks)

    def ends_tunnel_at(self, address: str) -> bool:
        """Whether a VPN may end at an address: one of the zone's sites, by its public address."""
        try:
            network = ip_network(address)
        except ValueError:
            return False
        return any(_within(network, inside) for inside in (*self.vpn_networks, *self.networks))

    def region_of_site(self, site: str) -> str | None:
        """The region of an availability-zone id or name."""
        for name, identifier in self.availability_zones.items():
            if site in (name, identifier):
                return name[:-1]
        return None

    @classmethod
    def of(cls, environment: Environment) -> ZonePolicy:
        """The zone of a loaded environment."""
        zone, consortium, settings = environment.zone, environment.consortium, environment.stack_settings
        sites = {az.name: az.id for region in zone.regions for az in region.availability_zones}
        return cls(
            name=zone.name,
            digest=environment.zone_digest,
            regions={region.name: region.jurisdiction for region in zone.regions},
            jurisdictions=frozenset(zone.jurisdictions),
            availability_zones=sites,
            accounts=dict(zone.accounts),
            networks=tuple(_unique(zone.egress_cidrs, [zone.services_cidr])),
            organization_id=zone.organization_id,
            partition=zone.partition,
            domain=zone.domain,
            dns_servers=frozenset(map(str, zone.dns_servers)),
            ntp_servers=frozenset(map(str, zone.ntp_servers)),
            mirrors=frozenset(name for mirror in zone.mirrors for name in (mirror.name, _host(mirror.url))),
            telemetry_endpoints=frozenset(zone.telemetry_endpoints),
            anchors=frozenset(zone.anchors),
            notification_endpoints=frozenset(zone.notification_endpoints),
            vpn_networks=zone.vpn_networks,
            direct_connect_locations=frozenset(zone.direct_connect_locations),
            role_bundles=frozenset(zone.role_bundles),
            external_buckets=dict(zone.external_buckets),
            images={image.id: image.region for image in zone.images},
            operators=tuple(operator.model_dump() for operator in zone.operators),
            tags=_vocabulary(environment),
            evidence_retention_days=settings.evidence_retention_days,
            log_retention_days=settings.log_retention_days,
            deletion_protection=settings.deletion_protection,
            member_regions={member.name: member.region for member in consortium.members},
            convenor=consortium.convenor,
            validators=tuple(
                ValidatorSeat(m.name, h.name, h.availability_zone, sites[h.availability_zone], m.jurisdiction)
                for m in consortium.members
                for h in m.validators
            ),
        )

    def as_mapping(self) -> dict[str, Any]:
        """The zone as plain data, for a host's own gate; `from_mapping` reads it back."""
        plain = dataclasses.asdict(self)
        plain["networks"] = [str(network) for network in self.networks]
        plain["tags"] = {key: sorted(values) for key, values in self.tags.items()}
        return {key: sorted(value) if isinstance(value, frozenset) else value for key, value in plain.items()}

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any]) -> ZonePolicy:
        """A zone written out as plain data, as test cases and a host's own gate have it."""
        fixed = dict(raw)
        fixed["networks"] = tuple(ip_network(cidr) for cidr in raw["networks"])
        fixed["vpn_networks"] = tuple(ip_network(cidr) for cidr in raw.get("vpn_networks", ()))
        for key in _SETS:
            fixed[key] = frozenset(raw.get(key, ()))
        fixed["tags"] = {key: frozenset(values) for key, values in raw.get("tags", {}).items()}
        fixed["operators"] = tuple(raw.get("operators", ()))
        fixed["validators"] = tuple(ValidatorSeat(**seat) for seat in raw.get("validators", ()))
        return cls(**fixed)


def _vocabulary(environment: Environment) -> dict[str, frozenset[str]]:
    """The mandatory tags and the values that each may have; an empty set allows any value but a placeholder."""
    names = [member.name for member in environment.consortium.members]
    return {
        "gchain:consortium": frozenset({environment.consortium.name}),
        "gchain:member": frozenset([*names, "foundation"]),
        "gchain:zone": frozenset({environment.zone.name}),
        "gchain:environment": frozenset({environment.name}),
        "gchain:owner": frozenset(),
        "gchain:data-classification": frozenset({environment.stack_settings.data_classification}),
        "gchain:control-baseline": frozenset({environment.stack_settings.control_baseline}),
    }


def _unique(*groups: Iterable[Network]) -> Iterable[Network]:
    return dict.fromkeys(network for group in groups for network in group)


def _within(network: Network, inside: Network) -> bool:
    if isinstance(network, IPv4Network) and isinstance(inside, IPv4Network):
        return network.subnet_of(inside)
    if isinstance(network, IPv6Network) and isinstance(inside, IPv6Network):
        return network.subnet_of(inside)
    return False


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].partition(":")[0]


def _plain(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """An IPv4 network for an IPv4-mapped one (RFC 4291, section 2.5.5.2), as dual-stack sockets show their peers."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return network if mapped is None else IPv4Network((mapped, max(0, network.prefixlen - 96)))
