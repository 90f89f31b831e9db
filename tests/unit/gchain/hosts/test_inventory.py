"""The inventory is the stack's outputs and the environment's files, nothing guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gchain.environment import load
from gchain.errors import ConfigurationError
from gchain.hosts.inventory import describe, read_outputs
from gchain.hosts.playbook import prepare_member
from gchain.hosts.wheelhouse import Wheelhouse
from gchain.workspace import Workspace

from .conftest import outputs, write_outputs


def test_hosts_are_named_after_their_member_and_grouped_by_role(workspace: Workspace, wheelhouse_cache: Path) -> None:
    described = describe(load("sandbox"), workspace, outputs(), Wheelhouse(wheelhouse_cache))
    assert described["groups"] == {"validator": ["treasury-validator-1"]}
    host = described["hosts"]["treasury-validator-1"]
    assert (host["ansible_host"], host["ansible_user"], host["gchain_site"]) == ("10.61.0.11", "admin", "euc1-az1")
    assert described["vars"]["gchain_wheelhouse"] == {"digest": "1" * 64, "cometbft_sha256": "2" * 64}


def test_what_differs_between_environments_comes_from_their_files(workspace: Workspace, wheelhouse_cache: Path) -> None:
    shared = describe(load("sandbox"), workspace, outputs(), Wheelhouse(wheelhouse_cache))["vars"]
    assert shared["gchain_zone"]["ntp_servers"] == ["169.254.169.123"]
    assert shared["gchain_consortium"]["chain_id"] == "gchain-sandbox-1"
    assert shared["gchain_hsm"] == {
        "kind": "softhsm",
        "module_path": "/usr/lib/softhsm/libsofthsm2.so",
        "environment": {},
        "token_labels": {"validator": "validator", "member": "member"},
    }
    assert shared["gchain_operator_cidr"] == "10.71.1.0/28"


def test_host_keys_are_checked_and_only_the_members_own_key_is_offered(
    workspace: Workspace, wheelhouse_cache: Path
) -> None:
    prepare_member(workspace, "treasury")
    shared = describe(load("sandbox"), workspace, outputs(), Wheelhouse(wheelhouse_cache))["vars"]
    directory = workspace.member("treasury")
    assert shared["ansible_ssh_private_key_file"] == str(directory.ssh_key)
    for option in ("StrictHostKeyChecking=yes", "IdentitiesOnly=yes", f"UserKnownHostsFile={directory.known_hosts}"):
        assert f"-o {option}" in shared["ansible_ssh_common_args"]
    client = Path(shared["ansible_ssh_executable"]).read_text()
    assert "nsenter --net=/run/netns/gc-test-ops-treasury ssh" in client


def test_outside_a_sandbox_the_machines_own_ssh_is_used(tmp_path: Path, wheelhouse_cache: Path) -> None:
    workspace = Workspace(tmp_path / "real", "sandbox")
    inventory = prepare_member(workspace, "treasury")
    assert inventory.read_text() == "plugin: gchain\nenvironment: sandbox\nmember: treasury\n"
    shared = describe(load("sandbox"), workspace, outputs(), Wheelhouse(wheelhouse_cache))["vars"]
    assert "ansible_ssh_executable" not in shared


def test_a_ledger_starts_only_from_the_digest_that_the_member_accepted(
    workspace: Workspace, wheelhouse_cache: Path
) -> None:
    wheelhouse = Wheelhouse(wheelhouse_cache)
    before = describe(load("sandbox"), workspace, outputs(), wheelhouse)["vars"]
    assert before["gchain_genesis_digest"] == ""
    root = workspace.member("treasury").root
    root.mkdir(parents=True, exist_ok=True)
    (root / "genesis-digest").write_text("sha256:abc\n")
    after = describe(load("sandbox"), workspace, outputs(), wheelhouse)["vars"]
    assert after["gchain_genesis_digest"] == "sha256:abc"


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "not JSON"), ("[]", "no output 'member'"), ('{"member": "treasury"}', "no output 'region'")],
)
def test_spoiled_outputs_are_refused_by_name(workspace: Workspace, content: str, said: str) -> None:
    path = write_outputs(workspace, {})
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=said):
        read_outputs(path)


def test_a_stack_of_an_unknown_member_or_without_hosts_is_refused(workspace: Workspace, wheelhouse_cache: Path) -> None:
    with pytest.raises(ConfigurationError, match="no member 'stranger'"):
        describe(load("sandbox"), workspace, outputs(member="stranger"), Wheelhouse(wheelhouse_cache))
    with pytest.raises(ConfigurationError, match="has no hosts"):
        describe(load("sandbox"), workspace, outputs(hosts=[]), Wheelhouse(wheelhouse_cache))
