"""`gchain keys ceremony`: hold a key ceremony, sign its record, verify it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gchain.consortium.ledger import contribution_of
from gchain.consortium.officers import label
from gchain.consortium.register import Register, proven_officers
from gchain.custody.ceremony import QUORUM, Ceremony, Record, add_signature, verify_ceremony
from gchain.custody.hosts import Hosts
from gchain.custody.inventory import keys_of_genesis
from gchain.environment import Environment, load_for
from gchain.errors import ConfigurationError
from gchain.workspace import workspace_of
from gchain_node.keys import PublicKey, load_public_key
from gchain_node.officer import open_officer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)
EnvironmentOption = Annotated[str, typer.Option("--environment", "-e", help="Name of the environment.")]
NameOption = Annotated[str, typer.Option("--name", help="Name of the sandbox (environment sandbox only).")]
FileArgument = Annotated[Path, typer.Argument(help="The record, or its signed envelope.", exists=True, dir_okay=False)]


@app.callback()
def _ceremony() -> None:
    """Make keys in an HSM in front of people, who sign for what they saw."""


@app.command()
def hold(
    member: Annotated[str, typer.Option("--member", "-m", help="The agency whose keys are made.")],
    place: Annotated[str, typer.Option(help="Where the people are, such as the room.")],
    present: Annotated[list[str], typer.Option(help="An officer who is there, as AGENCY/OFFICER; may be repeated.")],
    guests: Annotated[list[str] | None, typer.Option("--guest", help="Somebody else who is there.")] = None,
    quorum: Annotated[int, typer.Option(min=1, help="How many of those present must sign.")] = QUORUM,
    rehearsal: Annotated[
        bool, typer.Option("--rehearsal", help="Ask nobody, and say in the record that it is a rehearsal.")
    ] = False,
    environment: EnvironmentOption = "sandbox",
    name: NameOption = "default",
) -> None:
    """Make the agency's keys step by step, each officer agreeing before each step; writes the record to be signed."""
    workspace = workspace_of(environment, name)
    loaded = load_for(workspace)
    agency = loaded.member(member)
    _refuse_unknown(loaded, present, member, quorum, rehearsal=rehearsal)
    draft = Record(
        consortium=loaded.consortium.name,
        environment=loaded.name,
        member=member,
        place=place,
        rehearsal=rehearsal,
        quorum=quorum,
        present=sorted(set(present)),
        guests=guests or [],
        begun=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    )
    agree = _nobody if rehearsal else _ask
    say = lambda text: print(f"  {text}", flush=True)  # noqa: E731
    steps = Hosts(workspace, member, lambda _: None).ceremony
    path = Ceremony(workspace, agency, draft, agree, say, steps).hold()
    print(f"{path}: to be signed by {quorum} or more of {', '.join(draft.present)} (gchain keys ceremony sign)")


@app.command()
def sign(
    file: FileArgument,
    officer: Annotated[str, typer.Option(help="Who signs, as AGENCY/OFFICER.")],
    store: Annotated[Path | None, typer.Option(help="The officer's own directory; the workspace's by default.")] = None,
    environment: EnvironmentOption = "sandbox",
    name: NameOption = "default",
) -> None:
    """Add an officer's signature: to FILE if it is an envelope, else to FILE with `.dsse.json` at its end."""
    agency, _, who = officer.partition("/")
    key = open_officer(store or workspace_of(environment, name).member(agency).officer, who)
    try:
        target = file if file.name.endswith(".dsse.json") else file.with_suffix(".dsse.json")
        envelope = add_signature((target if target.exists() else file).read_bytes(), officer, key)
    finally:
        key.close()
    target.write_text(json.dumps(envelope, indent=2, sort_keys=True) + "\n")
    print(f"{target}: {len(envelope['signatures'])} signature(s)")


@app.command()
def verify(
    file: FileArgument,
    compare: Annotated[bool, typer.Option("--compare/--alone", help="Compare with the agency's contribution.")] = True,
    environment: EnvironmentOption = "sandbox",
    name: NameOption = "default",
) -> None:
    """Say what a signed record proves; needs the contributions of the public directory, and no network."""
    workspace = workspace_of(environment, name)
    loaded = load_for(workspace)
    payloads = {m.name: contribution_of(workspace, m.name)["payload"] for m in loaded.consortium.members}
    raw = file.read_bytes()
    officers = _officers(payloads, proven_officers(workspace))
    sentence, record = verify_ceremony(raw, officers)
    if compare:
        if record.member not in payloads:
            raise ConfigurationError(f"{file}: {record.member} is no member of {loaded.consortium.name}")
        sentence, _ = verify_ceremony(raw, officers, keys_of_genesis(payloads[record.member]))
    print(sentence)


def _officers(payloads: dict[str, Any], register: Register) -> dict[str, PublicKey]:
    """Those of the contributions; of members whose record on the ledger is proven, those of the ledger."""
    of_genesis = {
        member: {officer["name"]: load_public_key(officer["public_key"]) for officer in payload["officers"]}
        for member, payload in payloads.items()
    }
    return {f"{m}/{name}": key for m, keys in {**of_genesis, **register}.items() for name, key in keys.items()}


def _refuse_unknown(loaded: Environment, present: list[str], member: str, quorum: int, *, rehearsal: bool) -> None:
    known = {f"{m.name}/{label(o.name)}" for m in loaded.consortium.members for o in m.officers}
    unknown = sorted(set(present) - known)
    if unknown:
        raise ConfigurationError(f"no officer {unknown[0]!r}", remedy=f"there are {', '.join(sorted(known))}")
    if not any(each.startswith(f"{member}/") for each in present):
        raise ConfigurationError(f"no officer of {member} is present: the keys are that agency's")
    if not rehearsal and quorum < QUORUM:
        raise ConfigurationError(f"a ceremony needs {QUORUM} officers or more; a rehearsal may do with {quorum}")
    if len(set(present)) < quorum:
        raise ConfigurationError(f"{quorum} must sign, and {len(set(present))} are present")
    if not rehearsal and not sys.stdin.isatty():
        raise ConfigurationError("a ceremony asks people, and this is no terminal", remedy="--rehearsal asks nobody")


def _ask(officer: str, what: str) -> bool:
    return typer.confirm(f"{officer}: do you agree to this step: {what}?")


def _nobody(officer: str, what: str) -> bool:
    return True
