"""What `ansible-playbook -i inventory.gchain.yml` reads: one member's hosts, their SSH host keys made known first."""

from __future__ import annotations

from gchain import environment as environments
from gchain.hosts import console, wheelhouse
from gchain.hosts.inventory import Inventory, describe, read_outputs
from gchain.stacks.site import endpoint_of, site
from gchain.workspace import Workspace

__all__ = ["load"]


def load(environment: str, sandbox: str | None, member: str) -> Inventory:
    """The inventory of `member`, with its known-hosts file written from the consoles first.

    Raises:
        GchainError: environment, outputs, credentials, consoles or wheelhouse are missing or wrong; it says which.
    """
    # An inventory file that names no sandbox speaks of the environment's own workspace.
    workspace = Workspace.of_sandbox(sandbox) if sandbox else Workspace.of_environment(environment)
    loaded = environments.load_for(workspace)
    here = site(loaded, workspace, member)
    outputs = read_outputs(here.directory.root / "outputs.json")
    described = describe(loaded, workspace, outputs, wheelhouse.pinned(workspace))
    addresses = {host["ansible_host"]: host["gchain_instance_id"] for host in described["hosts"].values()}
    read = console.console_reader(here.directory, outputs["region"], endpoint_of(workspace))
    console.ensure_known_hosts(addresses, here.directory.known_hosts, read)
    return described
