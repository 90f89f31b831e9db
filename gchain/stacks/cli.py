"""`gchain up` and `gchain stack`: one member's stack, with that member's credentials and the policy pack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gchain.environment import load
from gchain.stacks.automation import Changes, StackRun
from gchain.workspace import REPOSITORY, workspace_of

__all__ = ["app", "up"]

app = typer.Typer(help="Pulumi stacks of an environment: one a member, and the foundation.", no_args_is_help=True)
_console = Console(highlight=False, soft_wrap=True)

_Environment = Annotated[str, typer.Option("--environment", "-e", help="name of the environment")]
_Member = Annotated[str, typer.Option("--member", "-m", help="the member, or `foundation`")]
_Sandbox = Annotated[str, typer.Option("--name", help="name of the sandbox (environment sandbox only)")]
_Peers = Annotated[
    bool | None,
    typer.Option("--peers/--no-peers", help="round 2: connect to the members in public/facts; by default as it is"),
]


def policy_pack() -> Path:
    """The executable that the engine starts to judge every preview and update."""
    return REPOSITORY / "policies" / "pack"


def _run(environment: str, member: str, sandbox: str) -> StackRun:
    workspace = workspace_of(environment, sandbox)
    return StackRun(
        load(environment), workspace, member, policy_pack=policy_pack(), progress=lambda line: _console.print(line)
    )


def _report(member: str, operation: str, changes: Changes) -> None:
    _console.print(f"{operation} of {member}: {changes}")


def up(
    member: _Member, environment: _Environment = "sandbox", sandbox: _Sandbox = "default", peers: _Peers = None
) -> None:
    """Create or update a member's stack under the policy pack, then write its signed public facts."""
    _report(member, "up", _run(environment, member, sandbox).up(peers_open=peers))


@app.command()
def preview(
    member: _Member, environment: _Environment = "sandbox", sandbox: _Sandbox = "default", peers: _Peers = None
) -> None:
    """Say what `gchain up` would do."""
    _report(member, "preview", _run(environment, member, sandbox).preview(peers_open=peers))


@app.command()
def refresh(member: _Member, environment: _Environment = "sandbox", sandbox: _Sandbox = "default") -> None:
    """Take into the state what was changed behind its back."""
    _report(member, "refresh", _run(environment, member, sandbox).refresh())


@app.command()
def destroy(
    member: _Member,
    environment: _Environment = "sandbox",
    sandbox: _Sandbox = "default",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Delete every resource of a stack. Keys and hosts of a protected environment refuse it."""
    if not yes:
        typer.confirm(f"delete every resource of {member} in {environment}?", abort=True)
    _report(member, "destroy", _run(environment, member, sandbox).destroy())


@app.command()
def outputs(member: _Member, environment: _Environment = "sandbox", sandbox: _Sandbox = "default") -> None:
    """Print a stack's outputs as JSON."""
    print(json.dumps(_run(environment, member, sandbox).outputs(), indent=2, sort_keys=True))


@app.command()
def export(member: _Member, environment: _Environment = "sandbox", sandbox: _Sandbox = "default") -> None:
    """Print a stack's state as JSON; secrets stay encrypted."""
    print(json.dumps(_run(environment, member, sandbox).export(), indent=2))
