"""`gchain keys`: a member's keys: made in a ceremony, listed, replaced."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import typer
from rich.table import Table

from gchain.consortium.ledger import Node, nodes
from gchain.consortium.officers import label
from gchain.consortium.register import proven_officers
from gchain.custody.ceremony_cli import app as ceremony_app
from gchain.custody.hosts import Hosts
from gchain.custody.inventory import CRYPTOPERIOD_DAYS, DUE_DAYS, KeyRow, inventory
from gchain.custody.officer_rotation import OfficerRotation
from gchain.custody.record import PURPOSES, Purpose
from gchain.custody.registration import Registration
from gchain.custody.rotation import Rotation
from gchain.environment import Environment, load_for
from gchain.errors import ConfigurationError, GchainError
from gchain.status import wide_console
from gchain.workspace import Workspace, workspace_of
from gchain_node.errors import NodeError
from gchain_node.keys import key_id

__all__ = ["app"]

_HEADINGS = ("agency", "key", "type", "token / object", "key id", "state", "on ledger", "since", "until", "to do")
app = typer.Typer(help=__doc__, no_args_is_help=True)


@app.callback()
def _keys() -> None:
    """Custody of a member's keys: they are replaced, and never copied."""


@app.command()
def rotate(
    purpose: Annotated[str, typer.Argument(help=f"Which key: {', '.join(PURPOSES)}, officer.")],
    member: Annotated[str, typer.Option("--member", "-m", help="The agency whose key it is.")],
    lead: Annotated[
        int | None, typer.Option(min=10, help="Blocks until a new consensus key votes first; else those of a minute.")
    ] = None,
    overlap: Annotated[int, typer.Option(min=0, help="Blocks for which a replaced member key still signs.")] = 30,
    lost: Annotated[bool, typer.Option("--lost", help="The key in use is gone with its token.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also if a rotation of this key ended within a day.")] = False,
    officer: Annotated[str, typer.Option(help="Whose key, for an officer's; by default the first officer's.")] = "",
    by: Annotated[str, typer.Option(help="The colleague who signs for an officer's key that is lost.")] = "",
    environment: Annotated[str, typer.Option("--environment", "-e", help="Name of the environment.")] = "sandbox",
    name: Annotated[str, typer.Option("--name", help="Name of the sandbox (environment sandbox only).")] = "default",
) -> None:
    """Replace a key: made in the token, registered, handed over, the old one destroyed; run again to go on."""
    workspace = workspace_of(environment, name)
    loaded = load_for(workspace)
    agency = loaded.member(member)
    ledger = Registration(workspace, agency, _node_of(loaded, workspace, member))
    say = lambda text: print(f"  {text}", flush=True)  # noqa: E731
    if purpose == "officer":
        who = officer or label(agency.officers[0].name)
        done = OfficerRotation(workspace, loaded, agency, who, ledger, say, lost=lost, by=by, again=again).run()
    elif officer or by:
        raise ConfigurationError("--officer and --by are for an officer's key", remedy="gchain keys rotate officer ...")
    else:
        hosts = Hosts(workspace, member, lambda _: None)
        more: dict[str, Any] = {"lead": lead, "overlap": overlap, "lost": lost, "again": again}
        done = Rotation(workspace, agency, _purpose(purpose), ledger, hosts, say, **more).run()
    end = "lost with its token" if done.lost else "destroyed in its token"
    print(f"{member}: {done.object} signed up to height {done.last_height} and is {end}")


@app.command()
def officers(
    member: Annotated[str, typer.Option("--member", "-m", help="The agency whose record is published.")],
    environment: Annotated[str, typer.Option("--environment", "-e", help="Name of the environment.")] = "sandbox",
    name: Annotated[str, typer.Option("--name", help="Name of the sandbox (environment sandbox only).")] = "default",
) -> None:
    """Put the ledger's proof of who an agency's officers are among the public files, for offline verification."""
    workspace = workspace_of(environment, name)
    loaded = load_for(workspace)
    Registration(workspace, loaded.member(member), _node_of(loaded, workspace, member)).publish()
    known = proven_officers(workspace)[member]
    print(f"{member}: {', '.join(f'{who} {key_id(key).hex()[:16]}' for who, key in sorted(known.items()))}")


@app.command("list")
def list_keys(
    members: Annotated[
        list[str] | None, typer.Option("--member", "-m", help="An agency; may be repeated. All of them by default.")
    ] = None,
    cryptoperiod: Annotated[
        int,
        typer.Option(min=1, help="Days for which a signing key is used (NIST SP 800-57: one to three years)."),
    ] = CRYPTOPERIOD_DAYS,
    due: Annotated[int, typer.Option(min=0, help="Days before its end from which a key is due.")] = DUE_DAYS,
    check: Annotated[bool, typer.Option("--check", help="End with status 10 if something is due.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    environment: Annotated[str, typer.Option("--environment", "-e", help="Name of the environment.")] = "sandbox",
    name: Annotated[str, typer.Option("--name", help="Name of the sandbox (environment sandbox only).")] = "default",
) -> None:
    """Every key: where it is, whether the ledger has it, since when it is used and until when it should be."""
    workspace = workspace_of(environment, name)
    loaded = load_for(workspace)
    wanted = [loaded.member(each) for each in members] if members else loaded.consortium.members
    rows, unknown, now = [], {}, datetime.now(UTC)
    for agency in wanted:
        entry, unknown[agency.name] = _on_ledger(loaded, workspace, agency.name)
        rows += inventory(workspace, agency, entry, now=now, cryptoperiod=cryptoperiod, due=due)
    not_asked = {member: why for member, why in unknown.items() if why}
    if as_json:
        document = {"version": 1, "keys": [row.to_json() for row in rows], "ledger_not_asked": not_asked}
        print(json.dumps(document, indent=2))
    else:
        _show(rows, not_asked)
    if check and (not_asked or any(row.due for row in rows)):
        raise typer.Exit(10)


app.add_typer(ceremony_app, name="ceremony")


def _on_ledger(loaded: Environment, workspace: Workspace, member: str) -> tuple[dict[str, Any] | None, str]:
    """The member's record at its own node, or at any that answers; else why there is none."""
    known = nodes(loaded, workspace)
    why = "the agency has no ledger host"
    for node in sorted(known, key=lambda node: node.member != member):
        try:
            return _entry(workspace, loaded, member, node), ""
        except (GchainError, NodeError, httpx.HTTPError, OSError) as error:
            why = str(error)
    return None, why


def _entry(workspace: Workspace, loaded: Environment, member: str, node: Node) -> dict[str, Any]:
    node.status()  # one quick try: the client below would go on trying for a while
    return Registration(workspace, loaded.member(member), node).entry()


def _node_of(loaded: Environment, workspace: Workspace, member: str) -> Node:
    return next(node for node in nodes(loaded, workspace) if node.member == member)


def _show(rows: list[KeyRow], not_asked: dict[str, str]) -> None:
    console = wide_console()
    table = Table()
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold")
    words = {True: "yes", False: "no", None: "?"}
    for row in rows:
        place = f"{row.token} / {row.object}"
        period = (row.since[:10], row.until[:10])
        on_ledger = words[row.registered]
        table.add_row(
            row.member, row.purpose, row.key_type, place, row.kid[:16], row.state, on_ledger, *period, row.due or "-"
        )
    console.print(table)
    for member, why in not_asked.items():
        console.print(f"{member}: the ledger was not asked: {why}", style="yellow", markup=False)


def _purpose(text: str) -> Purpose:
    for known in PURPOSES:
        if text == known:
            return known
    raise ConfigurationError(f"there is no {text!r} key", remedy=f"there are {', '.join(PURPOSES)}, officer")
