"""Roles against this very machine, in check mode: templates are rendered, refusals refuse, nothing is changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gchain.custody.record import KeyRecord
from gchain.workspace import REPOSITORY

SHARED: dict[str, Any] = {
    "gchain_environment": "sandbox",
    "gchain_member": "treasury",
    "gchain_role": "validator",
    "gchain_fqdn": "validator-1.treasury.gchain.internal",
    "gchain_vpc_cidr": "10.61.0.0/20",
    "gchain_operator_cidr": "10.71.1.0/28",
    "gchain_zone": {
        "domain": "gchain.internal",
        "dns_servers": ["169.254.169.253"],
        "ntp_servers": ["169.254.169.123"],
        "mirrors": [{"name": "mirror.gchain.internal", "url": "http://10.70.0.80"}],
        "services_cidr": "10.70.0.0/24",
    },
    "gchain_consortium": {
        "name": "sandbox-consortium",
        "chain_id": "gchain-sandbox-1",
        "validator_key_type": "ed25519",
        "members": [{"name": "treasury", "vpc_cidr": "10.61.0.0/20"}, {"name": "health", "vpc_cidr": "10.62.0.0/20"}],
    },
    "gchain_hsm": {
        "kind": "softhsm",
        "module_path": "/usr/lib/softhsm/libsofthsm2.so",
        "environment": {},
        "token_labels": {"validator": "validator", "member": "member"},
    },
    "gchain_wheelhouse": {"digest": "1" * 64, "cometbft_sha256": "2" * 64},
    "gchain_genesis_file": "/nonexistent/genesis.json",
    "gchain_genesis_digest": "",
    "gchain_keys": KeyRecord().to_variables(),
}
"""What the inventory says of a member, as far as the roles ask."""

Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Run tasks on localhost with the playbooks' own group variables; extra variables win over everything."""
    tmp_path = tmp_path_factory.mktemp("play")

    def run(tasks: list[dict[str, Any]], **extra: Any) -> subprocess.CompletedProcess[str]:
        book = tmp_path / "book.yml"
        book.write_text(yaml.safe_dump([{"hosts": "all", "become": False, "tasks": tasks}]))
        host = {"ansible_connection": "local", "ansible_host": "10.61.0.11", "ansible_user": "admin"}
        inventory = tmp_path / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"treasury-validator-1": host}, "vars": SHARED}}))
        (tmp_path / "group_vars").mkdir(exist_ok=True)
        link = tmp_path / "group_vars" / "all.yml"
        if not link.exists():
            link.symlink_to(REPOSITORY / "playbooks" / "group_vars" / "all.yml")
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_INVENTORY_ENABLED": "yaml",
            "ANSIBLE_FILTER_PLUGINS": str(REPOSITORY / "playbooks" / "filter_plugins"),
            "ANSIBLE_HOME": str(tmp_path / "ansible"),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
            "ANSIBLE_NOCOLOR": "1",
        }
        program = str(Path(sys.executable).parent / "ansible-playbook")
        (tmp_path / "extra.json").write_text(json.dumps(extra))
        command = [program, "-i", str(inventory), str(book), "-e", f"@{tmp_path / 'extra.json'}"]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, cwd=REPOSITORY, timeout=120
        )

    return run
