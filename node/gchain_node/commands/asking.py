"""What every command that asks a node shares: which node, how it is known, and how answers are shown."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gchain_node.errors import ConfigurationError

if TYPE_CHECKING:
    from gchain_node.client import Client, Outcome

__all__ = [
    "ArgsOption",
    "CaOption",
    "CertOption",
    "JsonOption",
    "KeyOption",
    "SignerOption",
    "TimeoutOption",
    "UrlOption",
    "connect",
    "json_arguments",
    "print_json",
    "print_table",
    "report",
    "sign_and_send",
]

UrlOption = Annotated[
    list[str] | None,
    typer.Option(
        "--url",
        envvar="GCHAIN_NODE_URL",
        help="A node's API; of several the next one is asked when one is away. http://127.0.0.1:8080 by default.",
    ),
]
CaOption = Annotated[
    Path | None, typer.Option("--ca", envvar="GCHAIN_NODE_CA", help="PEM certificates that issued the nodes' leaves.")
]
CertOption = Annotated[
    Path | None,
    typer.Option(
        "--cert",
        envvar="GCHAIN_NODE_CERT",
        help="PEM with a member's client certificate and its key, for reads that are not public.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SignerOption = Annotated[str, typer.Option(help="<member> or <member>/<officer>.")]
KeyOption = Annotated[str, typer.Option(help="Key URI: pkcs11:... or, for development, file:...")]
ArgsOption = Annotated[str, typer.Option(help="Arguments as JSON; a text 'hex:...' stands for bytes.")]
TimeoutOption = Annotated[float, typer.Option(help="Seconds to wait for its block.")]
_URL = "http://127.0.0.1:8080"


def connect(urls: Sequence[str] | None, ca: Path | None, cert: Path | None = None, trust: Path | None = None) -> Client:
    """A client of the nodes at `urls`. Raises `ConfigurationError` for a file that cannot be used."""
    from gchain_node.client import Client
    from gchain_node.proof.cli import read_json
    from gchain_node.proof.trust import Trust

    anchor = None if trust is None else Trust.from_json(read_json(trust))
    return Client(list(urls or [_URL]), verify=_context(ca, cert), trust=anchor)


def _context(ca: Path | None, cert: Path | None) -> ssl.SSLContext | bool:
    if ca is None and cert is None:
        return True
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(f"--ca {ca}: {error}") from error
    if cert is not None:
        try:
            context.load_cert_chain(cert)
        except OSError as error:
            raise ConfigurationError(f"--cert {cert}: {error}") from error
    return context


def print_json(document: Any) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as what is in them; control characters of what others wrote are shown escaped."""
    cells = [list(headings), *([_plain(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _plain(cell: object) -> str:
    text = "-" if cell is None or cell == "" else str(cell)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def json_arguments(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"--args is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise ConfigurationError('--args must be a JSON object, such as \'{"id": "r1", "commitment": "hex:..."}\'')
    return {str(key): _with_bytes(value) for key, value in parsed.items()}


def _with_bytes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_bytes(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_bytes(item) for item in value]
    if isinstance(value, str) and value.startswith("hex:"):
        try:
            return bytes.fromhex(value.removeprefix("hex:"))
        except ValueError as error:
            raise ConfigurationError(f"--args: {value[:40]!r} is not hexadecimal") from error
    return value


def report(outcome: Outcome) -> None:
    from gchain_node.api.rendering import code_name

    place = f"block {outcome.height}, place {outcome.index}" if outcome.committed else "refused before a block"
    print(f"{outcome.hash.hex()} {code_name(outcome.code)} ({place})")
    if outcome.code != 0:
        print(outcome.log)
        raise typer.Exit(1)


def sign_and_send(
    urls: Sequence[str] | None,
    ca: Path | None,
    cert: Path | None,
    module: str,
    action: str,
    args: dict[str, Any],
    signer: str,
    key: str,
    timeout: float,
) -> None:
    """Sign a transaction with the key that the URI names, wait until a block has it, and say what became of it."""
    from gchain_node.keys import open_key

    opened = open_key(key)
    try:
        with connect(urls, ca, cert) as client:
            report(client.transact(module, action, args, key=opened, signer=signer, timeout=timeout))
    finally:
        opened.close()
