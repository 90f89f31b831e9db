"""`gchain consortium`: officers' keys, the agreed genesis, approvals, go-live, records."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from gchain.consortium import genesis, golive, records, zone_cli
from gchain.consortium.ledger import Node, nodes, open_client
from gchain.consortium.officers import make_officers, officer_key
from gchain.consortium.trust import trust_log_key, write_trust
from gchain.environment import Environment, load_for
from gchain.errors import ConsortiumError
from gchain.workspace import Workspace, workspace_of
from gchain_node.keys import load_public_key
from gchain_node.modules.compliance import KINDS, VERDICTS
from policies.reports import anchoring

__all__ = ["app"]

app = typer.Typer(help=__doc__, no_args_is_help=True)
app.add_typer(zone_cli.app, name="zone")

_Environment = Annotated[str, typer.Option("--environment", "-e", help="name of the environment")]
_Sandbox = Annotated[str, typer.Option("--name", help="name of the sandbox (environment sandbox only)")]
_Member = Annotated[str, typer.Option("--member", "-m", help="the member on whose behalf")]


def _open(environment: str, sandbox: str) -> tuple[Environment, Workspace]:
    workspace = workspace_of(environment, sandbox)
    return load_for(workspace), workspace


def _node(environment: Environment, workspace: Workspace, member: str) -> Node:
    environment.member(member)
    return next(node for node in nodes(environment, workspace) if node.member == member)


@app.command()
def officers(member: _Member, environment: _Environment = "sandbox", name: _Sandbox = "default") -> None:
    """Make the keys of a member's officers in their own tokens, on this machine; safe to repeat."""
    loaded, workspace = _open(environment, name)
    for label in make_officers(loaded, workspace, loaded.member(member)):
        print(f"{member}/{label}")


@app.command("genesis")
def build_genesis(environment: _Environment = "sandbox", name: _Sandbox = "default") -> None:
    """Build the genesis document from the members' contributions, once; print its digest."""
    print(genesis.build(*_open(environment, name)))


@app.command()
def accept(member: _Member, environment: _Environment = "sandbox", name: _Sandbox = "default") -> None:
    """Build genesis again from this member's own files, compare, and accept its digest for this member's hosts."""
    loaded, workspace = _open(environment, name)
    print(genesis.accept(loaded, workspace, member))
    write_trust(workspace)


@app.command()
def trust(member: _Member, environment: _Environment = "sandbox", name: _Sandbox = "default") -> None:
    """Let trust.json count the log keys that rotations brought, of every member, as this member's node knows them."""
    loaded, workspace = _open(environment, name)
    with open_client(workspace, _node(loaded, workspace, member)) as client:
        entries = {each.name: client.query(f"members/{each.name}").value for each in loaded.consortium.members}
    for each, entry in entries.items():
        if isinstance(entry, dict) and trust_log_key(workspace, each, load_public_key(entry["receipt_key"])):
            print(f"{workspace.trust}: a log key of {each} was added")


@app.command()
def propose(environment: _Environment = "sandbox", name: _Sandbox = "default") -> None:
    """Put the consortium report's table to the officers: write what they sign, as the ledger is now."""
    loaded, workspace = _open(environment, name)
    node = _node(loaded, workspace, loaded.consortium.convenor)
    golive.propose(workspace, node, golive.read_table(workspace))
    print(workspace.public / "go-live-subject.json")


@app.command()
def approve(member: _Member, environment: _Environment = "sandbox", name: _Sandbox = "default") -> None:
    """Sign the proposal with the member's officer key. Read the report first: this is the officer's word."""
    loaded, workspace = _open(environment, name)
    proposal = golive.read_proposal(workspace)
    print(f"approved by {golive.approve(workspace, loaded.member(member), proposal)}")


@app.command("go-live")
def go_live(environment: _Environment = "sandbox", name: _Sandbox = "default") -> None:
    """Submit table and approvals; the ledger computes the verdict again and opens, or says why not."""
    loaded, workspace = _open(environment, name)
    node = _node(loaded, workspace, loaded.consortium.convenor)
    approvals = golive.collect_approvals(loaded, workspace)
    outcome = golive.submit(loaded, workspace, node, golive.read_proposal(workspace), approvals)
    if outcome.code != 0:
        raise ConsortiumError(f"the ledger refused to open: code {outcome.code}: {outcome.log}")
    print(f"live at height {outcome.height}")


@app.command()
def anchor(
    member: _Member,
    report: Annotated[Path, typer.Argument(help="the report's file; its SHA-256 goes on the ledger, nothing else")],
    kind: Annotated[str, typer.Option(help=f"one of {', '.join(KINDS)}")] = anchoring.KIND,
    verdict: Annotated[
        str | None, typer.Option(help=f"one of {', '.join(VERDICTS)}; of a consortium report: what it says itself")
    ] = None,
    environment: _Environment = "sandbox",
    name: _Sandbox = "default",
) -> None:
    """Put a report's digest on the ledger under an officer's signature, so that nobody can exchange it later."""
    loaded, workspace = _open(environment, name)
    try:
        raw = report.read_bytes()
    except OSError as error:
        raise ConsortiumError(f"{report}: {error.strerror}") from error
    digest = hashlib.sha256(raw).digest()
    node, args = (
        _node(loaded, workspace, member),
        {"kind": kind, "digest": digest, "verdict": _said(raw, kind, verdict)},
    )
    with officer_key(workspace, loaded.member(member)) as (signer, key), open_client(workspace, node) as client:
        outcome = client.transact("compliance", "anchor", args, key=key, signer=signer)
        if outcome.code != 0:
            raise ConsortiumError(f"the ledger refused: code {outcome.code}: {outcome.log}")
        receipt = records.save_receipt(workspace, client, anchoring.receipt_name(raw).removesuffix(".json"), outcome)
    print(f"{digest.hex()} anchored at height {outcome.height}; receipt {receipt}")
    for shown, problem in records.show_report(loaded, workspace, raw):
        print(f"{shown.name}: {problem or f'shows it at {shown.status_url}/reports/{digest.hex()}'}")


def _said(raw: bytes, kind: str, verdict: str | None) -> str:
    """The verdict to anchor. Raises `ConsortiumError` where the given one is not the report's, or none is known."""
    known = anchoring.verdict_of(raw) if kind == anchoring.KIND else None
    if known is None and verdict is None:
        raise ConsortiumError(f"a {kind} has no verdict that is known here", remedy=f"--verdict: {', '.join(VERDICTS)}")
    if known is not None and verdict not in (None, known):
        raise ConsortiumError(f"the report says {known}, not {verdict}", remedy="leave out --verdict")
    return known or str(verdict)


@app.command()
def record(
    member: _Member,
    record_id: Annotated[str, typer.Argument(help="the record's id; never derived from a person's data")],
    document: Annotated[Path, typer.Argument(help="the document, which stays with the member")],
    environment: _Environment = "sandbox",
    name: _Sandbox = "default",
) -> None:
    """Commit to a document with a fresh salt, read it back with proof, and save the verified receipt."""
    loaded, workspace = _open(environment, name)
    try:
        content = document.read_bytes()
    except OSError as error:
        raise ConsortiumError(f"{document}: {error.strerror}") from error
    node = _node(loaded, workspace, member)
    done = records.commit_record(workspace, loaded.member(member), node, record_id, content)
    print(f"{record_id} committed at height {done.outcome.height}; receipt {done.receipt}")
