"""`gchain-node officer`: an officer's key and approvals, on the officer's own machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gchain_node.keys.uri import DEFAULT_MODULE
from gchain_node.officer import approve as sign_approval
from gchain_node.officer import describe_subject, init_officer, open_officer, read_subject

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="An officer's key and approvals, on the officer's own machine.")

StoreOption = Annotated[Path, typer.Option(help="The officer's own directory.")]
NameOption = Annotated[str, typer.Option(help="The officer's name in the consortium.")]


@app.command()
def init(
    store: StoreOption,
    name: NameOption,
    member: Annotated[str, typer.Option(help="The officer's agency.")],
    consortium: Annotated[str, typer.Option(help="The consortium's name.")],
    module: Annotated[str, typer.Option(help="PKCS#11 module.")] = DEFAULT_MODULE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make token, PIN and key, or use what is there; write the public file `STORE/NAME.json`."""
    document = init_officer(store, name, member=member, consortium=consortium, module=module)
    line = f"officer {name} of {member}: {document['public_key']} in {store / f'{name}.json'}"
    typer.echo(json.dumps(document, sort_keys=True) if as_json else line)


@app.command()
def approve(
    subject: Annotated[Path, typer.Option(help="The subject document (canonical JSON).")],
    store: StoreOption,
    name: NameOption,
    out: Annotated[Path, typer.Option(help="Where the approval goes (COSE_Sign1).")],
) -> None:
    """Show what is approved, and sign exactly that."""
    raw = read_subject(subject)
    typer.echo(describe_subject(raw))
    key = open_officer(store, name)
    out.write_bytes(sign_approval(raw, key))
    typer.echo(f"signed by {name}, key {key.kid.hex()}: {out}")
    key.close()
