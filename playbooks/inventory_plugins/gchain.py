"""Ansible inventory plugin: one member's hosts from its stack's outputs, their SSH host keys from their consoles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

DOCUMENTATION = r"""
name: gchain
short_description: One member's hosts, from the stack's outputs
description:
  - Reads C(members/<member>/outputs.json) of the workspace and the environment's files, and writes the member's
    known-hosts file from the hosts' consoles (EC2 GetConsoleOutput, with the member's own credentials) before anything
    connects.
options:
  plugin: {description: C(gchain), required: true, choices: [gchain]}
  environment: {description: name of the environment, type: str, required: true}
  sandbox: {description: name of the sandbox, if the environment is one, type: str}
  member: {description: the agency whose inventory this is, type: str, required: true}
"""

EXAMPLES = r"""
plugin: gchain
environment: sandbox
sandbox: default
member: treasury
"""


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]  # Ansible carries no types
    NAME = "gchain"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and Path(path).name.endswith("gchain.yml")

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        from gchain.errors import GchainError
        from gchain.hosts.members import load

        try:
            described = load(self.get_option("environment"), self.get_option("sandbox"), self.get_option("member"))
        except GchainError as error:
            remedy = f" ({error.remedy})" if error.remedy else ""
            raise AnsibleParserError(f"{path}: {error}{remedy}") from error
        self._fill(inventory, described)

    def _fill(self, inventory: Any, described: dict[str, Any]) -> None:
        for name, value in described["vars"].items():
            inventory.set_variable("all", name, value)
        for name, variables in described["hosts"].items():
            inventory.add_host(name)
            for key, value in variables.items():
                inventory.set_variable(name, key, value)
        for group, members in described["groups"].items():
            inventory.add_group(group)
            for name in members:
                inventory.add_child(group, name)
