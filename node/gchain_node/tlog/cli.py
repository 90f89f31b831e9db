"""`gchain-node log`: have a ledger's log cosigned, and look at its head."""

from __future__ import annotations

import ssl
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import httpx
import typer

from gchain_node.errors import ConfigurationError, VerificationError
from gchain_node.tlog.cosigning import cosigned_by, hand_in
from gchain_node.tlog.policy import Policy

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)
UrlOption = Annotated[str, typer.Option("--url", envvar="GCHAIN_NODE_URL", help="The node's API.")]
CaOption = Annotated[Path | None, typer.Option("--ca", envvar="GCHAIN_NODE_CA", help="Issuer of the node's leaf.")]
_URL = "http://127.0.0.1:8080"


@app.callback()
def _log() -> None:
    """The ledger's transparency log."""


@app.command("checkpoint")
def checkpoint_command(url: UrlOption = _URL, ca: CaOption = None) -> None:
    """The log's head now, signed by the node's member."""
    with _client(url, ca) as node:
        print(cosigned_by(node, []), end="")


@app.command("cosign")
def cosign_command(
    policy: Annotated[Path, typer.Option(help="Witness policy (C2SP tlog-policy): witnesses, addresses, quorum.")],
    url: UrlOption = _URL,
    ca: CaOption = None,
    out: Annotated[Path | None, typer.Option(help="Write the cosigned checkpoint to this file.")] = None,
    keep: Annotated[bool, typer.Option("--hand-in/--keep", help="Give it to the node, which must know them.")] = True,
) -> None:
    """Bring the node's checkpoint to the witnesses of a policy and collect their cosignatures, which must be enough."""
    known = _policy(policy)
    addresses = [witness.url for witness in known.witnesses.values() if witness.url]
    with ExitStack() as stack:
        node = stack.enter_context(_client(url, ca))
        witnesses = [stack.enter_context(_client(address, None)) for address in addresses]
        note = cosigned_by(node, witnesses, lambda error: print(error, file=sys.stderr))
        signed = {entry.key for entry in note.verify([witness.key for witness in known.witnesses.values()])}
        if not known.satisfied(signed):
            raise VerificationError(f"{len(signed)} witnesses cosigned, which is less than the quorum of {policy}")
        if keep:
            hand_in(node, note)
    if out is not None:
        out.write_text(str(note))
    print(note, end="")


def _policy(path: Path) -> Policy:
    try:
        return Policy.parse(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--policy {path}: {error}") from error


def _client(url: str, ca: Path | None) -> httpx.Client:
    try:
        verify = True if ca is None else ssl.create_default_context(cafile=str(ca))
    except OSError as error:
        raise ConfigurationError(f"--ca {ca}: {error}") from error
    return httpx.Client(base_url=url, verify=verify, timeout=30, trust_env=False)
