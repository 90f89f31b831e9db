"""`gchain-node`, the node's command. Each sub-command lives beside what it works on and is loaded only when called."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from gchain_node import __version__
from gchain_node.command_tree import compose
from gchain_node.errors import NodeError

__all__ = ["main"]

_COMMANDS = {
    "run": ("gchain_node.node_cli:run_command", "the node of a member, under CometBFT"),
    "dev": ("gchain_node.node_cli:dev_command", "a ledger of one on this machine, for application developers"),
    "db": ("gchain_node.node_cli:db", "the node's database: verify"),
    "status": ("gchain_node.commands.ledger:status_command", "what a node says of its ledger and itself"),
    "query": ("gchain_node.commands.ledger:query_command", "a value of the ledger's state, with proof"),
    "tx": ("gchain_node.commands.ledger:tx_app", "transactions: submit, send, show"),
    "receipt": ("gchain_node.commands.ledger:receipt_app", "receipts: fetch, cose, tlog-proof"),
    "block": ("gchain_node.commands.blocks:app", "blocks: list, show, follow"),
    "member": ("gchain_node.commands.members:app", "members of the ledger: list, show"),
    "proposal": ("gchain_node.commands.proposals:app", "what members vote on: list, show, make, vote, withdraw"),
    "verify": ("gchain_node.proof.cli:verify", "verify a receipt offline"),
    "export": ("gchain_node.export_cli:export_command", "blocks with all that `gchain audit` needs, in one file"),
    "log": ("gchain_node.tlog.cli:app", "the transparency log: checkpoint, cosign, fill"),
    "witness": ("gchain_node.witness.cli:app", "a witness of logs, for a body outside the consortium: run, key"),
    "genesis": ("gchain_node.genesis_cli:app", "genesis: build, check, digest, sign, trust"),
    "contribution": ("gchain_node.contribution_cli:app", "a member's signed contribution to genesis"),
    "officer": ("gchain_node.officer_cli:app", "an officer's key and approvals"),
    "keys": ("gchain_node.keys.cli:app", "tokens and the keys in them"),
    "signer": ("gchain_node.signer.cli:app", "the validator's remote signer"),
    "tls": ("gchain_node.tls_cli:app", "TLS certificates issued by the member's token"),
}


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gchain-node {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run and use a node of the ledger."""


def main() -> None:
    """Run the CLI; the only place where an error becomes an exit code."""
    logging.basicConfig(
        level=os.environ.get("GCHAIN_LOG", "INFO").upper(), format="%(levelname)s %(name)s: %(message)s"
    )
    for talkative in ("httpx", "uvicorn.error"):  # a line for each poll of the engine says nothing
        logging.getLogger(talkative).setLevel(logging.WARNING)
    try:
        compose(_COMMANDS, _root, sys.argv[1:])()
    except NodeError as error:
        print(f"gchain-node: {error}", file=sys.stderr)
        if error.remedy:
            print(f"  what to do: {error.remedy}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
