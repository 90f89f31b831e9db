"""`gchain-node signer`: the validator's remote signer."""

from __future__ import annotations

import json
import logging
import os
import pwd
import signal
import socket
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Any

import typer

from gchain_node.errors import ConfigurationError, SigningRefused
from gchain_node.keys.key import Key
from gchain_node.keys.provider import open_key
from gchain_node.keys.public import cometbft_address, cometbft_type, encode_public_key
from gchain_node.sdnotify import notify
from gchain_node.signer.config import SignerConfig, load_config
from gchain_node.signer.fence import Fence
from gchain_node.signer.journal import Identity, Journal, highest_seen
from gchain_node.signer.signer import Signer
from gchain_node.signer.storage import DirectoryStorage
from gchain_node.signer.succession import Answering, Succession

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The validator's remote signer.")

ConfigOption = Annotated[Path, typer.Option("--config", help="signer.toml")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
HaltedOption = Annotated[
    bool, typer.Option("--halted", help="The chain waits for this validator: allow the height that is in flight.")
]


@app.command()
def init(
    config: ConfigOption = Path("/etc/gchain/signer.toml"),
    initial_height: Annotated[
        int | None,
        typer.Option(min=1, help="First height that may be signed; above everything this key signed before."),
    ] = None,
    following: Annotated[
        bool, typer.Option("--next", help="The journal of the key under [next], which begins at its first height.")
    ] = False,
    halted: HaltedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Begin the double-sign journal. A sound journal that begins at this height is left as it is."""
    settings = load_config(config)
    if following:
        settings, initial_height = _following(settings)
    if initial_height is None:
        raise ConfigurationError(
            "--initial-height is needed", remedy="1 for a new key; else a height above the chain's"
        )
    _begin(settings, _open_key(settings), initial_height, halted=halted, as_json=as_json)


@app.command("take-over")
def take_over(
    initial_height: Annotated[
        int,
        typer.Option(min=2, help="First height that this signer may sign; above the chain's and the registration's."),
    ],
    config: ConfigOption = Path("/etc/gchain/signer.toml"),
    halted: HaltedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Begin to sign on this host with a key that another host signed with, once the ledger names this signer.

    An officer registers it first: membership/register_signer with the id and the epoch under [fence].
    """
    settings = load_config(config)
    key = _open_key(settings)
    fence = _fence(settings, key)
    if fence is None or not fence.epoch:
        raise ConfigurationError("a take-over needs [fence] with view, id and epoch (1 or above) in signer.toml")
    fence.check_registered()
    _begin(settings, key, initial_height, halted=halted, as_json=as_json)


def _begin(settings: SignerConfig, key: Key, initial_height: int, *, halted: bool, as_json: bool) -> None:
    fence = _fence(settings, key)
    with closing(DirectoryStorage(settings.journal)) as storage:
        created = not _is_sound(storage, settings, key, initial_height)
        if created:
            if fence is not None:
                fence.check_initial_height(initial_height, halted=halted)
            Journal.create(storage, Identity(settings.chain_id, key.kid.hex(), initial_height))
    report = {"journal": str(settings.journal), "initial_height": initial_height, "created": created}
    line = f"journal {settings.journal} from height {initial_height}: {'created' if created else 'present'}"
    typer.echo(json.dumps(report) if as_json else line)


@app.command()
def run(config: ConfigOption = Path("/etc/gchain/signer.toml")) -> None:
    """Sign for the engine until told to stop. Refuses to start without a sound journal."""
    from gchain_node.signer.service import SignerService

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    settings = load_config(config)
    with ExitStack() as held:
        signer = _signer(settings, held)
        service = SignerService(
            _successive(settings, signer, held), settings.socket_path, engine_uid=_engine_uid(settings)
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: service.stop())
        last = signer.last.position if signer.last else "nothing yet"
        logging.info("signer for %s ready, last signed: %s", settings.chain_id, last)
        service.run(ready=lambda: notify("READY=1"))


@app.command()
def status(config: ConfigOption = Path("/etc/gchain/signer.toml"), as_json: JsonOption = False) -> None:
    """What the journal shows; needs neither key nor lock, and runs beside a live signer."""
    settings = load_config(config)
    seen = highest_seen(_Reading(settings.journal))
    report: dict[str, Any] = {"journal": str(settings.journal), "chain_id": settings.chain_id, "last": None}
    if seen is not None and seen.step:
        report["last"] = {"height": seen.height, "round": seen.round, "step": seen.step}
    typer.echo(json.dumps(report) if as_json else f"last signed: {seen if report['last'] else 'nothing'}")


@app.command("public-key")
def public_key(config: ConfigOption = Path("/etc/gchain/signer.toml"), as_json: JsonOption = False) -> None:
    """The consensus key's public half, as genesis and contributions write it."""
    key = _open_key(load_config(config))
    report = {
        "type": cometbft_type(key.public_key),
        "public_key": encode_public_key(key.public_key),
        "address": cometbft_address(key.public_key).hex().upper(),
    }
    typer.echo(json.dumps(report) if as_json else report["public_key"])


def _signer(settings: SignerConfig, held: ExitStack) -> Signer:
    """The signer of one key: it alone on this host has the key's name and the journal's lock, until `held` ends."""
    key = _open_key(settings)
    held.enter_context(_claim(key))
    storage = held.enter_context(closing(DirectoryStorage(settings.journal)))
    journal = Journal.open(storage, settings.chain_id, key.kid.hex())
    return Signer(key, journal, stop_height=settings.stop_height, fence=_fence(settings, key))


def _fence(settings: SignerConfig, key: Key) -> Fence | None:
    found = settings.fence
    if found is None:
        return None
    address = cometbft_address(key.public_key).hex().upper()
    return Fence(found.view, settings.chain_id, found.id, found.epoch, address)


def _successive(settings: SignerConfig, signer: Signer, held: ExitStack) -> Answering:
    """The signer itself, or with the key that follows it in a rotation."""
    if settings.next is None:
        return signer
    following, first_height = _following(settings)
    return Succession(signer.stopping_after(first_height - 1), _signer(following, held), first_height)


def _following(settings: SignerConfig) -> tuple[SignerConfig, int]:
    """The configuration of the key under `[next]` by itself, and its first height."""
    if settings.next is None:
        raise ConfigurationError("there is no [next] key", remedy="a rotation writes it: gchain keys rotate consensus")
    found = settings.next
    changes = {"key": found.key, "journal": found.journal, "initial_height": found.first_height, "next": None}
    return settings.model_copy(update=changes), found.first_height


def _open_key(settings: SignerConfig) -> Key:
    key = open_key(settings.key)
    if cometbft_type(key.public_key) != settings.key_type:
        raise ConfigurationError(
            f"key_type is {settings.key_type}, but the key is {cometbft_type(key.public_key)}: {settings.key}"
        )
    return key


def _is_sound(storage: DirectoryStorage, settings: SignerConfig, key: Key, initial_height: int) -> bool:
    """Whether the journal there is this key's and begins at this height. One that is not may be begun anew, higher."""
    try:
        return Journal.open(storage, settings.chain_id, key.kid.hex()).identity.initial_height == initial_height
    except SigningRefused:
        return False


def _claim(key: Key) -> socket.socket:
    """Hold a name that only one process of the host's network namespace can have, and that ends with the process.

    The journal's lock stops a second signer on the same journal; this stops one with another journal.
    """
    guard = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        guard.bind(f"\0gchain-signer-{key.kid.hex()}")
    except OSError:
        guard.close()
        raise SigningRefused(
            f"another signer on this host uses the key {key.kid.hex()[:16]}", remedy="stop it: one key, one signer"
        ) from None
    return guard


def _engine_uid(settings: SignerConfig) -> int | None:
    if settings.engine_user is None:
        return settings.engine_uid
    try:
        return pwd.getpwnam(settings.engine_user).pw_uid
    except KeyError:
        raise ConfigurationError(f"engine_user: there is no user {settings.engine_user!r} on this host") from None


class _Reading:
    """The files of a journal, read without its lock."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> bytes | None:
        try:
            return (self._directory / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"{self._directory / name}: {os.strerror(error.errno or 0)}") from error
