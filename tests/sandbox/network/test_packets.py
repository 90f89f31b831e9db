"""What packets may do, on real hosts: the cloud's own state decides, within two seconds, and nothing else does."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import pytest

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

PORT = 8080


def test_a_port_is_closed_until_a_group_opens_it_and_again_when_it_is_revoked(estate: Any) -> None:
    alpha = estate.alpha
    alpha.listen("a3", PORT)
    address = alpha.address("a3")
    source = alpha.address("a1") + "/32"
    assert not alpha.reaches("a1", address, PORT)
    alpha.allow(PORT, source)
    assert alpha.reaches("a1", address, PORT)
    assert not alpha.reaches("a2", address, PORT)
    alpha.revoke(PORT, source)
    assert not alpha.reaches("a1", address, PORT)


def test_inside_one_subnet_a_group_decides_too(estate: Any) -> None:
    alpha = estate.alpha
    alpha.listen("a2", PORT)
    address = alpha.address("a2")
    assert not alpha.reaches("a1", address, PORT)
    alpha.allow(PORT, alpha.group)
    assert alpha.reaches("a1", address, PORT)
    alpha.revoke(PORT, alpha.group)


def test_egress_is_closed_when_the_senders_group_lets_nothing_out(estate: Any) -> None:
    alpha = estate.alpha
    alpha.listen("a3", PORT)
    alpha.allow(PORT, alpha.group)
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    assert alpha.reaches("a1", alpha.address("a3"), PORT)
    alpha.ec2.revoke_security_group_egress(GroupId=alpha.group, IpPermissions=everything)
    estate.sandbox.converged()
    try:
        # SSH still works: answers to an admitted connection are not the sender's own traffic.
        assert not alpha.reaches("a1", alpha.address("a3"), PORT)
    finally:
        alpha.ec2.authorize_security_group_egress(GroupId=alpha.group, IpPermissions=everything)
        alpha.revoke(PORT, alpha.group)


def test_a_network_acl_is_stateless_and_ordered(estate: Any) -> None:
    alpha = estate.alpha
    alpha.listen("a3", PORT)
    alpha.allow(PORT, alpha.group)
    address = alpha.address("a3")
    acl = alpha.ec2.create_network_acl(VpcId=alpha.vpc)["NetworkAcl"]["NetworkAclId"]
    for number, egress, action in ((100, False, "allow"), (100, True, "allow")):
        _entry(alpha.ec2, acl, number, egress, action)
    old = _replace_acl(alpha.ec2, estate.second_subnet, acl)
    estate.sandbox.converged()
    try:
        assert alpha.reaches("a1", address, PORT)
        _entry(alpha.ec2, acl, 50, False, "deny", (PORT, PORT))
        estate.sandbox.converged()
        assert not alpha.reaches("a1", address, PORT)
        alpha.ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=50, Egress=False)
        _entry(alpha.ec2, acl, 50, True, "deny", (1024, 65535), alpha.address("a1") + "/32")
        estate.sandbox.converged()
        assert not alpha.reaches("a1", address, PORT), "answers must pass the list on their own"
    finally:
        _replace_acl(alpha.ec2, estate.second_subnet, old)
        alpha.ec2.delete_network_acl(NetworkAclId=acl)
        alpha.revoke(PORT, alpha.group)


def _entry(
    ec2: Any,
    acl: str,
    number: int,
    egress: bool,
    action: str,
    ports: tuple[int, int] | None = None,
    cidr: str = "0.0.0.0/0",
) -> None:
    limits = {"PortRange": {"From": ports[0], "To": ports[1]}} if ports else {}
    protocol = "6" if ports else "-1"
    ec2.create_network_acl_entry(
        NetworkAclId=acl,
        RuleNumber=number,
        Protocol=protocol,
        RuleAction=action,
        Egress=egress,
        CidrBlock=cidr,
        **limits,
    )


def _replace_acl(ec2: Any, subnet: str, acl: str) -> str:
    """Give a subnet another list; returns the one that it had."""
    for each in ec2.describe_network_acls()["NetworkAcls"]:
        for association in each["Associations"]:
            if association["SubnetId"] == subnet:
                ec2.replace_network_acl_association(
                    AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl
                )
                return str(each["NetworkAclId"])
    raise AssertionError(f"{subnet} has no network ACL")


def test_peering_needs_acceptance_and_both_routes(estate: Any) -> None:
    alpha, beta = estate.alpha, estate.beta
    beta.listen("b1", PORT)
    beta.allow(PORT, alpha.cidr)
    address = beta.address("b1")
    peering = alpha.ec2.create_vpc_peering_connection(
        VpcId=alpha.vpc, PeerVpcId=beta.vpc, PeerOwnerId=beta.site.account, PeerRegion=beta.site.region
    )["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    beta.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    route = {"DestinationCidrBlock": beta.cidr, "VpcPeeringConnectionId": peering}
    alpha.ec2.create_route(RouteTableId=alpha.table, **route)
    estate.sandbox.converged()
    assert not alpha.reaches("a1", address, PORT), "there is no route back"
    back = {"DestinationCidrBlock": alpha.cidr, "VpcPeeringConnectionId": peering}
    beta.ec2.create_route(RouteTableId=beta.table, **back)
    estate.sandbox.converged()
    assert alpha.reaches("a1", address, PORT)
    alpha.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering)
    estate.sandbox.converged()
    assert not alpha.reaches("a1", address, PORT), "the peering is gone"


def test_a_members_operators_reach_its_own_hosts_only(estate: Any) -> None:
    estate.beta.allow(22, "0.0.0.0/0")
    assert estate.beta.ssh("b1", "true").returncode == 0
    foreign = estate.beta.ssh("b1", "true", member="alpha")
    assert foreign.returncode == 255
    assert "timed out" in foreign.stderr
    estate.beta.revoke(22, "0.0.0.0/0")


def test_operators_and_services_are_cut_off_without_the_vpn_gateway(estate: Any) -> None:
    beta = estate.beta
    assert beta.reaches("b1", "10.189.0.80", 80)
    beta.ec2.detach_vpn_gateway(VpcId=beta.vpc, VpnGatewayId=beta.gateway)
    estate.sandbox.converged()
    try:
        assert beta.ssh("b1", "true").returncode == 255
    finally:
        beta.ec2.attach_vpn_gateway(VpcId=beta.vpc, VpnGatewayId=beta.gateway)
        estate.sandbox.converged()
    assert beta.reaches("b1", "10.189.0.80", 80)


def test_a_host_cannot_send_from_another_hosts_address(estate: Any) -> None:
    alpha = estate.alpha
    alpha.listen("a3", PORT)
    alpha.allow(PORT, "10.181.0.200/32")
    added = "sudo ip addr add 10.181.0.200/24 dev ens5; "
    request = (
        f"curl -s -m 2 --interface 10.181.0.200 -o /dev/null http://{alpha.address('a3')}:{PORT} && echo through; "
    )
    done = alpha.ssh("a1", added + request + "sudo ip addr del 10.181.0.200/24 dev ens5")
    alpha.revoke(PORT, "10.181.0.200/32")
    assert done.returncode == 0, done.stderr
    assert "through" not in done.stdout


def test_the_status_page_of_a_host_is_on_loopback_once_its_operators_may_reach_it(estate: Any) -> None:
    alpha = estate.alpha
    alpha.listen("a1", 8080)
    port = alpha.describe("a1")["ports"]["8080"]
    assert port == estate.sandbox.layout.port_base + 10
    with pytest.raises((urllib.error.URLError, ConnectionError, TimeoutError)):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2)
    alpha.allow(8080, alpha.site.operator_cidr)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as page:
        assert page.status == 200
    alpha.revoke(8080, alpha.site.operator_cidr)
