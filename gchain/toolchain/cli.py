"""`gchain toolchain`: the programs that the kit builds from pinned sources."""

from __future__ import annotations

from typing import Annotated

import typer

from gchain.toolchain import NEXT, PROGRAMS, install, missing
from gchain.workspace import cache_directory

__all__ = ["app"]

app = typer.Typer(help=__doc__, no_args_is_help=True)


@app.command("install")
def install_command(
    next_: Annotated[bool, typer.Option("--next", help="Also the engine's next release line, for tests.")] = False,
) -> None:
    """Build what is missing (about four minutes on two cores the first time)."""
    log = cache_directory() / "toolchain.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    programs = (*PROGRAMS, NEXT) if next_ else PROGRAMS
    built = install(log, lambda text: print(f"  {text}", flush=True), programs)
    print(f"built: {', '.join(built)}" if built else "all programs are there")


@app.command("list")
def list_command() -> None:
    """The programs, their pinned versions, and whether they are there."""
    absent = {p.name for p in missing()}
    for program in PROGRAMS:
        print(f"{program.name:<26} {program.version:<10} {'missing' if program.name in absent else 'installed'}")
