"""The hardened host: who may log in, what may come in and go out, where names, time and packages come from."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from gchain.errors import HostError
from gchain.hosts.playbook import run_playbook
from gchain.workspace import REPOSITORY

from .consortium import Consortium

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

MEMBER = "health"


@pytest.fixture
def host(forming: Consortium) -> Any:
    return forming.host(MEMBER)


def test_only_the_operator_logs_in_and_only_with_a_key(host: Any) -> None:
    with host.sudo():
        lines = host.check_output("sshd -T").splitlines()
        root = host.check_output("passwd --status root").split()[1]
    effective = dict(line.split(" ", 1) for line in lines)
    wanted = {
        "permitrootlogin": "no",
        "passwordauthentication": "no",
        "kbdinteractiveauthentication": "no",
        "allowusers": "admin",
        "allowtcpforwarding": "no",
        "hostkeyalgorithms": "ssh-ed25519",
        "banner": "/etc/issue.net",
    }
    assert {key: effective[key] for key in wanted} == wanted
    assert root == "L", "root's password is locked"


def test_the_filter_drops_what_is_not_named_in_both_directions(host: Any) -> None:
    with host.sudo():
        ruleset = json.loads(host.check_output("nft -j list ruleset"))["nftables"]
    policies = {item["chain"]["hook"]: item["chain"]["policy"] for item in ruleset if "chain" in item}
    assert policies == {"input": "drop", "forward": "drop", "output": "drop"}


def test_only_the_agreed_peers_reach_the_peer_port(forming: Consortium, host: Any) -> None:
    others = sorted(forming.address(name) for name in forming.names if name != MEMBER)
    with host.sudo():
        filtered = host.check_output("nft list chain inet gchain input")
    (line,) = [line for line in filtered.splitlines() if "26656" in line]
    assert all(address in line for address in others)
    assert "/20" not in line, "whole networks were let in before the genesis was agreed, and are not any more"


def test_a_host_cannot_speak_to_a_stranger(host: Any) -> None:
    done = host.run("curl --silent --max-time 3 http://203.0.113.66/")
    assert done.rc == 7, "refused at once by the host's own filter"


def test_names_time_and_packages_come_from_the_zone(forming: Consortium, host: Any) -> None:
    zone = forming.environment.zone
    assert host.file("/etc/resolv.conf").content_string.startswith(f"nameserver {zone.dns_servers[0]}\n")
    with host.sudo():
        assert str(zone.ntp_servers[0]) in host.check_output("chronyc -n -c sources")
        sources = host.check_output("cat /etc/apt/sources.list.d/* /etc/apt/sources.list 2>/dev/null || true")
    assert f"URIs: {zone.mirrors[0].url}/debs/" in sources
    assert "debian.org" not in sources
    assert "no-index = true" in host.file("/etc/pip.conf").content_string


def test_core_dumps_are_off_and_logs_are_bounded(host: Any) -> None:
    assert "Storage=none" in host.check_output("systemd-analyze cat-config systemd/coredump.conf")
    journal = host.check_output("systemd-analyze cat-config systemd/journald.conf")
    assert "SystemMaxUse=256M" in journal
    assert "MaxRetentionSec=30day" in journal
    with host.sudo():
        assert host.run("logrotate --debug /etc/logrotate.d/gchain-sudo").rc == 0
        assert host.file("/var/log/sudo.log").exists


def test_a_file_that_sshd_refuses_does_not_replace_the_good_one(forming: Consortium, host: Any) -> None:
    before = _sshd_config(host)
    with pytest.raises(
        HostError, match=r"sshd_config: the new file was refused by /usr/sbin/sshd, the old one is kept"
    ):
        run_playbook(forming.workspace, MEMBER, "site", {"hardening_ssh_port": 700000})
    assert _sshd_config(host) == before


def _sshd_config(host: Any) -> str:
    with host.sudo():
        return str(host.check_output("sha256sum /etc/ssh/sshd_config"))


def test_an_engine_of_another_version_and_a_full_volume_are_refused_before_anything_changes(
    forming: Consortium,
) -> None:
    height = forming.height(MEMBER)
    with pytest.raises(HostError, match=r'calls itself "0\.38\.25" and this ledger runs 0\.38\.24'):
        run_playbook(forming.workspace, MEMBER, "site", {"cometbft_version": "0.38.24"})
    with pytest.raises(HostError, match=r"MiB free and the ledger needs at least 999999999 MiB"):
        run_playbook(forming.workspace, MEMBER, "site", {"cometbft_minimum_free_mib": 999_999_999})
    assert forming.wait_for_blocks(MEMBER, 1) > height
    assert run_playbook(forming.workspace, MEMBER, "site").failures == []


def test_the_facts_are_complete_enough_for_the_policies_and_meet_their_schema(forming: Consortium) -> None:
    run_playbook(forming.workspace, MEMBER, "facts")
    facts = json.loads((forming.workspace.member(MEMBER).evidence / "node-facts.json").read_text())
    schema = json.loads((REPOSITORY / "policies" / "sources" / "node-facts.schema.json").read_text())
    jsonschema.validate(facts, schema)
    (found,) = facts["hosts"].values()
    missing = {"sshd", "sockets", "resolver", "chrony", "apt", "pip", "nftables", "pkcs11", "p2p", "rpc", "firewall"}
    assert missing - set(found) == set()
    assert found["pkcs11"]["consensus_key"]["never_extractable"] is True
    assert found["p2p"]["peer_exchange"] is False
