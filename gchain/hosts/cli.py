"""`gchain host`: one member's hosts, each playbook with that member's own inventory, key and account."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gchain.environment import load
from gchain.hosts import wheelhouse
from gchain.hosts.playbook import Outcome, prepare_member, run_playbook
from gchain.workspace import workspace_of

__all__ = ["app"]

app = typer.Typer(help=__doc__, no_args_is_help=True)

MemberOption = Annotated[str, typer.Option("--member", help="The agency whose hosts are meant.")]
EnvironmentOption = Annotated[str, typer.Option("--environment", help="Name of the environment.")]
SandboxOption = Annotated[str, typer.Option("--name", help="Name of the sandbox, where the environment is `sandbox`.")]
CheckOption = Annotated[bool, typer.Option("--check", help="Say what would change, and change nothing.")]
DigestOption = Annotated[
    str | None, typer.Option("--genesis-digest", help="Digest that the members signed; else the one accepted before.")
]


def _run(
    playbook: str, environment: str, sandbox: str, member: str, extra: dict[str, object], *, check: bool = False
) -> None:
    load(environment).member(member)
    workspace = workspace_of(environment, sandbox)
    outcome = run_playbook(workspace, member, playbook, extra, lambda text: print(f"  {text}", flush=True), check=check)
    _report(outcome)


def _report(outcome: Outcome) -> None:
    for host, counts in outcome.hosts.items():
        print(f"{host}: {counts.get('ok', 0)} ok, {counts.get('changed', 0)} changed")


@app.command()
def site(
    member: MemberOption,
    environment: EnvironmentOption = "sandbox",
    sandbox: SandboxOption = "default",
    check: CheckOption = False,
) -> None:
    """Bring the hosts to their state: hardening, programs, tokens and keys; the ledger too, once it is agreed."""
    _run("site", environment, sandbox, member, {}, check=check)


@app.command()
def contribution(
    member: MemberOption, environment: EnvironmentOption = "sandbox", sandbox: SandboxOption = "default"
) -> None:
    """Make and sign the member's genesis contribution on its validator, and fetch it to the public directory."""
    _run("contribution", environment, sandbox, member, {})


@app.command()
def sign(
    member: MemberOption,
    digest: DigestOption = None,
    environment: EnvironmentOption = "sandbox",
    sandbox: SandboxOption = "default",
) -> None:
    """Sign the genesis document that this member checked."""
    _run("sign", environment, sandbox, member, _digest(digest))


@app.command()
def start(
    member: MemberOption,
    digest: DigestOption = None,
    environment: EnvironmentOption = "sandbox",
    sandbox: SandboxOption = "default",
) -> None:
    """Start the ledger from the agreed genesis document."""
    _run("start", environment, sandbox, member, _digest(digest))


@app.command()
def facts(member: MemberOption, environment: EnvironmentOption = "sandbox", sandbox: SandboxOption = "default") -> None:
    """Collect facts of the hosts as evidence for the policies."""
    _run("facts", environment, sandbox, member, {})


@app.command()
def gate(member: MemberOption, environment: EnvironmentOption = "sandbox", sandbox: SandboxOption = "default") -> None:
    """Give the hosts' own gate the zone and waivers of now, judge the hosts and record the verdict on the ledger."""
    _run("gate", environment, sandbox, member, {})


@app.command()
def backup(
    member: MemberOption, environment: EnvironmentOption = "sandbox", sandbox: SandboxOption = "default"
) -> None:
    """Copy the ledger data of the hosts to this machine; no key and no signer's journal is in the copy."""
    _run("backup", environment, sandbox, member, {})


@app.command()
def restore(
    member: MemberOption,
    copy: Annotated[Path, typer.Argument(help="A backup's .tar.gz, with its .json beside it.", exists=True)],
    environment: EnvironmentOption = "sandbox",
    sandbox: SandboxOption = "default",
) -> None:
    """Put a backup's ledger data back on the host it came from; the signer stays where it is."""
    _run("restore", environment, sandbox, member, {"gchain_backup": str(copy.resolve())})


@app.command()
def inventory(
    member: MemberOption, environment: EnvironmentOption = "sandbox", sandbox: SandboxOption = "default"
) -> None:
    """Write the member's inventory file and print its path, for `ansible-playbook -i` by hand."""
    load(environment).member(member)
    print(prepare_member(workspace_of(environment, sandbox), member))


@app.command("wheelhouse")
def wheelhouse_command() -> None:
    """Build what hosts install (wheels with hashes, the engine) into the cache, and print where it is."""
    print(wheelhouse.build(lambda text: print(f"  {text}", flush=True)).directory)


def _digest(digest: str | None) -> dict[str, object]:
    return {"gchain_genesis_digest": digest} if digest else {}
