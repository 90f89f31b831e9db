"""`gchain-node proposal`: what members vote on, and an officer's part in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from gchain_node.commands.asking import (
    ArgsOption,
    CaOption,
    CertOption,
    JsonOption,
    KeyOption,
    SignerOption,
    TimeoutOption,
    UrlOption,
    connect,
    json_arguments,
    print_json,
    print_table,
    sign_and_send,
)

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)
IdArgument = Annotated[str, typer.Argument(help="The proposal's id.")]


@app.callback()
def _proposal() -> None:
    """Proposals: changes of the ledger that its members vote on."""


@app.command("list")
def list_proposals(
    url: UrlOption = None, ca: CaOption = None, cert: CertOption = None, as_json: JsonOption = False
) -> None:
    """The proposals that can be voted on; a closed one is shown by its id."""
    rows: list[dict[str, Any]] = []
    after: str | None = ""
    with connect(url, ca, cert) as client:
        while after is not None:
            page = client.get("/v1/proposals", after=after, limit=50)
            rows += page["proposals"]
            after = page["next_after"]
    if as_json:
        print_json(rows)
        return
    cells = [(row["id"], row["kind"], row["proposer"], row["closes_height"], _ballots(row)) for row in rows]
    print_table(("proposal", "kind", "proposed by", "closes at height", "ballots"), cells)


@app.command()
def show(
    name: IdArgument, url: UrlOption = None, ca: CaOption = None, cert: CertOption = None, as_json: JsonOption = False
) -> None:
    """A proposal, open or closed: what it would change, and who voted how."""
    with connect(url, ca, cert) as client:
        row = client.get(f"/v1/proposals/{quote(name, safe='')}")
    if as_json:
        print_json(row)
        return
    print(f"proposal  {row['id']} ({row['status']}), by {row['proposer']} at height {row['height']}")
    print(f"would     {row['kind']}")
    print_json(row["args"])
    print(f"ballots   {_ballots(row)}; closes at height {row['closes_height']}")


@app.command()
def make(
    name: IdArgument,
    kind: Annotated[str, typer.Argument(help="What it would do, such as member.suspend.")],
    args: ArgsOption,
    signer: SignerOption,
    key: KeyOption,
    closes: Annotated[int | None, typer.Option("--closes-height", min=1, help="Last height for ballots.")] = None,
    url: UrlOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    timeout: TimeoutOption = 60.0,
) -> None:
    """Put a change to the members' vote; the proposer's own ballot is yes."""
    asked: dict[str, Any] = {"id": name, "kind": kind, "args": json_arguments(args)}
    if closes is not None:
        asked["closes_height"] = closes
    sign_and_send(url, ca, cert, "governance", "propose", asked, signer, key, timeout)


@app.command()
def vote(
    name: IdArgument,
    ballot: Annotated[Literal["yes", "no"], typer.Argument(help="The member's ballot; the last one counts.")],
    signer: SignerOption,
    key: KeyOption,
    url: UrlOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    timeout: TimeoutOption = 60.0,
) -> None:
    """Cast the member's ballot."""
    sign_and_send(url, ca, cert, "governance", "vote", {"proposal": name, "ballot": ballot}, signer, key, timeout)


@app.command()
def withdraw(
    name: IdArgument,
    signer: SignerOption,
    key: KeyOption,
    url: UrlOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    timeout: TimeoutOption = 60.0,
) -> None:
    """Take one's own proposal back, or clear one away that is past its closing height."""
    sign_and_send(url, ca, cert, "governance", "withdraw", {"proposal": name}, signer, key, timeout)


def _ballots(row: dict[str, Any]) -> str:
    return ", ".join(f"{member} {ballot}" for member, ballot in sorted(row["ballots"].items())) or "none"
