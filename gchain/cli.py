"""`gchain`, the operator's command. Each sub-command lives beside what it works on and is loaded only when called."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from gchain import __version__
from gchain.errors import GchainError
from gchain.workspace import REPOSITORY, cache_directory
from gchain_node.command_tree import compose
from gchain_node.errors import NodeError

__all__ = ["main"]

_COMMANDS = {
    "env": ("gchain.environment.cli:app", "environments: list, check, schema, bootstrap, use"),
    "sandbox": ("gchain.sandbox.cli:app", "a whole consortium on this machine: up, prepare, status, down"),
    "status": ("gchain.status:status", "what is running, with live data"),
    "up": ("gchain.stacks.cli:up", "`pulumi up` of one member with the policy pack"),
    "stack": ("gchain.stacks.cli:app", "Pulumi stacks: preview, refresh, destroy, outputs, export"),
    "host": ("gchain.hosts.cli:app", "configure hosts: site, start, facts, gate, backup, restore"),
    "keys": ("gchain.custody.cli:app", "custody of a member's keys: ceremony, list, rotate, officers"),
    "consortium": ("gchain.consortium.cli:app", "genesis, approvals, go-live, records"),
    "check": ("policies.check:check", "judge one member's estate against the rules (exit code for CI)"),
    "report": ("policies.reports.cli:app", "policy reports: member, merge, verify, html"),
    "verify": ("gchain_node.proof.cli:verify", "verify a receipt offline"),
    "audit": ("gchain.audit.cli:audit_command", "recompute a whole ledger from its export, offline"),
    "toolchain": ("gchain.toolchain.cli:app", "the programs that the kit builds: install, list"),
}


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gchain {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Stand up, open and run a permissioned ledger of government agencies, and prove where its data is."""


def _prepare_path() -> None:
    """Put the kit's own programs first: the engine starts its language host and the venv's python by name."""
    own = [str(REPOSITORY / ".venv" / "bin"), str(cache_directory() / "bin"), "/usr/sbin", "/sbin"]
    os.environ["PATH"] = os.pathsep.join([*own[:2], os.environ.get("PATH", ""), *own[2:]])


def main() -> None:
    """Run the CLI; the only place where an error becomes an exit code."""
    _prepare_path()
    try:
        compose(_COMMANDS, _root, sys.argv[1:])()
    except (GchainError, NodeError) as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"gchain: {error}", style="red", markup=False)
        if error.remedy:
            console.print(f"  what to do: {error.remedy}", markup=False)
        sys.exit(getattr(error, "exit_code", 1))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
