"""`gchain-node block`: the ledger's blocks, and new ones as they come."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from gchain_node.commands.asking import CaOption, CertOption, JsonOption, UrlOption, connect, print_json, print_table

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)
_PAGE = 50


@app.callback()
def _block() -> None:
    """The ledger's blocks."""


@app.command("list")
def list_blocks(
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 25,
    before: Annotated[int, typer.Option(min=0, help="Only below this height; 0 begins with the latest.")] = 0,
    url: UrlOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    as_json: JsonOption = False,
) -> None:
    """Blocks, newest first, as far as the node keeps them."""
    rows: list[dict[str, Any]] = []
    start = before
    with connect(url, ca, cert) as client:
        while len(rows) < limit:
            page = client.get("/v1/blocks", before=start, limit=min(_PAGE, limit - len(rows)))
            rows += page["blocks"]
            if page["next_before"] is None:
                break
            start = page["next_before"]
    if as_json:
        print_json(rows)
        return
    cells = [(row["height"], row["time"], row["proposer"], row["transactions"]) for row in rows]
    print_table(("height", "time", "proposer", "transactions"), cells)


@app.command()
def show(
    height: Annotated[int, typer.Argument(min=1, help="The block's height.")],
    url: UrlOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    as_json: JsonOption = False,
) -> None:
    """A block with its transactions and their results."""
    with connect(url, ca, cert) as client:
        block = client.get(f"/v1/blocks/{height}")
    if as_json:
        print_json(block)
        return
    proposer = block["proposer"]
    print(f"block     {block['height']} of {block['time']}")
    print(f"proposer  {proposer['member'] or proposer['address']}")
    print(f"app hash  {block['app_hash']} (before this block)")
    cells = [
        (tx["index"], tx["hash"], f"{tx['module']}/{tx['action']}", tx["signer"], tx["result"])
        for tx in block["transactions"]
    ]
    if cells:
        print_table(("place", "transaction", "action", "signer", "result"), cells)
    else:
        print("no transactions")


@app.command()
def follow(
    after: Annotated[int | None, typer.Option(min=0, help="Begin after this height; the latest by default.")] = None,
    module: Annotated[str | None, typer.Option(help="Only blocks with a transaction of this module.")] = None,
    member: Annotated[str | None, typer.Option(help="Only blocks with a transaction of this member.")] = None,
    count: Annotated[int, typer.Option(min=0, help="End after so many blocks; 0 goes on until Ctrl-C.")] = 0,
    url: UrlOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document a line.")] = False,
) -> None:
    """New blocks as they come; a connection that breaks is taken up after the last one."""
    seen = 0
    with connect(url, ca, cert) as client:
        for event in client.events(after=after, module=module, member=member):
            if as_json:
                print(json.dumps({"event": event.kind, **event.data}), flush=True)
            elif event.kind == "gap":
                print(f"blocks {event.data['first']} to {event.data['last']} were left out", flush=True)
            else:
                rows = event.data["transactions"]
                refused = sum(row["code"] != 0 for row in rows)
                words = f"{len(rows)} transactions" + (f", {refused} refused" if refused else "")
                print(f"{event.height}  {event.data['time']}  {words}", flush=True)
            seen += event.kind == "block"
            if count and seen >= count:
                return
