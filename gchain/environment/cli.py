"""`gchain env`: check, list and describe environments; open their backends; hand a stack over to plain `pulumi`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gchain import environment
from gchain.environment.loading import directory
from gchain.environment.schema import publish
from gchain.workspace import REPOSITORY, workspace_of

__all__ = ["app"]

app = typer.Typer(help="Environments: where data may be and who takes part.", no_args_is_help=True)
_console = Console()
_Name = Annotated[str, typer.Argument(help="name of the environment")]
_SandboxName = Annotated[str, typer.Option("--name", help="name of the sandbox (environment sandbox only)")]
_Members = Annotated[list[str] | None, typer.Option("--member", help="only this member; may be repeated")]


@app.command()
def check(name: _Name) -> None:
    """Read an environment's files and refuse what is unknown or contradicts."""
    found = environment.load(name)
    for warning in found.warnings():
        _console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)
    validators = sum(len(member.validators) for member in found.consortium.members)
    _console.print(
        f"{name}: {len(found.consortium.members)} members, {validators} validators, "
        f"regions {', '.join(region.name for region in found.zone.regions)}, zone {found.zone_digest}",
        highlight=False,
        soft_wrap=True,
    )


@app.command("list")
def list_() -> None:
    """Name the environments there are."""
    for name in environment.names():
        _console.print(name, highlight=False)


@app.command()
def schema(to: Annotated[Path | None, typer.Option(help="directory to write to")] = None) -> None:
    """Publish the JSON Schemas of the files, for editors and reviewers."""
    for path in publish(to or directory() / "schema"):
        shown = path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path
        _console.print(str(shown), highlight=False)


@app.command()
def bootstrap(name: _Name, member: _Members = None, sandbox: _SandboxName = "default") -> None:
    """Make each member's backend bucket, its key and the administrator key, with that member's own credentials."""
    from gchain.stacks.bootstrap import bootstrap as make_backend
    from gchain.stacks.site import site

    found = environment.load(name)
    workspace = workspace_of(name, sandbox)
    for each in member or [one.name for one in found.consortium.members]:
        make_backend(site(found, workspace, each), lambda line: _console.print(line, highlight=False))


@app.command()
def use(
    name: _Name,
    member: Annotated[str, typer.Option(help="the member whose stack to work on, or `foundation`")],
    sandbox: _SandboxName = "default",
    peers: Annotated[bool | None, typer.Option("--peers/--no-peers", help="round 2; otherwise as it is")] = None,
) -> None:
    """Print what a shell needs for plain `pulumi` in infra/: eval "$(gchain env use NAME --member MEMBER)"."""
    from gchain.stacks.hand import hand_over
    from gchain.stacks.site import site

    print(hand_over(site(environment.load(name), workspace_of(name, sandbox), member), peers_open=peers))
