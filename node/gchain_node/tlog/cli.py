"""`gchain-node log`: have a ledger's log cosigned, look at its head, fetch what a state sync left out."""

from __future__ import annotations

import ssl
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import httpx
import typer

from gchain_node.errors import ApiError, ConfigurationError, VerificationError
from gchain_node.store import Store
from gchain_node.tlog.cosigning import cosigned_by, hand_in
from gchain_node.tlog.filling import fill_log
from gchain_node.tlog.policy import Policy
from gchain_node.tlog.tiles import WIDTH, TilePath

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


@app.command("fill")
def fill_command(
    config: Annotated[Path, typer.Option("--config", help="Configuration of this node, which must be stopped.")],
    url: Annotated[str, typer.Option("--url", help="The API of a node that has the whole log.")],
    ca: CaOption = None,
) -> None:
    """Fetch the log's entries from before a state sync from another node, checked against this node's own state."""
    from gchain_node.config import DATABASE, load_config

    path = load_config(config).home / DATABASE
    if not path.is_file():
        raise ConfigurationError(f"{path}: no such database")
    with closing(Store(path)) as store, _client(url, ca) as source:
        filled = fill_log(store, lambda tile: _bundle(source, tile), _progress)
    print(
        f"{path}: {filled} entries were fetched and agree with the state" if filled else f"{path}: nothing is missing"
    )


def _bundle(source: httpx.Client, path: TilePath) -> bytes:
    """Raises `ApiError`."""
    try:
        answer = source.get(f"/tile/{path}")
    except httpx.HTTPError as error:
        raise ApiError(f"{source.base_url}: tile {path}: {error or type(error).__name__}") from error
    if answer.status_code != 200:
        raise ApiError(
            f"{source.base_url}: tile {path}: the node answered {answer.status_code}",
            status=answer.status_code,
            remedy="fetch from a node whose /v1/log says `first` 0",
        )
    return answer.content


def _progress(done: int, missing: int) -> None:
    if done == missing or done % 100_000 < WIDTH:
        print(f"  {done} of {missing} entries", file=sys.stderr)


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
