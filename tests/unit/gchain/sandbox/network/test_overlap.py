from __future__ import annotations

from dataclasses import replace

from gchain.sandbox.network.overlap import without_overlaps
from gchain.sandbox.network.state import CloudState, Vpc


def test_a_state_without_overlaps_is_left_as_it_is(two_vpcs: CloudState) -> None:
    assert without_overlaps(two_vpcs) == (two_vpcs, [])


def test_the_inhabited_vpc_stays_and_the_other_is_named(two_vpcs: CloudState) -> None:
    empty = Vpc("vpc-0", "3", "eu-west-3", ("10.1.0.0/20",))
    kept, problems = without_overlaps(replace(two_vpcs, vpcs={"vpc-0": empty, **two_vpcs.vpcs}))
    assert kept.vpcs.keys() == {"vpc-a", "vpc-b"}
    assert kept.instances == two_vpcs.instances
    assert len(problems) == 1
    assert "vpc-0 (10.1.0.0/20) overlaps vpc-a" in problems[0]
