"""SSH host keys come from the instance's console by the member's own credentials, before anything connects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gchain.errors import HostError
from gchain.hosts.console import console_reader, ensure_known_hosts, host_keys
from gchain.workspace import REPOSITORY, Workspace, cache_directory

from .conftest import CONSOLE, KEY, REGION, Cloud, outputs, write_outputs

ACCOUNT = "111122223333"


def test_the_keys_of_the_last_boot_count() -> None:
    assert host_keys(CONSOLE) == [f"{KEY}NEW"]


def test_a_console_that_shows_no_keys_yet_has_none() -> None:
    assert host_keys("Debian GNU/Linux 12\r\n-----BEGIN SSH HOST KEY KEYS-----\r\n" + KEY) == []


def test_known_hosts_are_written_from_the_consoles(tmp_path: Path) -> None:
    path = tmp_path / "ssh" / "known_hosts"
    ensure_known_hosts({"10.61.0.11": "i-1"}, path, lambda _: CONSOLE)
    assert path.read_text() == f"10.61.0.11 {KEY}NEW\n"
    ensure_known_hosts({"10.61.0.11": "i-2"}, path, lambda _: CONSOLE.replace("NEW", "OTHER"))
    assert path.read_text() == f"10.61.0.11 {KEY}OTHER\n", "the key of a replaced instance must go"


def test_a_host_that_never_prints_its_keys_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"console of i-1 \(10\.61\.0\.11\) showed no SSH host keys"):
        ensure_known_hosts({"10.61.0.11": "i-1"}, tmp_path / "known_hosts", lambda _: "", deadline=0, pause=0)


def test_the_cloud_shows_a_console_to_its_own_account_alone(cloud: Cloud, workspace: Workspace) -> None:
    instance = cloud.start_instance(ACCOUNT, CONSOLE)
    treasury, health = workspace.member("treasury"), workspace.member("health")
    cloud.open_account(ACCOUNT, treasury.aws_credentials)
    cloud.open_account("222233334444", health.aws_credentials)
    assert host_keys(console_reader(treasury, REGION, cloud.url)(instance)) == [f"{KEY}NEW"]
    with pytest.raises(HostError, match=f"the console of instance {instance} cannot be read"):
        console_reader(health, REGION, cloud.url)(instance)


def test_the_inventory_plugin_reads_outputs_and_writes_known_hosts(
    cloud: Cloud, tmp_path: Path, wheelhouse_cache: Path
) -> None:
    workspace = Workspace(tmp_path / "own", "sandbox")
    instance = cloud.start_instance(ACCOUNT, CONSOLE)
    cloud.open_account(ACCOUNT, workspace.member("treasury").aws_credentials)
    write_outputs(workspace, outputs(instance))
    (workspace.root / "wheelhouse-digest").write_text(wheelhouse_cache.name + "\n")
    file = tmp_path / "inventory.gchain.yml"
    file.write_text("plugin: gchain\nenvironment: sandbox\nmember: treasury\n")
    listed = _list(file, workspace, cloud, wheelhouse_cache.parent.parent)
    assert listed.returncode == 0, listed.stderr
    shown = json.loads(listed.stdout)
    host = shown["_meta"]["hostvars"]["treasury-validator-1"]
    assert shown["validator"]["hosts"] == ["treasury-validator-1"]
    # Values from outside are data to Ansible, never templates.
    assert host["ansible_host"] == {"__ansible_unsafe": "10.61.0.11"}
    assert host["gchain_site"] == {"__ansible_unsafe": "euc1-az1"}
    assert workspace.member("treasury").known_hosts.read_text() == f"10.61.0.11 {KEY}NEW\n"


def _list(file: Path, workspace: Workspace, cloud: Cloud, cache: Path) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).parent / "ansible-inventory")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_HOME": str(workspace.root / "ansible"),
        "AWS_ENDPOINT_URL": cloud.url,
        "GCHAIN_WORKSPACE": str(workspace.root),
        "GCHAIN_CACHE": str(cache),
    }
    command = [program, "-i", str(file), "--list"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=REPOSITORY)


def test_an_inventory_without_outputs_says_what_to_run(tmp_path: Path, cloud: Cloud) -> None:
    workspace = Workspace(tmp_path / "own", "sandbox")
    cloud.open_account(ACCOUNT, workspace.member("treasury").aws_credentials)
    file = tmp_path / "inventory.gchain.yml"
    file.write_text("plugin: gchain\nenvironment: sandbox\nmember: treasury\n")
    listed = _list(file, workspace, cloud, cache_directory())
    assert listed.returncode != 0
    said = " ".join((listed.stderr + listed.stdout).split())
    assert "outputs.json: no stack outputs" in said
    assert "run `gchain up` first" in said
