"""`gchain-node run`, `dev` and `db`: what runs or inspects a node on this machine."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from gchain_node.config import ARCHIVE, BLOCKS, DATABASE, load_config

__all__ = ["db", "dev_command", "run_command"]

ConfigOption = Annotated[Path, typer.Option("--config", help="The node's configuration.")]
_CONFIG = Path("/etc/gchain/node.toml")

db = typer.Typer(no_args_is_help=True)


def run_command(config: ConfigOption = _CONFIG) -> None:
    """Run the node: state machine, ABCI socket for the engine, HTTP listeners. Ends on SIGTERM."""
    from gchain_node.service import run

    run(load_config(config))


def dev_command(
    home: Annotated[Path, typer.Option(help="Where keys and blocks are kept.")] = Path("gchain-dev"),
    port: Annotated[int, typer.Option(help="Port of the API on 127.0.0.1; 0 lets the system choose.")] = 8080,
    forming: Annotated[bool, typer.Option("--forming", help="Leave the ledger forming instead of opening it.")] = False,
) -> None:
    """Run a ledger of one member in this process, opened at once; its keys are files under HOME/members."""
    from gchain_node.dev_service import run_dev

    run_dev(home, port, live=not forming)


@db.callback()
def _db() -> None:
    """The node's database."""


@db.command("verify")
def verify_database(
    config: Annotated[Path | None, typer.Option("--config", help="The node's configuration.")] = None,
    database: Annotated[Path | None, typer.Option(help="The database file itself, instead.")] = None,
) -> None:
    """Check file, rows, tree and values up to the app hash, and the blocks kept beside it. The node must be stopped."""
    from gchain_node.archive import Archive, verify_archive
    from gchain_node.block_check import verify_blocks
    from gchain_node.errors import ConfigurationError
    from gchain_node.integrity import verify_store
    from gchain_node.store import Store

    path = database or load_config(config or _CONFIG).home / DATABASE
    if not path.is_file():
        raise ConfigurationError(f"{path}: no such database")
    with closing(Store(path)) as store:
        print(f"{path}: {verify_store(store)}")
    kept = path.with_name(ARCHIVE)
    if kept.is_file():
        with closing(Archive(kept)) as archive:
            count = verify_archive(archive)
            print(f"{kept}: {count} blocks, {archive.first} to {archive.last}, agree with their headers")
    embedded = path.with_name(BLOCKS)
    if embedded.is_file():
        print(f"{embedded}: {verify_blocks(embedded)} blocks agree with their headers")
