"""The wires: one router namespace, a bridge a subnet, a link a host, a link a network beyond the VPN gateways.

Everything here is idempotent: it reads what exists and adds what is missing. What packets may do is up to the ruleset.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from gchain.errors import SandboxError
from gchain.sandbox.layout import Layout, Plan
from gchain.sandbox.network import namespaces
from gchain.sandbox.network.ruleset import CLOSED, NAME_SERVER, TIME_SERVER, External
from gchain.sandbox.network.state import CloudState, Instance, Subnet

__all__ = ["Topology", "externals"]

GATEWAY = "169.254.1.1"
"""The VPN gateway's address on every link to a network beyond it."""
SERVICES_LINK = "o-services"


def externals(plan: Plan) -> list[External]:
    """The members' own networks, each reached from its own account, and the services network that all reach."""
    own = [External(f"o-{index}", member.operator_cidr, member.account) for index, member in enumerate(plan.members)]
    return [*own, External(SERVICES_LINK, plan.services_cidr)]


class Topology:
    """The namespaces and links of one sandbox."""

    def __init__(self, layout: Layout, plan: Plan) -> None:
        self._layout = layout
        self._plan = plan
        self._router = layout.router

    def lay(self) -> None:
        """The router, closed, and the networks beyond the VPN gateways.

        Raises:
            SandboxError: the kernel would not show bridged packets to the rules (they would fail open).
        """
        namespaces.add(self._router)
        namespaces.load_ruleset(self._router, CLOSED)
        self._forwarding()
        for address in (NAME_SERVER, TIME_SERVER):
            namespaces.ip(self._router, f"addr replace {address}/32 dev lo")
        for index, member in enumerate(self._plan.members):
            self._external(self._layout.operator(member.name), f"o-{index}", [member.operator_address])
        mirrors = sorted(set(self._plan.mirrors.values()))
        self._external(self._layout.services, SERVICES_LINK, mirrors)

    def _forwarding(self) -> None:
        flags = ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables")
        _load_br_netfilter()
        for flag in flags:
            namespaces.run("ip", "netns", "exec", self._router, "sysctl", "-qw", f"{flag}=1")
            value = namespaces.run("ip", "netns", "exec", self._router, "sysctl", "-n", flag).strip()
            if value != "1":
                raise SandboxError(
                    f"{flag} is {value} in {self._router}: traffic inside a subnet would pass unfiltered"
                )

    def _external(self, namespace: str, link: str, addresses: list[str]) -> None:
        namespaces.add(namespace)
        if link not in self.links():
            namespaces.run(
                *("ip", "link", "add", link, "netns", self._router, "type", "veth"),
                *("peer", "name", "eth0", "netns", namespace),
            )
        namespaces.ip(self._router, f"addr replace {GATEWAY}/32 dev {link}", f"link set {link} up")
        namespaces.ip(namespace, *(f"addr replace {address}/32 dev eth0" for address in addresses), "link set eth0 up")
        namespaces.ip(namespace, f"route replace default via {GATEWAY} dev eth0 onlink")
        namespaces.ip(self._router, *(f"route replace {address}/32 dev {link}" for address in addresses))

    def links(self) -> set[str]:
        """Names of the interfaces in the router."""
        return {each["ifname"] for each in namespaces.ip_json(self._router, "link", "show")}

    def bridges(self, state: CloudState) -> None:
        """A bridge for every subnet, and none for one that is gone."""
        present = {name for name in self.links() if name.startswith("b-")}
        wanted = {subnet.bridge: subnet for subnet in state.subnets.values()}
        for name in present - wanted.keys():
            namespaces.ip(self._router, f"link delete {name}")
        for name in sorted(wanted.keys() - present):
            self._bridge(wanted[name])

    def _bridge(self, subnet: Subnet) -> None:
        # A fixed address: a bridge's own follows its ports, and hosts would keep the old one in their ARP caches.
        mac = "02:" + ":".join(hashlib.sha256(subnet.id.encode()).hexdigest()[at : at + 2] for at in range(0, 10, 2))
        namespaces.ip(
            self._router,
            f"link add {subnet.bridge} address {mac} type bridge forward_delay 0 mcast_snooping 0",
            f"addr add {subnet.gateway}/{subnet.network.prefixlen} dev {subnet.bridge}",
            f"link set {subnet.bridge} up",
        )

    def attach(self, instance: Instance, subnet: Subnet) -> None:
        """The host's namespace and its link, still down: it goes up once the rules know it."""
        namespace = self._layout.host_namespace(instance.id)
        namespaces.add(namespace)
        if instance.link not in self.links():
            namespaces.run(
                *("ip", "link", "add", instance.link, "netns", self._router, "type", "veth"),
                *("peer", "name", "ens5", "netns", namespace),
            )
        namespaces.ip(self._router, f"link set {instance.link} master {subnet.bridge}")

    def raise_link(self, link: str, up: bool = True) -> None:
        namespaces.ip(self._router, f"link set {link} {'up' if up else 'down'}")

    def detach(self, instance_id: str) -> None:
        """Removing the namespace removes the link: a host that is gone leaves nothing."""
        namespaces.remove(self._layout.host_namespace(instance_id))


def _load_br_netfilter() -> None:
    """Built into some kernels, a module in others.

    Raises:
        SandboxError: neither.
    """
    flag = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if not flag.exists() and Path("/lib/modules").is_dir():
        namespaces.run("modprobe", "br_netfilter")
    if not flag.exists():
        raise SandboxError(
            "this kernel has no br_netfilter: rules inside a subnet could not be enforced",
            remedy="use a kernel with CONFIG_BRIDGE_NETFILTER",
        )
