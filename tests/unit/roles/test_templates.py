"""Templates render to what their own programs accept, and say what the design demands."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gchain.workspace import REPOSITORY
from gchain_node.config import load_config as load_node_config
from gchain_node.signer.config import load_config as load_signer_config

from .conftest import Play

PEERS = [
    {"id": "b" * 40, "host": "10.62.0.11", "port": 26656},
    {"id": "a" * 40, "host": "10.63.0.11", "port": 26656},
]


def _render(play: Play, tmp_path: Path, role: str, names: list[str], **extra: Any) -> dict[str, str]:
    """The role's templates as the role would write them."""
    defaults = yaml.safe_load((REPOSITORY / "roles" / role / "defaults" / "main.yml").read_text())
    group = yaml.safe_load((REPOSITORY / "playbooks" / "group_vars" / "all.yml").read_text())
    tasks: list[dict[str, Any]] = [
        {
            "ansible.builtin.template": {
                "src": str(REPOSITORY / "roles" / role / "templates" / f"{name}.j2"),
                "dest": str(tmp_path / name),
            },
            "vars": {key: value for key, value in defaults.items() if key not in group},
        }
        for name in names
    ]
    done = play(tasks, **extra)
    assert done.returncode == 0, done.stdout
    return {name: (tmp_path / name).read_text() for name in names}


def test_the_nodes_and_the_signers_files_are_what_the_programs_read(play: Play, tmp_path: Path) -> None:
    _render(play, tmp_path, "ledger_node", ["node.toml", "signer.toml"])
    node = load_node_config(tmp_path / "node.toml")
    signer = load_signer_config(tmp_path / "signer.toml")
    assert (node.member, node.chain_id, str(node.http.tls_dir)) == ("treasury", "gchain-sandbox-1", "/run/gchain/tls")
    assert (signer.key_type, signer.engine_user, signer.initial_height) == ("ed25519", "gchain-engine", 1)
    assert "pin-value" not in (tmp_path / "node.toml").read_text() + (tmp_path / "signer.toml").read_text()


def test_the_engine_knows_the_agreed_peers_and_asks_nobody_for_more(play: Play, tmp_path: Path) -> None:
    text = _render(play, tmp_path, "cometbft", ["config.toml"], cometbft_peers=PEERS)["config.toml"]
    settings = tomllib.loads(text)
    assert settings["p2p"]["persistent_peers"] == f"{'a' * 40}@10.63.0.11:26656,{'b' * 40}@10.62.0.11:26656"
    assert settings["p2p"]["unconditional_peer_ids"] == f"{'a' * 40},{'b' * 40}"
    assert (settings["p2p"]["pex"], settings["p2p"]["seeds"]) == (False, "")
    assert settings["rpc"]["laddr"].startswith("tcp://127.0.0.1:")
    assert settings["priv_validator_laddr"] == "unix:///run/gchain/privval/privval.sock"


def test_an_observers_engine_waits_for_no_signer(play: Play, tmp_path: Path) -> None:
    names = ["config.toml", "gchain-engine.service"]
    files = _render(play, tmp_path, "cometbft", names, gchain_role="observer", cometbft_role="observer")
    assert tomllib.loads(files["config.toml"])["priv_validator_laddr"] == ""
    assert "Wants=network-online.target\n" in files["gchain-engine.service"]


def test_the_firewall_is_closed_both_ways_and_names_only_zone_networks(play: Play, tmp_path: Path) -> None:
    text = _render(play, tmp_path, "hardening", ["nftables.conf"], gchain_peers=PEERS)["nftables.conf"]
    assert text.count("policy drop;") == 3
    assert 'ip saddr { 10.62.0.11, 10.63.0.11 } tcp dport { 26656 } accept comment "ledger peers"' in text
    assert "0.0.0.0/0" not in text
    if shutil.which("nft") is None:
        pytest.skip("the program nft (package nftables) is missing")
    checked = ["unshare", "--net", "nft", "--check", "--file", str(tmp_path / "nftables.conf")]
    done = subprocess.run(checked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("role", "unit"),
    [
        ("ledger_node", "gchain-node.service"),
        ("ledger_node", "gchain-signer.service"),
        ("ledger_node", "gchain-tls.service"),
        ("ledger_node", "gchain-tls.timer"),
        ("cometbft", "gchain-engine.service"),
    ],
)
def test_no_unit_carries_a_pin_and_every_program_is_confined(play: Play, tmp_path: Path, role: str, unit: str) -> None:
    text = _render(play, tmp_path, role, [unit])[unit]
    assert "pin-value" not in text
    assert "SetCredential" not in text
    if unit.endswith(".service"):
        for line in ("ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "SystemCallFilter="):
            assert f"\n{line}" in text


def test_signer_and_tls_issuing_have_no_network_unless_the_hsm_is_behind_one(play: Play, tmp_path: Path) -> None:
    local = _render(play, tmp_path, "ledger_node", ["gchain-signer.service"])["gchain-signer.service"]
    assert "RestrictAddressFamilies=AF_UNIX\n" in local
    distant = _render(play, tmp_path, "ledger_node", ["gchain-signer.service"], ledger_node_hsm_over_network=True)[
        "gchain-signer.service"
    ]
    assert "RestrictAddressFamilies=AF_UNIX AF_INET\n" in distant
    assert "IPAddressDeny=any" in distant
