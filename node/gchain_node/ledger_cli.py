"""`gchain-node status`, `query`, `tx`, `receipt`: a node's API from the command line."""

from __future__ import annotations

import json
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gchain_node.errors import ConfigurationError

if TYPE_CHECKING:
    from gchain_node.client import Client, Outcome

__all__ = ["query_command", "receipt_app", "status_command", "tx_app"]

UrlOption = Annotated[str, typer.Option("--url", envvar="GCHAIN_NODE_URL", help="The node's API.")]
CaOption = Annotated[
    Path | None, typer.Option("--ca", envvar="GCHAIN_NODE_CA", help="PEM certificate that issued the node's leaf.")
]
TrustOption = Annotated[Path | None, typer.Option("--trust", help="The trust file: verify before printing.")]
HashArgument = Annotated[str, typer.Argument(metavar="HASH", help="The transaction's hash, 64 hexadecimal digits.")]
_URL = "http://127.0.0.1:8080"

tx_app = typer.Typer(no_args_is_help=True)
receipt_app = typer.Typer(no_args_is_help=True)


def _connect(url: str, ca: Path | None, trust: Path | None = None) -> Client:
    from gchain_node.client import Client
    from gchain_node.proof.cli import read_json
    from gchain_node.proof.trust import Trust

    anchor = None if trust is None else Trust.from_json(read_json(trust))
    if ca is None:
        return Client(url, trust=anchor)
    try:
        return Client(url, verify=ssl.create_default_context(cafile=str(ca)), trust=anchor)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(f"--ca {ca}: {error}") from error


def _hash(text: str) -> bytes:
    if not re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", text):
        raise ConfigurationError(f"a transaction hash is 64 hexadecimal digits, got {text!r}")
    return bytes.fromhex(text.removeprefix("0x"))


def _print(document: Any) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


def status_command(
    url: UrlOption = _URL,
    ca: CaOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole document.")] = False,
) -> None:
    """What a node says of its ledger and of itself."""
    with _connect(url, ca) as client:
        status = client.get("/v1/status")
    if as_json:
        _print(status)
        return
    power = status["voting_power"]
    print(f"ledger    {status['chain_id']} ({status['phase']}), height {status['height']}")
    print(f"node      of {status['member']}, {status['engine']['name']} {status['engine']['version']}")
    print(f"members   {', '.join(member['member'] for member in status['members']) or 'none'}")
    print(f"validators {len(status['validators'])}, voting power {power['total']}; peers {len(status['peers'])}")
    for reason in status["not_ready"]:
        print(f"not ready: {reason}")


def query_command(
    path: Annotated[str, typer.Argument(help="consortium, members, members/<m>, records/<id>, rules, ...")],
    url: UrlOption = _URL,
    ca: CaOption = None,
    trust: TrustOption = None,
    prove: Annotated[bool, typer.Option("--prove", help="Ask for the proof as well.")] = False,
    out: Annotated[Path | None, typer.Option(help="Save the proof here; `gchain-node verify` reads it.")] = None,
) -> None:
    """A value of the ledger's state; with --trust it is proven, and refused if the proof does not hold."""
    from gchain_node.api.rendering import base64url, json_value

    with _connect(url, ca, trust) as client:
        answer = client.query(path, prove=prove or trust is not None or out is not None)
        if out is not None:
            out.write_text(json.dumps(client.saved_proof(path), indent=2) + "\n")
    document = {"path": path, "height": answer.height, "value": json_value(answer.value)}
    if answer.proven:
        document["proven"] = True
    elif answer.proof is not None:
        document["proof"] = base64url(answer.proof.encode())
    _print(document)
    if answer.value is None:
        raise typer.Exit(1)


@tx_app.command("submit")
def submit(
    file: Annotated[Path, typer.Argument(help="The signed transaction's bytes.")],
    url: UrlOption = _URL,
    ca: CaOption = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for its block.")] = 60.0,
) -> None:
    """Submit a signed transaction and wait until a block has it."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from error
    with _connect(url, ca) as client:
        _report(client.submit(raw, timeout=timeout))


@tx_app.command("send")
def send(
    module: Annotated[str, typer.Argument(help="Such as records.")],
    action: Annotated[str, typer.Argument(help="Such as commit.")],
    args: Annotated[str, typer.Option(help="Arguments as JSON; a text 'hex:...' stands for bytes.")],
    signer: Annotated[str, typer.Option(help="<member> or <member>/<officer>.")],
    key: Annotated[str, typer.Option(help="Key URI: pkcs11:... or, for development, file:...")],
    url: UrlOption = _URL,
    ca: CaOption = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for its block.")] = 60.0,
) -> None:
    """Build and sign a transaction with a key, submit it, and wait until a block has it."""
    from gchain_node.keys import open_key

    opened = open_key(key)
    try:
        with _connect(url, ca) as client:
            _report(client.transact(module, action, _arguments(args), key=opened, signer=signer, timeout=timeout))
    finally:
        opened.close()


@tx_app.command("show")
def show(hash_: HashArgument, url: UrlOption = _URL, ca: CaOption = None) -> None:
    """A committed transaction and its result."""
    with _connect(url, ca) as client:
        _print(client.get(f"/v1/tx/{_hash(hash_).hex()}"))


@receipt_app.callback()
def _receipt() -> None:
    """Receipts: what proves a transaction without the node."""


@receipt_app.command("cose")
def cose(
    hash_: HashArgument,
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    url: UrlOption = _URL,
    ca: CaOption = None,
) -> None:
    """Fetch a transaction's COSE receipt (RFC 9942); `gchain-node verify` says what it proves."""
    with _connect(url, ca) as client:
        raw = client.raw(f"/v1/receipts/{_hash(hash_).hex()}/cose")
    out.write_bytes(raw)
    print(f"COSE receipt written to {out}")


@receipt_app.command("tlog-proof")
def tlog_proof(hash_: HashArgument, url: UrlOption = _URL, ca: CaOption = None) -> None:
    """Print a transaction's place in the log as a C2SP tlog-proof, for other tools."""
    from gchain_node.tlog.proof_file import TlogProof

    with _connect(url, ca) as client:
        print(TlogProof.of_receipt(client.receipt(_hash(hash_), verified=False)["log"]), end="")


@receipt_app.command("fetch")
def fetch(
    hash_: HashArgument,
    url: UrlOption = _URL,
    ca: CaOption = None,
    trust: TrustOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write it to this file instead of the terminal.")] = None,
) -> None:
    """Fetch a receipt; with --trust it is verified first. `gchain-node verify` says what it proves."""
    with _connect(url, ca, trust) as client:
        text = json.dumps(client.receipt(_hash(hash_), verified=trust is not None), indent=2) + "\n"
    if out is None:
        print(text, end="")
    else:
        out.write_text(text)
        print(f"receipt written to {out}")


def _arguments(text: str) -> dict[str, Any]:
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


def _report(outcome: Outcome) -> None:
    from gchain_node.api.rendering import code_name

    place = f"block {outcome.height}, place {outcome.index}" if outcome.committed else "refused before a block"
    print(f"{outcome.hash.hex()} {code_name(outcome.code)} ({place})")
    if outcome.code != 0:
        print(outcome.log)
        raise typer.Exit(1)
