"""One member's inventory: the stack's outputs and the environment's files, as Ansible's groups and variables.

The stack says which hosts there are; the environment says what they may talk to. Nothing else is an input, so the
inventory of a real cloud and of a sandbox differ by data alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gchain.custody.record import KeyRecord
from gchain.environment import Environment
from gchain.errors import ConfigurationError
from gchain.hosts.wheelhouse import Wheelhouse
from gchain.workspace import Workspace
from policies.zone import ZonePolicy

__all__ = ["Inventory", "describe", "read_outputs"]

Inventory = dict[str, Any]
"""`{"vars": {...}, "hosts": {name: {...}}, "groups": {group: [name]}}`."""

_NEEDED = ("member", "region", "vpc_cidr", "zone_domain", "hosts")


def read_outputs(path: Path) -> dict[str, Any]:
    """The stack outputs that `gchain up` exported (docs/interfaces.md, "Pulumi").

    Raises:
        ConfigurationError: the file is missing, no JSON object, or an output is missing.
    """
    try:
        outputs = json.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(
            f"{path}: no stack outputs ({error.strerror})", remedy="run `gchain up` first"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"{path}: not JSON: {error}", remedy="run `gchain up` again") from error
    missing = [key for key in _NEEDED if not isinstance(outputs, dict) or key not in outputs]
    if missing:
        raise ConfigurationError(f"{path}: no output {missing[0]!r}", remedy="run `gchain up` again")
    return dict(outputs)


def describe(
    environment: Environment, workspace: Workspace, outputs: dict[str, Any], wheelhouse: Wheelhouse
) -> Inventory:
    """The inventory of the member whose stack gave `outputs`.

    Raises:
        ConfigurationError: the outputs are of a member that the environment does not know, or it has no hosts.
    """
    member = environment.member(outputs["member"])
    hosts = {f"{member.name}-{host['name']}": _host(host) for host in outputs["hosts"]}
    if not hosts:
        raise ConfigurationError(f"the stack of {member.name} has no hosts", remedy="add hosts in consortium.yaml")
    groups: dict[str, list[str]] = {}
    for name, variables in hosts.items():
        groups.setdefault(variables["gchain_role"], []).append(name)
    return {
        "vars": _shared(environment, workspace, outputs, wheelhouse) | _connection(workspace, member.name),
        "hosts": hosts,
        "groups": groups,
    }


def _host(host: dict[str, Any]) -> dict[str, Any]:
    return {
        "ansible_host": host["private_ip"],
        "ansible_user": host["ssh_user"],
        "gchain_host": host["name"],
        "gchain_role": host["role"],
        "gchain_instance_id": host["instance_id"],
        "gchain_availability_zone": host["az"],
        "gchain_site": host["az_id"],
        "gchain_fqdn": host["fqdn"],
    }


def _shared(
    environment: Environment, workspace: Workspace, outputs: dict[str, Any], wheelhouse: Wheelhouse
) -> dict[str, Any]:
    zone = environment.zone.model_dump(mode="json")
    consortium = environment.consortium
    member = environment.member(outputs["member"])
    directory = workspace.member(member.name)
    return {
        "gchain_environment": environment.name,
        "gchain_member": member.name,
        "gchain_jurisdiction": member.jurisdiction,
        "gchain_account": member.account,
        "gchain_zone": {
            key: zone[key]
            for key in ("name", "domain", "dns_servers", "ntp_servers", "mirrors", "services_cidr", "regions")
        },
        "gchain_consortium": {
            "name": consortium.name,
            "chain_id": consortium.chain_id,
            "validator_key_type": consortium.validator_key_type,
            "members": [{"name": each.name, "vpc_cidr": str(each.vpc_cidr)} for each in consortium.members],
        },
        "gchain_region": outputs["region"],
        "gchain_vpc_cidr": outputs["vpc_cidr"],
        "gchain_operator_cidr": str(member.operator_cidr),
        "gchain_hsm": _hsm(environment),
        "gchain_wheelhouse": {"digest": wheelhouse.digest, "cometbft_sha256": wheelhouse.cometbft_sha256},
        "gchain_genesis_file": str(workspace.genesis),
        "gchain_genesis_digest": _accepted_digest(directory.root),
        "gchain_genesis_signatures": str(workspace.genesis_signatures),
        "gchain_contributions": str(workspace.contributions),
        "gchain_evidence": str(directory.evidence),
        "gchain_member_directory": str(directory.root),
        "gchain_backups": str(directory.root / "backups"),
        "gchain_officers_file": str(directory.officer / "officers.json"),
        "gchain_mirror_key": _mirror_key(workspace),
        "gchain_keys": KeyRecord.read(workspace, member.name).to_variables(),
        "gchain_gate": _gate(environment, directory.evidence, outputs),
    }


def _gate(environment: Environment, evidence: Path, outputs: dict[str, Any]) -> dict[str, Any]:
    """What a host's own gate judges by: the zone, the places of the member's hosts, the waivers of its officers."""
    return {
        "zone": ZonePolicy.of(environment).as_mapping(),
        "hosts": [{"instance_id": h["instance_id"], "availability_zone": h["az"]} for h in outputs["hosts"]],
        "waivers": [json.loads(path.read_text()) for path in sorted((evidence / "waivers").glob("*.dsse.json"))],
    }


def _hsm(environment: Environment) -> dict[str, Any]:
    settings = environment.stack_settings
    return {
        "kind": "softhsm" if settings.hsm == "none" else settings.hsm,
        "module_path": settings.hsm_module_path,
        "environment": settings.hsm_environment,
        "token_labels": {"validator": settings.hsm_validator_token, "member": settings.hsm_member_token},
    }


def _accepted_digest(directory: Path) -> str:
    """The genesis digest that this member's operator accepted (`start.yml` records it); empty before."""
    path = directory / "genesis-digest"
    return path.read_text().strip() if path.is_file() else ""


def _mirror_key(workspace: Workspace) -> str:
    path = workspace.public / "mirror-key.asc"
    return path.read_text() if path.is_file() else ""


def _connection(workspace: Workspace, member: str) -> dict[str, Any]:
    """How Ansible connects: the member's own key, its own known hosts, its own control sockets."""
    directory = workspace.member(member)
    options = [
        f"UserKnownHostsFile={directory.known_hosts}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        "ConnectTimeout=10",
        "ServerAliveInterval=15",
    ]
    connection: dict[str, Any] = {
        "ansible_ssh_private_key_file": str(directory.ssh_key),
        "ansible_ssh_common_args": "-F /dev/null " + " ".join(f"-o {option}" for option in options),
    }
    wrapper = directory.root / "ssh" / "ssh"
    if wrapper.is_file():
        connection["ansible_ssh_executable"] = str(wrapper)
    return connection
