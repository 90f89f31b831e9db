"""`gchain keys`: rotate a member's keys."""

from __future__ import annotations

from typing import Annotated

import typer

from gchain.consortium.ledger import nodes
from gchain.custody.hosts import Hosts
from gchain.custody.record import PURPOSES, Purpose
from gchain.custody.registration import Registration
from gchain.custody.rotation import Rotation
from gchain.environment import load_for
from gchain.errors import ConfigurationError
from gchain.workspace import workspace_of

__all__ = ["app"]

app = typer.Typer(help=__doc__, no_args_is_help=True)


@app.callback()
def _keys() -> None:
    """Custody of a member's keys: they are replaced, and never copied."""


@app.command()
def rotate(
    purpose: Annotated[str, typer.Argument(help=f"Which key: {', '.join(PURPOSES)}.")],
    member: Annotated[str, typer.Option("--member", "-m", help="The agency whose key it is.")],
    lead: Annotated[int, typer.Option(min=10, help="Blocks until a new consensus key votes first.")] = 60,
    overlap: Annotated[int, typer.Option(min=0, help="Blocks for which a replaced member key still signs.")] = 30,
    lost: Annotated[bool, typer.Option("--lost", help="The key in use is gone with its token.")] = False,
    environment: Annotated[str, typer.Option("--environment", "-e", help="Name of the environment.")] = "sandbox",
    name: Annotated[str, typer.Option("--name", help="Name of the sandbox (environment sandbox only).")] = "default",
) -> None:
    """Replace a key: made in the token, registered, handed over, the old one destroyed; run again to go on."""
    workspace = workspace_of(environment, name)
    loaded = load_for(workspace)
    agency = loaded.member(member)
    node = next(node for node in nodes(loaded, workspace) if node.member == member)
    say = lambda text: print(f"  {text}", flush=True)  # noqa: E731
    rotation = Rotation(
        workspace,
        agency,
        _purpose(purpose),
        Registration(workspace, agency, node),
        Hosts(workspace, member, lambda _: None),
        say,
        lead=lead,
        overlap=overlap,
        lost=lost,
    )
    done = rotation.run()
    end = "lost with its token" if done.lost else "destroyed in its token"
    print(f"{member}: {done.object} signed up to height {done.last_height} and is {end}")


def _purpose(text: str) -> Purpose:
    for known in PURPOSES:
        if text == known:
            return known
    raise ConfigurationError(f"there is no {text!r} key", remedy=f"there are {', '.join(PURPOSES)}")
