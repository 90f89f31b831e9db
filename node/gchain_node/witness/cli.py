"""`gchain-node witness`: run a witness, or print its verifier key."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gchain_node.config import parse_listen
from gchain_node.errors import ConfigurationError, KeyAccessError, StateError
from gchain_node.keys import open_key
from gchain_node.tlog.note import VerifierKey, is_key_name
from gchain_node.tlog.signing import cosigner_key
from gchain_node.witness.memory import WitnessMemory
from gchain_node.witness.witness import Witness

__all__ = ["app", "witness_application"]

_MAX_BODY = 128 * 1024

app = typer.Typer(no_args_is_help=True)
KeyOption = Annotated[str, typer.Option("--key", help="URI of an Ed25519 key: pkcs11:... or file:...")]
NameOption = Annotated[str, typer.Option("--name", help="The witness' name, such as witness.audit-office.example")]


@app.callback()
def _witness() -> None:
    """A witness of ledgers' logs, for a body outside the consortium (C2SP tlog-witness)."""


@app.command("key")
def key_command(key: KeyOption, name: NameOption) -> None:
    """Print the verifier key: what node.toml's log.witnesses and a trust file's witness.keys name."""
    opened = open_key(key)
    try:
        print(cosigner_key(_name(name), opened.public_key))
    finally:
        opened.close()


@app.command("run")
def run_command(
    key: KeyOption,
    name: NameOption,
    state: Annotated[Path, typer.Option(help="Directory with what was cosigned. Never restore an older copy of it.")],
    trust: Annotated[list[Path], typer.Option(help="Trust file of a ledger to witness; may be given several times.")],
    listen: Annotated[str, typer.Option(help="Address and port.")] = "127.0.0.1:8500",
) -> None:
    """Cosign each checkpoint that extends the one before: POST /add-checkpoint."""
    import uvicorn

    try:
        address = parse_listen(listen)
    except ValueError as error:
        raise ConfigurationError(f"--listen: {error}") from error
    memory, opened = WitnessMemory(state), open_key(key)
    try:
        cosigner_key(_name(name), opened.public_key)
        witness = Witness(name, opened, logs_of(trust), memory, lambda: int(time.time()))
        print(f"witness {name} at http://{address.host}:{address.port}/add-checkpoint", flush=True)
        application = witness_application(witness)
        uvicorn.run(application, host=address.host, port=address.port, log_level="warning", server_header=False)
    finally:
        opened.close()
        memory.close()


def witness_application(witness: Witness) -> Starlette:
    """The HTTP application: one route."""

    async def add_checkpoint(request: HttpRequest) -> Response:
        body = await request.body()
        try:
            answer = await to_thread.run_sync(witness.add_checkpoint, body)
        except (StateError, KeyAccessError) as error:
            return PlainTextResponse(f"nothing was cosigned: {error}\n", 503)
        return Response(answer.body, answer.status, media_type=answer.media_type)

    return Starlette(routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"])], max_body_size=_MAX_BODY)


def logs_of(paths: list[Path]) -> dict[str, list[VerifierKey]]:
    """The logs of trust files, and the keys that may sign their checkpoints."""
    logs: dict[str, list[VerifierKey]] = {}
    for path in paths:
        try:
            document: dict[str, Any] = json.loads(path.read_bytes())
            keys = [VerifierKey.parse(entry["key"]) for entry in document["log_keys"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{path}: no trust file that names log keys: {error}") from error
        for key in keys:
            logs.setdefault(key.name, []).append(key)
    return logs


def _name(name: str) -> str:
    if not is_key_name(name):
        raise ConfigurationError(f"--name {name!r}: expected a name without spaces and plus signs")
    return name
