"""`gchain-node contribution`: what a member brings to genesis."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from gchain_node.contribution import Facts, prove_validator
from gchain_node.contribution import make as make_contribution
from gchain_node.contribution import verify as verify_contribution
from gchain_node.errors import ConfigurationError, GenesisError
from gchain_node.keys import open_key
from gchain_node.signer.config import load_config

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="What a member brings to genesis.")

OutOption = Annotated[Path, typer.Option(help="Where the result goes.")]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid")
    member: str
    receipt: str


class _File(Facts):
    """contribution.toml: the facts, the key URIs, and the files that others made."""

    keys: _Keys
    tls_ca: str
    validator_pop: str
    officers: list[str]


@app.command()
def pop(
    consortium: Annotated[str, typer.Option(help="The consortium's name.")],
    member: Annotated[str, typer.Option(help="The agency.")],
    out: OutOption,
    config: Annotated[Path, typer.Option(help="signer.toml")] = Path("/etc/gchain/signer.toml"),
) -> None:
    """Prove possession of the validator key; run as the signer's user, which has its PIN."""
    key = open_key(load_config(config).key)
    _write(out, prove_validator(key, consortium=consortium, member=member))
    typer.echo(f"proof of possession for {member}'s validator key in {out}")


@app.command()
def make(config: Annotated[Path, typer.Option(help="contribution.toml")], out: OutOption) -> None:
    """Make and sign the contribution; run as the node's user, which has the member token's PIN."""
    settings = _load(config)
    facts = Facts.model_validate({name: getattr(settings, name) for name in Facts.model_fields})
    contribution = make_contribution(
        facts,
        validator=_read_json(Path(settings.validator_pop)),
        officers=[_read_json(Path(path)) for path in settings.officers],
        tls_ca=_read_text(Path(settings.tls_ca)),
        member_key=open_key(settings.keys.member),
        receipt_key=open_key(settings.keys.receipt),
    )
    _write(out, contribution)
    typer.echo(f"contribution of {settings.member} in {out}")


@app.command()
def verify(
    files: Annotated[list[Path], typer.Argument(help="Contributions.")],
    consortium: Annotated[str | None, typer.Option(help="The consortium that they must be for.")] = None,
) -> None:
    """Check contributions; says which is wrong and why."""
    for path in files:
        try:
            verify_contribution(_read_json(path), consortium=consortium)
        except GenesisError as error:
            raise GenesisError(f"{path}: {error}") from error
        typer.echo(f"{path}: good")


def _load(path: Path) -> _File:
    try:
        return _File.model_validate(tomllib.loads(_read_text(path)))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not a TOML file: {error}") from error
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise ConfigurationError("\n".join(lines)) from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_read_text(path))
    except ValueError as error:
        raise ConfigurationError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path}: a JSON object expected, {type(document).__name__} found")
    return document


def _write(path: Path, document: dict[str, Any]) -> None:
    try:
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
        fresh.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
