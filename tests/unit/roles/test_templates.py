"""Templates render to what their own programs accept, and say what the design demands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gchain.custody.record import KeyInUse, KeyRecord, NextKey
from gchain.workspace import REPOSITORY
from gchain_node.config import ALL_READS, HttpConfig
from gchain_node.config import load_config as load_node_config
from gchain_node.keys import Pkcs11Uri
from gchain_node.signer.config import load_config as load_signer_config

from .conftest import Play

PEERS = [
    {"id": "b" * 40, "host": "10.62.0.11", "port": 26656},
    {"id": "a" * 40, "host": "10.63.0.11", "port": 26656},
]


STATE_SYNC = {
    "cometbft_statesync_servers": ["https://node.a.example:8443/light", "https://node.b.example:8443/light"],
    "cometbft_statesync_trust_height": 1200,
    "cometbft_statesync_trust_hash": "AB" * 32,
}
ROTATING = KeyRecord(
    keys={
        "consensus": KeyInUse(object="consensus-2", next=NextKey(object="consensus-3", first_height=700)),
        "member": KeyInUse(object="member-2"),
        "receipt": KeyInUse(object="receipt-2"),
        "tls": KeyInUse(object="tls"),
    }
)

ONE_TOKEN = {
    "kind": "other",
    "module_path": "/opt/vendor/pkcs11.so",
    "environment": {"VENDOR_CONF": "/etc/vendor/one token.conf"},
    "token_labels": {"validator": "Agency HSM", "member": "Agency HSM"},
}

VARIANTS: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "node": (
        "ledger_node",
        [
            "node.toml",
            "signer.toml",
            "gchain-node.service",
            "gchain-signer.service",
            "gchain-tls.service",
            "tmpfiles.conf",
            "receipt-key.uri",
        ],
        {},
    ),
    "second host": (
        "ledger_node",
        ["node.toml", "signer.toml", "gchain-node.service", "tmpfiles.conf"],
        {"ledger_node_signer_id": "host-b", "ledger_node_signer_epoch": 3},
    ),
    "observer's node": (
        "ledger_node",
        ["node.toml", "gchain-node.service", "tmpfiles.conf"],
        {"ledger_node_role": "observer"},
    ),
    "node with two public groups": ("ledger_node", ["node.toml"], {"ledger_node_public": ["status", "receipts"]}),
    "node within narrow limits": (
        "ledger_node",
        ["node.toml"],
        {"ledger_node_read_rate": "50", "ledger_node_connections_per_client": 8, "ledger_node_request_seconds": 5},
    ),
    "node for members alone": ("ledger_node", ["node.toml"], {"ledger_node_public": []}),
    "signer in rotation": (
        "ledger_node",
        ["signer.toml", "node.toml", "receipt-key.uri"],
        {"gchain_keys": ROTATING.to_variables()},
    ),
    "node with one token": (
        "ledger_node",
        ["signer.toml", "gchain-tls.service", "receipt-key.uri"],
        {"gchain_hsm": ONE_TOKEN, "gchain_keys": ROTATING.to_variables()},
    ),
    "units with one token": ("hsm", ["token.conf", "with-token"], {"gchain_hsm": ONE_TOKEN, "hsm__token": "member"}),
    "units with SoftHSM": ("hsm", ["token.conf", "with-token"], {"hsm__token": "member"}),
    "node with a distant HSM": ("ledger_node", ["gchain-signer.service"], {"ledger_node_hsm_over_network": True}),
    "engine": ("cometbft", ["config.toml", "gchain-engine.service"], {"cometbft_peers": PEERS}),
    "observer": ("cometbft", ["config.toml", "gchain-engine.service"], {"cometbft_role": "observer"}),
    "latecomer": ("cometbft", ["config.toml", "gchain-engine.service"], STATE_SYNC),
    "firewall": ("hardening", ["nftables.conf"], {"gchain_peers": PEERS}),
}
"""What is rendered with which variables beside the usual ones."""


@pytest.fixture(scope="module")
def rendered(play: Play, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`<variant>/<template>`, as the roles would write them, in one play that writes all texts at its end: a module
    is a process, and there are many templates.
    """
    place = tmp_path_factory.mktemp("rendered")
    texts = place / "texts.json"
    tasks = [_task(variant, *VARIANTS[variant]) for variant in VARIANTS]
    done = play([*tasks, {"ansible.builtin.copy": {"dest": str(texts), "content": "{{ texts | to_json }}"}}])
    assert done.returncode == 0, done.stdout
    for variant, files in json.loads(texts.read_text()).items():
        (place / variant).mkdir()
        for name, text in files.items():
            (place / variant / name).write_text(text)
    return place


def _task(variant: str, role: str, names: list[str], extra: dict[str, Any]) -> dict[str, Any]:
    """Adds the variant's texts to those that the play has."""
    defaults = yaml.safe_load((REPOSITORY / "roles" / role / "defaults" / "main.yml").read_text())
    group = yaml.safe_load((REPOSITORY / "playbooks" / "group_vars" / "all.yml").read_text())
    variables = {key: value for key, value in defaults.items() if key not in group} | _internal(role) | extra
    templates = REPOSITORY / "roles" / role / "templates"
    found = ", ".join(f"'{name}': lookup('ansible.builtin.template', '{templates / name}.j2')" for name in names)
    texts = f"{{{{ texts | default({{}}) | combine({{variant: {{ {found} }} }}) }}}}"
    return {"ansible.builtin.set_fact": {"texts": texts}, "vars": {**variables, "variant": variant}}


def _internal(role: str) -> dict[str, Any]:
    """The role's own variables; those of `vars/` that are templates need what only a whole play has."""
    path = REPOSITORY / "roles" / role / "vars" / "main.yml"
    found = yaml.safe_load(path.read_text()) if path.is_file() else {}
    return {key: value for key, value in found.items() if "{{" not in str(value)}


def test_a_signer_is_fenced_by_the_file_that_its_node_writes_and_both_may(rendered: Path) -> None:
    for variant, expected in (("node", ("first", 0)), ("second host", ("host-b", 3))):
        node = load_node_config(rendered / variant / "node.toml")
        signer = load_signer_config(rendered / variant / "signer.toml")
        assert signer.fence is not None
        assert (signer.fence.id, signer.fence.epoch, signer.fence.view) == (*expected, node.signer.view)
        place = f"{signer.fence.view.parent}"
        assert f"d {place} 2750 gchain-node gchain-signer -" in (rendered / variant / "tmpfiles.conf").read_text()
        writes = f"ReadWritePaths=/var/lib/gchain/node /run/gchain/abci {place}\n"
        assert writes in (rendered / variant / "gchain-node.service").read_text()


def test_the_role_says_which_reads_need_no_certificate(rendered: Path) -> None:
    expected = {"node": ALL_READS, "node with two public groups": ("status", "receipts"), "node for members alone": ()}
    read = {variant: load_node_config(rendered / variant / "node.toml").http.public for variant in expected}
    assert read == expected


def test_the_role_takes_exactly_the_groups_that_the_node_knows() -> None:
    specification = yaml.safe_load((REPOSITORY / "roles/ledger_node/meta/argument_specs.yml").read_text())
    option = specification["argument_specs"]["main"]["options"]["ledger_node_public"]
    assert tuple(option["choices"]) == ALL_READS


def test_the_role_bounds_what_a_client_takes_as_the_node_does_unless_told_otherwise(rendered: Path) -> None:
    usual = load_node_config(rendered / "node" / "node.toml").http
    assert usual.model_dump(exclude={"status", "api"}) == HttpConfig().model_dump(exclude={"status", "api"})
    narrow = load_node_config(rendered / "node within narrow limits" / "node.toml").http
    assert (narrow.read_rate, narrow.connections_per_client, narrow.request_seconds) == (50.0, 8, 5.0)


def test_an_observer_shows_nobody_the_chain(rendered: Path) -> None:
    assert load_node_config(rendered / "observer's node" / "node.toml").signer.view is None
    for name in ("gchain-node.service", "tmpfiles.conf"):
        assert "signer-view" not in (rendered / "observer's node" / name).read_text()


def test_the_nodes_and_the_signers_files_are_what_the_programs_read(rendered: Path) -> None:
    node = load_node_config(rendered / "node" / "node.toml")
    signer = load_signer_config(rendered / "node" / "signer.toml")
    assert (node.member, node.chain_id, str(node.http.tls_dir)) == ("treasury", "gchain-sandbox-1", "/run/gchain/tls")
    assert (signer.key_type, signer.engine_user, signer.initial_height) == ("ed25519", "gchain-engine", 1)


def test_the_engine_knows_the_agreed_peers_and_asks_nobody_for_more(rendered: Path) -> None:
    settings = tomllib.loads((rendered / "engine" / "config.toml").read_text())
    assert settings["p2p"]["persistent_peers"] == f"{'a' * 40}@10.63.0.11:26656,{'b' * 40}@10.62.0.11:26656"
    assert settings["p2p"]["unconditional_peer_ids"] == f"{'a' * 40},{'b' * 40}"
    assert (settings["p2p"]["pex"], settings["p2p"]["seeds"]) == (False, "")
    assert settings["rpc"]["laddr"].startswith("tcp://127.0.0.1:")
    assert settings["priv_validator_laddr"] == "unix:///run/gchain/privval/privval.sock"


def test_an_observers_engine_waits_for_no_signer(rendered: Path) -> None:
    assert tomllib.loads((rendered / "observer" / "config.toml").read_text())["priv_validator_laddr"] == ""
    assert "gchain-signer.service\n" not in _wants(rendered / "observer" / "gchain-engine.service")
    assert "gchain-signer.service\n" in _wants(rendered / "engine" / "gchain-engine.service")


def test_a_latecomer_takes_a_snapshot_and_trusts_the_members_alone(rendered: Path) -> None:
    usual, late = (
        tomllib.loads((rendered / name / "config.toml").read_text())["statesync"] for name in ("engine", "latecomer")
    )
    assert (usual["enable"], usual["rpc_servers"]) == (False, "")
    assert (late["enable"], late["trust_height"], late["trust_hash"]) == (True, 1200, "AB" * 32)
    assert late["rpc_servers"] == "https://node.a.example:8443/light,https://node.b.example:8443/light"
    trusts = "Environment=SSL_CERT_FILE=/var/lib/gchain/engine/config/authorities.pem\n"
    assert trusts in (rendered / "latecomer" / "gchain-engine.service").read_text()
    assert "SSL_CERT" not in (rendered / "engine" / "gchain-engine.service").read_text()


def _wants(unit: Path) -> str:
    return next(line for line in unit.read_text().splitlines(keepends=True) if line.startswith("Wants="))


def test_the_firewall_is_closed_both_ways_and_names_only_zone_networks(rendered: Path) -> None:
    path = rendered / "firewall" / "nftables.conf"
    text = path.read_text()
    assert text.count("policy drop;") == 3
    assert 'ip saddr { 10.62.0.11, 10.63.0.11 } tcp dport { 26656 } accept comment "ledger peers"' in text
    assert "0.0.0.0/0" not in text
    if shutil.which("nft") is None or os.geteuid() != 0:
        pytest.skip("checking the ruleset needs root and the program nft (package nftables)")
    checked = ["unshare", "--net", "nft", "--check", "--file", str(path)]
    done = subprocess.run(checked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "unit",
    [
        "node/gchain-node.service",
        "node/gchain-signer.service",
        "node/gchain-tls.service",
        "engine/gchain-engine.service",
    ],
)
def test_no_unit_carries_a_pin_and_every_program_is_confined(rendered: Path, unit: str) -> None:
    text = (rendered / unit).read_text()
    assert "pin-value" not in text
    assert "SetCredential" not in text
    for line in ("ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "SystemCallFilter="):
        assert f"\n{line}" in text


def test_the_signer_has_no_network_unless_its_hsm_is_behind_one(rendered: Path) -> None:
    local = (rendered / "node" / "gchain-signer.service").read_text()
    distant = (rendered / "node with a distant HSM" / "gchain-signer.service").read_text()
    assert "RestrictAddressFamilies=AF_UNIX\n" in local
    assert "RestrictAddressFamilies=AF_UNIX AF_INET\n" in distant
    assert all("IPAddressDeny=any\n" in text for text in (local, distant))


def test_in_a_rotation_the_signer_is_told_of_both_keys_each_with_its_own_journal(rendered: Path) -> None:
    found = load_signer_config(rendered / "signer in rotation" / "signer.toml")
    assert "object=consensus-2;" in found.key
    assert found.journal == Path("/var/lib/gchain/signer/journal-consensus-2")
    assert found.next is not None
    assert "object=consensus-3;" in found.next.key
    assert (found.next.first_height, found.next.journal.name) == (700, "journal-consensus-3")
    assert load_signer_config(rendered / "node" / "signer.toml").next is None


def test_in_a_product_with_one_token_every_key_is_under_its_label_with_the_pin_of_its_own_unit(rendered: Path) -> None:
    place = rendered / "node with one token"
    signer = load_signer_config(place / "signer.toml")
    assert signer.next is not None
    issuing = next(line for line in (place / "gchain-tls.service").read_text().splitlines() if "--key" in line)
    assert "%%20" in issuing, "systemd takes a single percent sign for a specifier"
    issuer = issuing.partition('--key "')[2].partition('"')[0].replace("%%", "%")
    texts = [signer.key, signer.next.key, (place / "receipt-key.uri").read_text().strip(), issuer]
    found = [(uri.token, uri.object, str(uri.pin_source)) for uri in map(Pkcs11Uri.parse, texts)]
    pin = "/run/credentials/{}.service/{}-pin"
    assert found == [
        ("Agency HSM", "consensus-2", pin.format("gchain-signer", "validator")),
        ("Agency HSM", "consensus-3", pin.format("gchain-signer", "validator")),
        ("Agency HSM", "receipt-2", pin.format("gchain-node", "member")),
        ("Agency HSM", "tls", pin.format("gchain-tls", "member")),
    ]


def test_every_way_to_the_token_has_the_modules_variables_and_softhsms_store_only_with_softhsm(rendered: Path) -> None:
    one, soft = rendered / "units with one token", rendered / "units with SoftHSM"
    assert 'Environment="VENDOR_CONF=/etc/vendor/one token.conf"\n' in (one / "token.conf").read_text()
    assert "  --setenv=VENDOR_CONF='/etc/vendor/one token.conf' \\\n" in (one / "with-token").read_text()
    for name in ("token.conf", "with-token"):
        assert ("SOFTHSM2_CONF" in (one / name).read_text(), "SOFTHSM2_CONF" in (soft / name).read_text()) == (
            False,
            True,
        )
        assert "VENDOR_CONF" not in (soft / name).read_text()
    assert subprocess.run(["sh", "-n", str(one / "with-token")], check=False).returncode == 0


def test_a_rotation_of_the_nodes_keys_changes_only_the_file_that_it_follows(rendered: Path) -> None:
    usual, rotating = (rendered / variant for variant in ("node", "signer in rotation"))
    assert (rotating / "node.toml").read_text() == (usual / "node.toml").read_text()
    assert load_node_config(usual / "node.toml").keys.receipt_file == Path("/etc/gchain/receipt-key.uri")
    uris = [Pkcs11Uri.parse((place / "receipt-key.uri").read_text().strip()) for place in (usual, rotating)]
    assert [uri.object for uri in uris] == ["receipt", "receipt-2"]
    assert {str(uri.pin_source) for uri in uris} == {"/run/credentials/gchain-node.service/member-pin"}
