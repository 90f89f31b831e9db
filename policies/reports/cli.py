"""`gchain report`: make, merge, verify and show policy reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gchain import environment as environments
from gchain.workspace import Workspace, workspace_of
from policies import check, signing, waivers
from policies.errors import ReportError
from policies.officers import read_envelope
from policies.reports import merge as merging
from policies.reports import page

__all__ = ["app", "merge_reports", "render", "verify_report"]

app = typer.Typer(help="policy reports: member, merge, verify, html", no_args_is_help=True)
_out = Console()

_Environment = Annotated[str, typer.Option("--environment", "-e", help="name of the environment")]
_Sandbox = Annotated[str, typer.Option("--name", help="name of the sandbox (environment sandbox only)")]
_Member = Annotated[str, typer.Option("--member", "-m", help="the member whose estate to judge")]
_Zone = Annotated[str | None, typer.Option(help="the zone that the reports are of, where it is not that of genesis")]


def envelopes(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """The signed member reports among the public files, by member."""
    found = sorted(workspace.reports.glob("*.dsse.json"))
    return {path.name.removesuffix(".dsse.json"): read_envelope(path) for path in found}


def genesis(workspace: Workspace) -> dict[str, Any]:
    """The agreed genesis document.

    Raises:
        ReportError: there is none yet.
    """
    try:
        document: dict[str, Any] = json.loads(workspace.genesis.read_text())
    except (OSError, ValueError) as error:
        raise ReportError(f"{workspace.genesis}: {error}", remedy="agree on genesis first") from error
    return document


def merge_reports(workspace: Workspace, zone_digest: str | None = None) -> dict[str, Any]:
    """Merge the signed member reports; write `consortium-report.json` and `.html` among the public files."""
    document = merging.merge(envelopes(workspace), genesis(workspace), zone_digest=zone_digest)
    workspace.public.mkdir(parents=True, exist_ok=True)
    _write(workspace.public / "consortium-report.json", json.dumps(document, indent=1, sort_keys=True) + "\n")
    _write(workspace.public / "consortium-report.html", render(document))
    return document


def verify_report(workspace: Workspace, zone_digest: str | None = None) -> dict[str, Any]:
    """Recompute the consortium report offline from the public files.

    Raises:
        ReportError: it is not the merge of the signed member reports.
    """
    path = workspace.public / "consortium-report.json"
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: {error}", remedy="merge the member reports: gchain report merge") from error
    merging.verify(document, envelopes(workspace), genesis(workspace), zone_digest=zone_digest)
    return document


def render(document: dict[str, Any]) -> str:
    """The page of a consortium report: one self-contained HTML file."""
    return page.render(document)


def _write(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".new")
    draft.write_text(text)
    draft.replace(path)


@app.command()
def member(member: _Member, environment: _Environment = "sandbox", name: _Sandbox = "default") -> None:
    """Judge one member's estate and sign the report with the officer's key."""
    check.check(member, environment, name, signed=True)


@app.command()
def attest(
    member: _Member,
    environment: _Environment = "sandbox",
    name: _Sandbox = "default",
    days: Annotated[int, typer.Option(help="how long the statements hold")] = 30,
) -> None:
    """Sign, as an officer, what the zone file declares of the member's operators and pipeline."""
    for path in signing.attest(environments.load(environment), workspace_of(environment, name), member, days=days):
        _out.print(str(path))


@app.command()
def waive(
    member: _Member,
    rule: Annotated[str, typer.Option(help="the rule, such as HRD-011")],
    resource: Annotated[str, typer.Option(help="exactly one resource, as the finding names it")],
    reason: Annotated[str, typer.Option(help="why the failure is accepted")],
    control: Annotated[str, typer.Option(help="what protects instead")],
    days: Annotated[int, typer.Option(help="how long")],
    officer: Annotated[list[str] | None, typer.Option(help="an officer who signs; may be repeated")] = None,
    environment: _Environment = "sandbox",
    name: _Sandbox = "default",
) -> None:
    """Sign, as an officer, a waiver of one rule on one resource."""
    document = waivers.draft(member, rule, resource, reason=reason, compensating_control=control, days=days)
    loaded, workspace = environments.load(environment), workspace_of(environment, name)
    for path in signing.waive(loaded, workspace, member, [document], officers=officer or ()):
        _out.print(str(path))


@app.command()
def merge(environment: _Environment = "sandbox", name: _Sandbox = "default", zone_digest: _Zone = None) -> None:
    """Merge the signed member reports into the consortium report."""
    environments.load(environment)
    document = merge_reports(workspace_of(environment, name), zone_digest)
    _summary(document)


@app.command()
def verify(environment: _Environment = "sandbox", name: _Sandbox = "default", zone_digest: _Zone = None) -> None:
    """Recompute the consortium report offline from the signed member reports and genesis."""
    document = verify_report(workspace_of(environment, name), zone_digest)
    _out.print(f"the report is the merge of {len(document['members'])} signed member reports")
    _summary(document)


@app.command()
def html(report: Path, output: Annotated[Path | None, typer.Option("--output", "-o")] = None) -> None:
    """Render a consortium report as one HTML file."""
    try:
        document = json.loads(report.read_text())
    except (OSError, ValueError) as error:
        raise ReportError(f"{report}: {error}") from error
    target = output or report.with_suffix(".html")
    _write(target, render(document))
    _out.print(str(target))


def _summary(document: dict[str, Any]) -> None:
    rules = document["rules"]
    verdict = document["verdict"]
    _out.print(f"verdict: {'ready to go live' if verdict['ok'] else 'not ready'}")
    _out.print(f"rule set {rules['digest'][:19]}, {len(rules['enforced'])} of {rules['catalogue_size']} rules enforced")
    for reason in verdict["reasons"]:
        _out.print(f"  {reason['message']}", markup=False)
    _out.print(f"table {document['table_digest']}")
