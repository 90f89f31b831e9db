"""`gchain-node member`: who takes part in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from gchain_node.commands.asking import CaOption, CertOption, JsonOption, UrlOption, connect, print_json, print_table

if TYPE_CHECKING:
    from gchain_node.client import Client

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _member() -> None:
    """The ledger's members."""


@app.command("list")
def list_members(
    url: UrlOption = None, ca: CaOption = None, cert: CertOption = None, as_json: JsonOption = False
) -> None:
    """All members, by name."""
    with connect(url, ca, cert) as client:
        rows = list(_all(client))
    if as_json:
        print_json(rows)
        return
    cells = [
        (row["name"], row["status"], row["role"], row["power"], row["jurisdiction"], row["site"], _officers(row))
        for row in rows
    ]
    print_table(("member", "status", "role", "power", "jurisdiction", "site", "officers"), cells)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The member's name.")],
    url: UrlOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    as_json: JsonOption = False,
) -> None:
    """What the ledger has of a member; `gchain-node query members/NAME --trust` proves it."""
    with connect(url, ca, cert) as client:
        row = client.get(f"/v1/members/{quote(name, safe='')}")
    if as_json:
        print_json(row)
        return
    print(f"member        {row['name']} ({row['status']}), {row['role']} with power {row['power']}")
    print(f"place         {row['jurisdiction']}, {row['site']}, account {row['account']}; since height {row['since']}")
    print(f"reached at    {row['api']['host']}:{row['api']['port']}, peer {row['peer']['host']}:{row['peer']['port']}")
    if row.get("validator"):
        print(f"validator     {row['validator']['type']} {row['validator']['public_key']}")
    print(f"member key    {row['member_key']}")
    print(f"receipt key   {row['receipt_key']}")
    for officer in row["officers"]:
        print(f"officer       {officer['name']} {officer['public_key']}")


def _all(client: Client) -> Iterator[dict[str, Any]]:
    after: str | None = ""
    while after is not None:
        page = client.get("/v1/members", after=after, limit=50)
        yield from page["members"]
        after = page["next_after"]


def _officers(row: dict[str, Any]) -> str:
    return ", ".join(officer["name"] for officer in row["officers"])
