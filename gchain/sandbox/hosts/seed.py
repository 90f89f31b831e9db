"""What a host finds on its disk before its first boot: what DHCP and the metadata service would tell it."""

from __future__ import annotations

import json
from pathlib import Path

from gchain.sandbox.network.ruleset import NAME_SERVER, TIME_SERVER
from gchain.sandbox.network.state import Instance, Subnet, Vpc

__all__ = ["sow"]

_AMAZON_PROVIDED = "AmazonProvidedDNS"


def sow(upper: Path, instance: Instance, subnet: Subnet, vpc: Vpc) -> None:
    """Write the seed into a host's upper layer; the host itself applies names, keys and user data at its first boot."""
    seed = upper / "var/lib/cloud/seed"
    seed.mkdir(parents=True, exist_ok=True)
    seed.chmod(0o700)
    meta = {
        "instance_id": instance.id,
        "hostname": "ip-" + instance.address.replace(".", "-"),
        "public_keys": [instance.public_key] if instance.public_key else [],
    }
    (seed / "meta-data.json").write_text(json.dumps(meta))
    if instance.user_data:
        (seed / "user-data").write_text(instance.user_data)
    _write(upper / "etc/systemd/network/10-ens5.network", _network(instance, subnet))
    _write(upper / "etc/resolv.conf", _resolver(vpc))
    _write(upper / "etc/chrony/sources.d/dhcp.sources", _time_sources(vpc))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _network(instance: Instance, subnet: Subnet) -> str:
    return (
        "[Match]\nName=ens5\n\n[Network]\n"
        f"Address={instance.address}/{subnet.network.prefixlen}\nGateway={subnet.gateway}\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )


def _resolver(vpc: Vpc) -> str:
    servers = [NAME_SERVER if each == _AMAZON_PROVIDED else each for each in vpc.name_servers] or [NAME_SERVER]
    search = f"search {vpc.domain}\n" if vpc.domain else ""
    return search + "".join(f"nameserver {server}\n" for server in servers)


def _time_sources(vpc: Vpc) -> str:
    return "".join(f"server {server} iburst\n" for server in vpc.time_servers or (TIME_SERVER,))
