"""`gchain status`: agencies, hosts, ledger and verdict as they are now, for people and (`--json`) for scripts."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from gchain.consortium.ledger import Node, nodes
from gchain.environment import Environment, load
from gchain.sandbox.sandbox import Sandbox
from gchain.workspace import Workspace, workspace_of

__all__ = ["collect", "show", "status", "wide_console"]

_VERSION = 1
_WIDTH = 150


def collect(environment: Environment, workspace: Workspace) -> dict[str, Any]:
    """The state of everything, read live: `{version, environment, consortium, sandbox, nodes, verdict, report}`.

    `nodes` has `{member, host, name, status_url, api_url, answers, height, phase, app_hash, power, peers, tls_until,
    gate}`;
    of a node that does not answer only the first six. Fields are added, never renamed, within a version.
    """
    known = nodes(environment, workspace)
    with ThreadPoolExecutor(max_workers=max(1, len(known))) as pool:
        found = list(pool.map(_node, known))
    sandbox = Sandbox(workspace.sandbox).status() if workspace.sandbox else None
    return {
        "version": _VERSION,
        "environment": environment.name,
        "consortium": environment.consortium.name,
        "sandbox": sandbox,
        "nodes": found,
        "verdict": _verdict(workspace),
        "report": str(workspace.public / "consortium-report.html"),
    }


def _node(node: Node) -> dict[str, Any]:
    told: dict[str, Any] = {
        "member": node.member,
        "host": node.host,
        "name": node.name,
        "status_url": node.status_url,
        "api_url": node.api_url,
        "answers": False,
    }
    try:
        status = node.status()
    except (httpx.HTTPError, ValueError) as error:
        return told | {"error": f"{type(error).__name__}: {error}"}
    power = {entry["member"]: entry["power"] for entry in status["validators"]}
    return told | {
        "answers": True,
        "height": int(status["height"]),
        "phase": status["phase"],
        "app_hash": status["app_hash"],
        "power": power.get(node.member, 0),
        "peers": len(status["peers"]),
        "tls_until": status["tls"]["not_after"],
        "gate": status["compliance"].get(node.member),
    }


def _verdict(workspace: Workspace) -> dict[str, Any] | None:
    path = workspace.public / "consortium-report.json"
    try:
        report = json.loads(path.read_text())
        rules = report["rules"]
        return {
            "ok": report["verdict"]["ok"],
            "reasons": [reason["message"] for reason in report["verdict"]["reasons"]],
            "rules_enforced": len(rules["enforced"]),
            "rules_in_catalogue": rules["catalogue_size"],
            "table_digest": report["table_digest"],
        }
    except (OSError, ValueError, KeyError):
        return None


def wide_console() -> Console:
    """For tables: as wide as the terminal, and wide enough for them where the output goes to a file or a pipe."""
    return Console(soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH)


def show(found: dict[str, Any], console: Console) -> None:
    """The same for a person."""
    table = Table(title=f"{found['consortium']} ({found['environment']})", title_justify="left")
    for heading in (
        "agency",
        "host",
        "address",
        "phase",
        "height",
        "power",
        "peers",
        "gate",
        "TLS until",
        "status page",
    ):
        table.add_column(heading, overflow="fold")
    addresses = {host["name"]: host["address"] for host in (found["sandbox"] or {}).get("hosts", [])}
    for node in found["nodes"]:
        table.add_row(*_row(node, addresses.get(node["name"], "")))
    console.print(table)
    if found["sandbox"]:
        cloud = found["sandbox"]["cloud"]
        lag = found["sandbox"]["reconciler"]["lag_ms"]
        console.print(f"local cloud   {cloud['state']} at {cloud['endpoint']}, last change applied in {lag} ms")
        for problem in found["sandbox"]["problems"]:
            console.print(f"problem       {problem}", style="red", markup=False)
    console.print(f"verdict       {_sentence(found['verdict'])}", markup=False)
    console.print(f"report        {found['report']}", markup=False)


def _row(node: dict[str, Any], address: str) -> list[str]:
    if not node["answers"]:
        return [node["member"], node["host"], address, "no answer", "", "", "", "", "", node["status_url"]]
    gate = (node["gate"] or {}).get("verdict", "")
    live = [node["phase"], str(node["height"]), str(node["power"]), str(node["peers"]), gate, node["tls_until"] or ""]
    return [node["member"], node["host"], address, *live, node["status_url"]]


def _sentence(verdict: dict[str, Any] | None) -> str:
    if verdict is None:
        return "no consortium report yet"
    scope = f"{verdict['rules_enforced']} of {verdict['rules_in_catalogue']} rules enforced"
    return f"{'nothing blocks' if verdict['ok'] else 'NOT ready: ' + verdict['reasons'][0]} ({scope})"


def status(
    environment: Annotated[str, typer.Option("--environment", "-e", help="name of the environment")] = "sandbox",
    name: Annotated[str, typer.Option("--name", help="name of the sandbox (environment sandbox only)")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="for scripts: fields are added, never renamed")] = False,
) -> None:
    """What is running, with live data; exit code 1 when a node does not answer."""
    found = collect(load(environment), workspace_of(environment, name))
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        show(found, wide_console())
    if not all(node["answers"] for node in found["nodes"]):
        raise typer.Exit(1)
