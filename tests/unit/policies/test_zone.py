"""What is inside the zone's networks, however a tool writes it."""

from __future__ import annotations

import pytest

from gchain import environment
from policies.zone import ZonePolicy


@pytest.mark.parametrize("inside", ["10.20.1.1", "10.20.0.0/16", "10.30.4.0/24", "::ffff:10.20.1.1"])
def test_addresses_of_the_zone_are_inside(inside: str, zone: ZonePolicy) -> None:
    assert zone.has_network(inside)


@pytest.mark.parametrize(
    "outside", ["203.0.113.1", "10.0.0.0/8", "0.0.0.0/0", "::/0", "::ffff:203.0.113.1", "2001:db8::1", "garbled", ""]
)
def test_everything_else_is_outside(outside: str, zone: ZonePolicy) -> None:
    assert not zone.has_network(outside)


@pytest.mark.parametrize("name", environment.names())
def test_every_environment_makes_a_zone_with_sites_accounts_and_seats(name: str) -> None:
    zone = ZonePolicy.of(environment.load(name))
    assert {seat.site for seat in zone.validators} <= set(zone.availability_zones.values())
    assert set(zone.member_regions.values()) <= set(zone.regions)
    assert all(zone.tags)
