"""`gchain report`: make, merge, verify and show policy reports."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gchain import environment as environments
from gchain.workspace import Workspace, workspace_of
from policies import check, frameworks, own_rules, signing, waivers
from policies.errors import ReportError, WaiverError
from policies.frameworks.component import component_definition
from policies.officers import read_envelope
from policies.register import agreed_genesis, known_officers
from policies.reports import anchoring, history, page, rule_pages, schemas
from policies.reports import compare as comparing
from policies.reports import merge as merging
from policies.reports.formats import FORMATS
from policies.zone import ZonePolicy

__all__ = ["NEW_FINDINGS", "app", "merge_reports", "read_report", "render", "verify_report"]

app = typer.Typer(help="policy reports: make, merge, verify, compare, export, serve; rules", no_args_is_help=True)
NEW_FINDINGS = 12
_out = Console()

_Environment = Annotated[str, typer.Option("--environment", "-e", help="name of the environment")]
_Sandbox = Annotated[str, typer.Option("--name", help="name of the sandbox (environment sandbox only)")]
_Member = Annotated[str, typer.Option("--member", "-m", help="the member whose estate to judge")]
_Zone = Annotated[str | None, typer.Option(help="the zone that the reports are of, where it is not that of genesis")]


def envelopes(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """The signed member reports among the public files, by member."""
    found = sorted(workspace.reports.glob("*.dsse.json"))
    return {path.name.removesuffix(".dsse.json"): read_envelope(path) for path in found}


def read_report(path: Path) -> dict[str, Any]:
    """A consortium report from a file; its shape is checked, what it says is not (`verify_report` does).

    Raises:
        ReportError: missing, no JSON, or no consortium report.
    """
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: {error}", remedy="merge the member reports: gchain report merge") from error
    schemas.check_consortium(document, str(path))
    return dict(document)


def _now() -> datetime:
    return datetime.now(UTC)


def merge_reports(workspace: Workspace, zone_digest: str | None = None) -> dict[str, Any]:
    """Merge the signed member reports; write `consortium-report.json` and `.html` among the public files.

    Raises:
        ReportError: a member report does not hold, is older than a month, or is from the future.
    """
    agreed = agreed_genesis(workspace.genesis)
    officers = known_officers(workspace, agreed)
    document = merging.merge(envelopes(workspace), agreed, zone_digest=zone_digest, officers=officers)
    merging.verify_dates(document, _now(), recent=True)
    workspace.public.mkdir(parents=True, exist_ok=True)
    history.keep(workspace, document)
    _write(workspace.public / "consortium-report.json", json.dumps(document, indent=1, sort_keys=True) + "\n")
    _write(workspace.public / "consortium-report.html", render(document))
    return document


def verify_report(workspace: Workspace, zone_digest: str | None = None) -> dict[str, Any]:
    """Recompute the consortium report offline from the public files.

    Raises:
        ReportError: it is not the merge of the signed member reports, or one of them is from the future.
    """
    document = read_report(workspace.public / "consortium-report.json")
    agreed = agreed_genesis(workspace.genesis)
    officers = known_officers(workspace, agreed)
    merging.verify(document, envelopes(workspace), agreed, zone_digest=zone_digest, officers=officers)
    merging.verify_dates(document, _now(), recent=False)
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
    check.check([member], environment, name, signed=True)


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
    rule: Annotated[str | None, typer.Option(help="the rule, such as HRD-011")] = None,
    resource: Annotated[str | None, typer.Option(help="exactly one resource, as the finding names it")] = None,
    reason: Annotated[str | None, typer.Option(help="why the failure is accepted")] = None,
    control: Annotated[str | None, typer.Option(help="what protects instead")] = None,
    days: Annotated[int, typer.Option(help="how long")] = 30,
    file: Annotated[Path | None, typer.Option(help="a draft from the waiver form, instead of the options")] = None,
    ledger: Annotated[bool, typer.Option("--ledger", help="also put the signed waiver on the ledger")] = False,
    officer: Annotated[list[str] | None, typer.Option(help="an officer who signs; may be repeated")] = None,
    environment: _Environment = "sandbox",
    name: _Sandbox = "default",
) -> None:
    """Sign, as an officer, a waiver of one rule on one resource."""
    if file is not None:
        document = waivers.read_draft(file, member)
    elif rule and resource and reason and control:
        document = waivers.draft(member, rule, resource, reason=reason, compensating_control=control, days=days)
    else:
        raise WaiverError(
            "a waiver needs --rule, --resource, --reason and --control, or --file",
            remedy="the waiver form of `gchain report serve` makes the file",
        )
    loaded, workspace = environments.load(environment), workspace_of(environment, name)
    for path in signing.waive(loaded, workspace, member, [document], officers=officer or ()):
        _out.print(str(path), soft_wrap=True)
        if ledger:
            print(f"on the ledger since height {signing.record_waiver(loaded, workspace, member, path)}")


@app.command()
def merge(environment: _Environment = "sandbox", name: _Sandbox = "default", zone_digest: _Zone = None) -> None:
    """Merge the signed member reports into the consortium report."""
    environments.load(environment)
    document = merge_reports(workspace_of(environment, name), zone_digest)
    _summary(document)


@app.command()
def verify(
    environment: _Environment = "sandbox",
    name: _Sandbox = "default",
    zone_digest: _Zone = None,
    anchor: Annotated[Path | None, typer.Option(help="receipt of the anchor; else that among the receipts")] = None,
    trust: Annotated[Path | None, typer.Option(help="the trust file, from a source of your own")] = None,
) -> None:
    """Recompute the consortium report offline from the signed member reports and genesis; check its anchor."""
    workspace = workspace_of(environment, name)
    document = verify_report(workspace, zone_digest)
    _out.print(f"the report is the merge of {len(document['members'])} signed member reports")
    _out.print(_anchored(workspace, anchor, trust or workspace.trust), markup=False, soft_wrap=True)
    _summary(document)


def _anchored(workspace: Workspace, given: Path | None, trust: Path) -> str:
    """What the ledger's receipt says of the report; one that is named, or is there, must hold."""
    raw = (workspace.public / "consortium-report.json").read_bytes()
    path = given or workspace.receipts / anchoring.receipt_name(raw)
    if given is None and not path.exists():
        return "not anchored: no receipt of an anchor is among the public files (gchain consortium anchor makes one)"
    return anchoring.check(raw, _json(path), _json(trust)).sentence()


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: {error}") from error


@app.command()
def export(
    form: Annotated[str, typer.Option("--format", "-f", help=f"one of {', '.join(FORMATS)}")],
    report: Annotated[Path | None, typer.Argument(help="a consortium report; else that among the public files")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="file; else beside the report")] = None,
    environment: _Environment = "sandbox",
    name: _Sandbox = "default",
) -> None:
    """Write the consortium report in a form that other tools read."""
    if form not in FORMATS:
        raise ReportError(f"there is no format {form!r}", remedy=f"there are {', '.join(FORMATS)}")
    source = report or workspace_of(environment, name).public / "consortium-report.json"
    target = output or source.with_suffix(FORMATS[form].suffix)
    _write(target, FORMATS[form].render(read_report(source)))
    _out.print(str(target), soft_wrap=True)


@app.command()
def compare(
    old: Annotated[Path, typer.Argument(help="the older consortium report")],
    new: Annotated[Path, typer.Argument(help="the newer one")],
    as_json: Annotated[bool, typer.Option("--json", help="for scripts")] = False,
) -> None:
    """What is new, fixed and unchanged between two reports; exit code 12 when something is new."""
    found = comparing.compare(read_report(old), read_report(new))
    print(json.dumps(found.as_json(), indent=2) if as_json else comparing.text(found))
    raise typer.Exit(NEW_FINDINGS if found.new else 0)


@app.command("test-rules")
def check_own_rules(environment: _Environment = "sandbox") -> None:
    """Run the cases of the environment's own rules (environments/<environment>/rules)."""
    loaded = environments.load(environment)
    directory = loaded.directory / "rules"
    own = own_rules.activate(directory)
    count, faults = own_rules.test(directory, ZonePolicy.of(loaded))
    for fault in faults:
        _out.print(fault, markup=False, soft_wrap=True)
    if faults:
        raise ReportError(f"{len(faults)} faults in {count} cases of {', '.join(own)}")
    print(f"{len(own)} own rules, {count} cases, all hold")


@app.command()
def rule(
    identifier: Annotated[str, typer.Argument(help="the rule, such as RES-040")],
    environment: _Environment = "sandbox",
) -> None:
    """Show a rule's page: why, what fails, what passes, the remedy, the controls."""
    own_rules.activate(environments.load(environment).directory / "rules")
    print(rule_pages.page(identifier), end="")


@app.command()
def rules() -> None:
    """List the catalogue's rules."""
    print(rule_pages.index(), end="")


@app.command()
def framework(
    name: Annotated[str | None, typer.Argument(help="a framework; without one they are listed")] = None,
    oscal: Annotated[bool, typer.Option("--oscal", help="the catalogue as an OSCAL component definition")] = False,
) -> None:
    """Show which rules answer which requirement of a framework."""
    if oscal:
        print(json.dumps(component_definition(), indent=1))
    elif name is None:
        for each in frameworks.names():
            print(f"{each}  {frameworks.framework(each).title}")
    else:
        for requirement in frameworks.framework(name).requirements:
            print(f"{requirement.id}  {requirement.title}: {', '.join(requirement.rules)}")


@app.command()
def serve(
    environment: _Environment = "sandbox",
    name: _Sandbox = "default",
    port: Annotated[int, typer.Option(help="on 127.0.0.1")] = 8899,
) -> None:
    """Serve the officer's pages on this machine: report, comparison, evidence, waiver form. Ctrl-C ends it."""
    from policies.reports.server import run

    environments.load(environment)
    run(workspace_of(environment, name), port, lambda text: _out.print(text, soft_wrap=True))


@app.command()
def html(report: Path, output: Annotated[Path | None, typer.Option("--output", "-o")] = None) -> None:
    """Render a consortium report as one HTML file."""
    document = read_report(report)
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
