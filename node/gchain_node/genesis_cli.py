"""`gchain-node genesis`: build, check, digest, sign, and the trust file that follows from genesis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gchain_node import genesis
from gchain_node.errors import ConfigurationError
from gchain_node.keys import open_key
from gchain_node.proof import trust

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
_Document = Annotated[Path, typer.Argument(help="The genesis document.")]


@app.command()
def build(
    settings: Annotated[Path, typer.Option(help="JSON: consortium, chain_id, convenor, environment, zone_digest, ...")],
    rules: Annotated[Path, typer.Option(help="JSON: {digest, enforced}")],
    out: Annotated[Path, typer.Option(help="Where to write the document.")],
    contributions: Annotated[list[Path], typer.Argument(help="Every member's contribution.")],
) -> None:
    """Build the document from the members' contributions; the same files make the same bytes everywhere."""
    try:
        chosen = genesis.Settings(**_read(settings))
    except TypeError as error:
        raise ConfigurationError(f"{settings}: {error}") from error
    document = genesis.build([_read(path) for path in contributions], chosen, _read(rules))
    out.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    print(genesis.digest(document))


@app.command()
def check(
    document: _Document,
    signatures: Annotated[
        list[Path] | None, typer.Option("--signature", help="A member's signature; all are needed.")
    ] = None,
) -> None:
    """Check that a ledger can start from the document, and with --signature that every member signed it."""
    found = _read(document)
    genesis.check(found)
    if signatures:
        genesis.check_signatures(found, [_read(path) for path in signatures])
    print(genesis.digest(found))


@app.command()
def digest(document: _Document) -> None:
    """Print the document's digest, which members compare and sign."""
    print(genesis.digest(_read(document)))


@app.command()
def sign(
    document: _Document,
    member: Annotated[str, typer.Option(help="Who signs.")],
    key: Annotated[str, typer.Option(help="URI of the member key.")],
    out: Annotated[Path, typer.Option(help="Where to write the signature.")],
) -> None:
    """Check the document and sign its digest with the member key."""
    found = _read(document)
    genesis.check(found)
    signature = genesis.sign(found, member, open_key(key))
    out.write_text(json.dumps(signature, indent=2, sort_keys=True) + "\n")
    print(signature["digest"])


@app.command(name="trust")
def write_trust(document: _Document, out: Annotated[Path, typer.Option(help="Where to write trust.json.")]) -> None:
    """Write the trust file that verifies receipts of this ledger."""
    found = _read(document)
    genesis.check(found)
    anchor = trust.from_genesis(found, genesis.digest(found))
    out.write_text(json.dumps(anchor.to_json(), indent=2, sort_keys=True) + "\n")
    print(f"trust in {anchor.chain_id}, genesis {anchor.genesis_digest}, written to {out}")


def _read(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises `ConfigurationError`."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path}: a JSON object expected, {str(found)[:40]} found")
    return found
