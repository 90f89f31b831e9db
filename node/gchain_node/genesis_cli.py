"""`gchain-node genesis`: build the document from contributions, check it, sign its digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gchain_node import genesis
from gchain_node.errors import ConfigurationError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

GenesisArgument = Annotated[Path, typer.Argument(help="The genesis document.")]
OutOption = Annotated[Path, typer.Option("--out", help="File to write.")]


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path}: a JSON object is expected")
    return document


@app.command()
def build(
    contributions: Annotated[list[Path], typer.Argument(help="The members' contributions, in any order.")],
    rules: Annotated[Path, typer.Option(help="The enforced rule set: {digest, enforced}.")],
    consortium: Annotated[str, typer.Option()],
    chain_id: Annotated[str, typer.Option()],
    convenor: Annotated[str, typer.Option()],
    environment: Annotated[str, typer.Option()],
    zone_digest: Annotated[str, typer.Option(help="sha256:<hex> of the zone.")],
    time: Annotated[str, typer.Option(help="Agreed by all, e.g. 2026-11-23T00:00:00Z.")],
    out: OutOption,
    validator_key_type: Annotated[str, typer.Option(help="ed25519 or secp256k1.")] = "ed25519",
    go_live: Annotated[str, typer.Option(help=f"One of {', '.join(genesis.THRESHOLDS)}.")] = "all",
    proposal: Annotated[str, typer.Option(help=f"One of {', '.join(genesis.THRESHOLDS)}.")] = "two-thirds",
) -> None:
    """Build the genesis document: the same files and settings give the same bytes at every member."""
    settings = genesis.Settings(
        consortium=consortium,
        chain_id=chain_id,
        convenor=convenor,
        environment=environment,
        zone_digest=zone_digest,
        genesis_time=time,
        validator_key_type=validator_key_type,
        go_live_threshold=go_live,
        proposal_threshold=proposal,
    )
    document = genesis.build([_read(path) for path in contributions], settings, _read(rules))
    out.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    print(genesis.digest(document))


@app.command()
def check(
    document: GenesisArgument,
    signatures: Annotated[list[Path] | None, typer.Option("--signature", help="A member's signature; repeat.")] = None,
) -> None:
    """Check the document and, if given, that every member signed its digest and nobody else did."""
    read = _read(document)
    genesis.check(read)
    if signatures:
        genesis.check_signatures(read, [_read(path) for path in signatures])
    members = ", ".join(entry["payload"]["member"] for entry in read["app_state"]["contributions"])
    signed = "signed by every member" if signatures else "signatures were not looked at"
    print(f"{genesis.digest(read)}: ledger {read['chain_id']} of {members}; {signed}")


@app.command()
def digest(document: GenesisArgument) -> None:
    """Print the digest that the members sign."""
    print(genesis.digest(_read(document)))


@app.command()
def sign(
    document: GenesisArgument,
    member: Annotated[str, typer.Option(help="Whose signature this is.")],
    key: Annotated[str, typer.Option(help="URI of the member key.")],
    out: OutOption,
) -> None:
    """Check the document and sign its digest with the member key."""
    from gchain_node.keys import open_key

    read = _read(document)
    genesis.check(read)
    opened = open_key(key)
    try:
        signature = genesis.sign(read, member, opened)
    finally:
        opened.close()
    out.write_text(json.dumps(signature, indent=2) + "\n")
    print(f"{member} signed {signature['digest']}")
