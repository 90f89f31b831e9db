"""`gchain-node status`, `query`, `tx`, `receipt`: a node's API from the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from gchain_node.commands.asking import (
    ArgsOption,
    CaOption,
    CertOption,
    KeyOption,
    SignerOption,
    TimeoutOption,
    UrlOption,
    connect,
    json_arguments,
    print_json,
    report,
    sign_and_send,
)
from gchain_node.errors import ConfigurationError

__all__ = ["query_command", "receipt_app", "status_command", "tx_app"]

TrustOption = Annotated[Path | None, typer.Option("--trust", help="The trust file: verify before printing.")]
HashArgument = Annotated[str, typer.Argument(metavar="HASH", help="The transaction's hash, 64 hexadecimal digits.")]
tx_app = typer.Typer(no_args_is_help=True)
receipt_app = typer.Typer(no_args_is_help=True)


def _hash(text: str) -> bytes:
    if not re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", text):
        raise ConfigurationError(f"a transaction hash is 64 hexadecimal digits, got {text!r}")
    return bytes.fromhex(text.removeprefix("0x"))


def status_command(
    url: UrlOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole document.")] = False,
) -> None:
    """What a node says of its ledger and of itself."""
    with connect(url, ca, cert) as client:
        status = client.get("/v1/status")
    if as_json:
        print_json(status)
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
    url: UrlOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    trust: TrustOption = None,
    prove: Annotated[bool, typer.Option("--prove", help="Ask for the proof as well.")] = False,
    out: Annotated[Path | None, typer.Option(help="Save the proof here; `gchain-node verify` reads it.")] = None,
) -> None:
    """A value of the ledger's state; with --trust it is proven, and refused if the proof does not hold."""
    from gchain_node.api.rendering import base64url, json_value

    with connect(url, ca, cert, trust) as client:
        answer = client.query(path, prove=prove or trust is not None or out is not None)
        if out is not None:
            out.write_text(json.dumps(client.saved_proof(path), indent=2) + "\n")
    document = {"path": path, "height": answer.height, "value": json_value(answer.value)}
    if answer.proven:
        document["proven"] = True
    elif answer.proof is not None:
        document["proof"] = base64url(answer.proof.encode())
    print_json(document)
    if answer.value is None:
        raise typer.Exit(1)


@tx_app.command("submit")
def submit(
    file: Annotated[Path, typer.Argument(help="The signed transaction's bytes.")],
    url: UrlOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    timeout: TimeoutOption = 60.0,
) -> None:
    """Submit a signed transaction and wait until a block has it."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from error
    with connect(url, ca, cert) as client:
        report(client.submit(raw, timeout=timeout))


@tx_app.command("send")
def send(
    module: Annotated[str, typer.Argument(help="Such as records.")],
    action: Annotated[str, typer.Argument(help="Such as commit.")],
    args: ArgsOption,
    signer: SignerOption,
    key: KeyOption,
    url: UrlOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    timeout: TimeoutOption = 60.0,
) -> None:
    """Build and sign a transaction with a key, submit it, and wait until a block has it."""
    sign_and_send(url, ca, cert, module, action, json_arguments(args), signer, key, timeout)


@tx_app.command("show")
def show(hash_: HashArgument, url: UrlOption = None, ca: CaOption = None, cert: CertOption = None) -> None:
    """A committed transaction and its result."""
    with connect(url, ca, cert) as client:
        print_json(client.get(f"/v1/tx/{_hash(hash_).hex()}"))


@receipt_app.callback()
def _receipt() -> None:
    """Receipts: what proves a transaction without the node."""


@receipt_app.command("cose")
def cose(
    hash_: HashArgument,
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    url: UrlOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
) -> None:
    """Fetch a transaction's COSE receipt (RFC 9942); `gchain-node verify` says what it proves."""
    with connect(url, ca, cert) as client:
        raw = client.raw(f"/v1/receipts/{_hash(hash_).hex()}/cose")
    out.write_bytes(raw)
    print(f"COSE receipt written to {out}")


@receipt_app.command("tlog-proof")
def tlog_proof(hash_: HashArgument, url: UrlOption = None, ca: CaOption = None, cert: CertOption = None) -> None:
    """Print a transaction's place in the log as a C2SP tlog-proof, for other tools."""
    from gchain_node.tlog.proof_file import TlogProof

    with connect(url, ca, cert) as client:
        print(TlogProof.of_receipt(client.receipt(_hash(hash_), verified=False)["log"]), end="")


@receipt_app.command("fetch")
def fetch(
    hash_: HashArgument,
    url: UrlOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    trust: TrustOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write it to this file instead of the terminal.")] = None,
) -> None:
    """Fetch a receipt; with --trust it is verified first. `gchain-node verify` says what it proves."""
    with connect(url, ca, cert, trust) as client:
        text = json.dumps(client.receipt(_hash(hash_), verified=trust is not None), indent=2) + "\n"
    if out is None:
        print(text, end="")
    else:
        out.write_text(text)
        print(f"receipt written to {out}")
