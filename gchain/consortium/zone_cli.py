"""`gchain consortium zone`: put another zone file in force on the running ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from gchain.consortium.decision import ZONE_CHANGE, consortium_at
from gchain.consortium.golive import read_table
from gchain.consortium.ledger import Node, nodes
from gchain.environment import Environment, load
from gchain.errors import ConsortiumError
from gchain.workspace import Workspace, workspace_of

__all__ = ["app"]

app = typer.Typer(help="another zone file: propose, approve, submit", no_args_is_help=True)

_Environment = Annotated[str, typer.Option("--environment", "-e", help="name of the environment")]
_Sandbox = Annotated[str, typer.Option("--name", help="name of the sandbox (environment sandbox only)")]


def _open(environment: str, sandbox: str) -> tuple[Environment, Workspace, Node]:
    loaded, workspace = load(environment), workspace_of(environment, sandbox)
    convenor = next(node for node in nodes(loaded, workspace) if node.member == loaded.consortium.convenor)
    return loaded, workspace, convenor


@app.command()
def propose(environment: _Environment = "sandbox", name: _Sandbox = "default") -> None:
    """Put the environment's zone file to the officers, over the table of a report that was made with it."""
    loaded, workspace, node = _open(environment, name)
    consortium, height = consortium_at(workspace, node)
    if consortium["zone_digest"] == loaded.zone_digest:
        raise ConsortiumError(
            f"the zone file's digest {loaded.zone_digest} is in force already",
            remedy="change zone.yaml, let every member report anew, merge with --zone-digest, then propose",
        )
    ZONE_CHANGE.propose(workspace, consortium, height, read_table(workspace), new_zone_digest=loaded.zone_digest)
    print(workspace.public / "zone-change-subject.json")


@app.command()
def approve(
    member: Annotated[str, typer.Option("--member", "-m", help="the member on whose behalf")],
    environment: _Environment = "sandbox",
    name: _Sandbox = "default",
) -> None:
    """Sign the change with the member's officer key. Read the zone file and the report first."""
    loaded, workspace, _ = _open(environment, name)
    proposal = ZONE_CHANGE.read_proposal(workspace)
    print(f"approved by {ZONE_CHANGE.approve(workspace, loaded.member(member), proposal)}")


@app.command()
def submit(environment: _Environment = "sandbox", name: _Sandbox = "default") -> None:
    """Submit table and approvals; the ledger judges the table and changes the zone, or says why not."""
    loaded, workspace, node = _open(environment, name)
    approvals = ZONE_CHANGE.collect_approvals(loaded, workspace)
    outcome = ZONE_CHANGE.submit(loaded, workspace, node, ZONE_CHANGE.read_proposal(workspace), approvals)
    if outcome.code != 0:
        raise ConsortiumError(f"the ledger keeps its zone: code {outcome.code}: {outcome.log}")
    print(f"zone {loaded.zone_digest} is in force since height {outcome.height}")
