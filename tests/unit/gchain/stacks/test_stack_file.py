from __future__ import annotations

import yaml

from gchain.environment import Environment
from gchain.stacks import ssh_key, stack_file
from gchain.stacks.site import Site, site
from gchain.workspace import Workspace


def test_the_file_repeats_the_settings_and_names_the_member(treasury: Site) -> None:
    key = ssh_key.ensure(treasury.directory.ssh_key)
    document = yaml.safe_load(stack_file.write(treasury, peers_open=False).read_text())
    config = document["config"]
    assert config["gchain:member"] == "treasury"
    assert config["gchain:instance_type"] == "m6i.large"
    assert config["gchain:ssh_public_key"] == ssh_key.public_text(key.public_key())
    assert config["pulumi:disable-default-providers"] == ["*"]
    assert document["secretsprovider"] == treasury.secrets_provider


def test_the_engines_encrypted_key_survives_a_rewrite(treasury: Site) -> None:
    ssh_key.ensure(treasury.directory.ssh_key)
    path = stack_file.write(treasury, peers_open=False)
    path.write_text(path.read_text() + "encryptedkey: c2VhbGVk\n")
    document = yaml.safe_load(stack_file.write(treasury, peers_open=True).read_text())
    assert document["encryptedkey"] == "c2VhbGVk"
    assert document["config"]["gchain:peers"] == "open"


def test_the_round_is_read_back_from_the_file(treasury: Site) -> None:
    ssh_key.ensure(treasury.directory.ssh_key)
    assert stack_file.peers_open(treasury) is False
    stack_file.write(treasury, peers_open=True)
    assert stack_file.peers_open(treasury) is True


def test_an_unchanged_file_is_not_written_again(treasury: Site) -> None:
    ssh_key.ensure(treasury.directory.ssh_key)
    before = stack_file.write(treasury, peers_open=False).stat().st_mtime_ns
    assert stack_file.write(treasury, peers_open=False).stat().st_mtime_ns == before


def test_the_foundation_knows_no_hosts_key_and_no_peers(environment: Environment, workspace: Workspace) -> None:
    config = yaml.safe_load(stack_file.write(site(environment, workspace, "foundation"), peers_open=False).read_text())
    assert config["config"]["gchain:foundation"] is True
    assert not {"gchain:member", "gchain:peers", "gchain:ssh_public_key"} & config["config"].keys()


def test_no_secret_is_in_the_file(treasury: Site) -> None:
    ssh_key.ensure(treasury.directory.ssh_key)
    text = stack_file.write(treasury, peers_open=False).read_text()
    assert "AKIAEXAMPLE" not in text
    assert "PRIVATE KEY" not in text


def test_a_stack_made_from_another_checkout_keeps_its_round(treasury: Site) -> None:
    outputs = treasury.directory.root / "outputs.json"
    outputs.write_text('{"peers_open": true}')
    assert stack_file.peers_open(treasury)
    outputs.write_text('{"peers_open": false}')
    assert not stack_file.peers_open(treasury)
