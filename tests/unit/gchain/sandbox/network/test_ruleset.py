from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from gchain.sandbox.network.ruleset import CLOSED, External, render
from gchain.sandbox.network.state import CloudState

OPERATORS = External("o-0", "10.9.0.0/28", "1")
SERVICES = External("o-services", "10.8.0.0/24")


def _chain(ruleset: str, name: str) -> list[str]:
    """The rules of a chain, without its hook line."""
    match = re.search(rf"^  chain {name} {{\n(.*?)^  }}\n", ruleset, re.DOTALL | re.MULTILINE)
    assert match, f"no chain {name}"
    return [line.strip() for line in match.group(1).splitlines() if not line.strip().startswith("type ")]


def _chains(ruleset: str, prefix: str) -> list[list[str]]:
    return [_chain(ruleset, name) for name in re.findall(rf"^  chain ({prefix}\w+) {{", ruleset, re.MULTILINE)]


@pytest.fixture
def ruleset(two_vpcs: CloudState) -> str:
    return render(two_vpcs, [OPERATORS, SERVICES], ["h-1", "h-2"])


def test_routes_lead_to_the_subnets_of_the_peer_and_to_networks_of_the_own_account(ruleset: str) -> None:
    assert _chain(ruleset, "route_b_a1") == [
        'oifname "b-a1" return',
        'ip daddr 10.9.0.0/28 oifname { "o-0", "o-services" } return',
        "ip daddr 10.9.0.0/28 drop",
        'ip daddr 10.1.0.0/16 oifname { "b-a1", "b-a2" } return',
        "ip daddr 10.1.0.0/16 drop",
        'ip daddr 10.2.0.0/16 oifname { "b-b1" } return',
        "ip daddr 10.2.0.0/16 drop",
        "drop",
    ]


def test_a_route_to_a_missing_peering_or_an_internet_gateway_leads_nowhere(ruleset: str) -> None:
    assert _chain(ruleset, "route_b_b1") == [
        'oifname "b-b1" return',
        'ip daddr 10.2.0.0/16 oifname { "b-b1" } return',
        "ip daddr 10.2.0.0/16 drop",
        "ip daddr 10.1.0.0/16 drop",
        "drop",
        "drop",
    ]


def test_operators_come_in_only_where_their_own_account_has_a_gateway(ruleset: str) -> None:
    assert _chain(ruleset, "route_o_0") == [
        "ip saddr != 10.9.0.0/28 drop",
        'ip daddr { 10.1.0.0/16 } oifname { "b-a1", "b-a2" } return',
        "drop",
    ]


def test_without_an_attached_gateway_operators_reach_nothing(two_vpcs: CloudState) -> None:
    vpcs = {key: replace(vpc, gateway="") for key, vpc in two_vpcs.vpcs.items()}
    ruleset = render(replace(two_vpcs, vpcs=vpcs), [OPERATORS])
    assert _chain(ruleset, "route_o_0") == ["ip saddr != 10.9.0.0/28 drop", "drop"]
    assert "ip daddr 10.9.0.0/28 drop" in _chain(ruleset, "route_b_a1")
    assert not any("o-0" in rule for rule in _chain(ruleset, "route_b_a1"))


def test_lists_are_rendered_in_the_order_of_their_numbers_and_end_closed(ruleset: str) -> None:
    assert _chain(ruleset, "enter_b_a1") == [
        "ip saddr { 10.2.0.0/16 } tcp dport 22-22 drop",
        "return",
        "drop",
        "drop",
    ]
    assert _chain(ruleset, "leave_b_a1") == ["return", "drop"]


def test_a_subnet_whose_list_is_unknown_is_closed(ruleset: str) -> None:
    assert _chain(ruleset, "enter_b_b1") == ["drop"]
    assert _chain(ruleset, "leave_b_b1") == ["drop"]


def test_groups_open_what_they_name_and_nothing_else(ruleset: str) -> None:
    assert sorted(_chains(ruleset, "ingress_")) == sorted(
        [
            ["drop"],
            [
                "ip saddr { 10.1.1.10/32, 10.1.2.10/32, 10.2.0.0/16 } tcp dport 26656-26656 return",
                "ip saddr { 10.9.0.0/28 } icmp type 8 return",
                "drop",
            ],
        ]
    )
    assert sorted(_chains(ruleset, "egress_")) == [["drop"], ["return", "drop"]]


def test_overlapping_sources_are_merged_because_a_set_refuses_them(two_vpcs: CloudState) -> None:
    group = two_vpcs.groups["sg-node"]
    wide = replace(group.ingress[0], cidrs=("10.0.0.0/8", "10.1.1.0/24"))
    groups = {**two_vpcs.groups, "sg-node": replace(group, ingress=(wide,))}
    ruleset = render(replace(two_vpcs, groups=groups), [])
    assert ["ip saddr { 10.0.0.0/8 } tcp dport 26656-26656 return", "drop"] in _chains(ruleset, "ingress_")


def test_a_host_may_only_send_from_its_own_address(ruleset: str) -> None:
    assert _chain(ruleset, "from_h_1") == [
        "arp saddr ip != 10.1.1.10 drop",
        "ip saddr != 10.1.1.10 drop",
        "meta protocol != { ip, arp } drop",
    ]
    assert "from_h_3" not in ruleset, "a chain cannot hang on a link that is not there yet"


def test_nothing_is_forwarded_without_subnets() -> None:
    for ruleset in (CLOSED, render(CloudState(), [OPERATORS])):
        assert _chain(ruleset, "forward") == []
        assert "hook forward priority 0; policy drop" in ruleset


def test_the_same_state_gives_the_same_text(two_vpcs: CloudState, ruleset: str) -> None:
    shuffled = replace(
        two_vpcs,
        **{
            name: dict(reversed(getattr(two_vpcs, name).items()))
            for name in ("vpcs", "subnets", "groups", "interfaces")
        },
    )
    again = render(shuffled, [OPERATORS, SERVICES], ["h-2", "h-1"])
    assert sorted(again.replace(",", "").split()) == sorted(ruleset.replace(",", "").split())


@pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not installed")
def test_nft_accepts_the_ruleset(ruleset: str) -> None:
    command = ["unshare", "--net", "sh", "-c", "for l in h-1 h-2; do ip link add $l type dummy; done; nft -c -f -"]
    done = subprocess.run(command, input=ruleset, capture_output=True, text=True, check=False)
    if "unshare failed" in done.stderr:
        pytest.skip("making a network namespace needs root")
    assert done.returncode == 0, done.stderr
