"""`gchain sandbox`: a whole consortium on this machine."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from gchain.environment import choose_key_type, load_for
from gchain.errors import SandboxError
from gchain.progress import run_stages
from gchain.sandbox.hosts.base import ensure_base_image
from gchain.sandbox.opening import FIRST_RECORD, ledger_stages, opening_stages
from gchain.sandbox.rollout import Rollout, infrastructure_stages
from gchain.sandbox.sandbox import Sandbox
from gchain.stacks import stack_file
from gchain.status import collect, show, wide_console
from gchain.toolchain import install
from gchain.workspace import cache_directory

__all__ = ["app"]

app = typer.Typer(help=__doc__, no_args_is_help=True)

_Name = Annotated[str, typer.Option("--name", help="Name of the sandbox: several can run side by side.")]


def _need_root() -> None:
    if os.geteuid() != 0:
        raise SandboxError(
            "a sandbox makes network namespaces, mounts and containers, which needs root",
            remedy="run it as root: sudo make sandbox",
        )


@app.command()
def up(
    name: _Name = "default",
    validator_key_type: Annotated[
        str | None, typer.Option(help="ed25519 or secp256k1, for a sandbox that begins; else as in consortium.yaml.")
    ] = None,
) -> None:
    """Stand up four agencies and their live ledger; safe to repeat and to resume."""
    _need_root()
    sandbox = Sandbox(name)
    resume = "make sandbox" if name == "default" else f"make sandbox NAME={name}"
    with sandbox.exclusive():
        if validator_key_type is not None:
            choose_key_type(sandbox.workspace, validator_key_type)
        rollout = Rollout(load_for(sandbox.workspace), sandbox)
        stages = [*infrastructure_stages(rollout), *ledger_stages(rollout), *opening_stages(rollout)]
        run_stages(rollout.sandbox.workspace, stages, resume=resume)
    workspace = rollout.sandbox.workspace
    print()
    show(collect(rollout.environment, workspace), wide_console())
    receipt = workspace.receipts / f"{FIRST_RECORD}.json"
    print(f"receipt       verify it: gchain verify {receipt} --trust {workspace.trust}")


@app.command()
def prepare() -> None:
    """Build what sandboxes share (programs, base image) and start nothing."""
    cache_directory().mkdir(parents=True, exist_ok=True)
    install(cache_directory() / "toolchain.log", lambda text: print(f"  {text}", flush=True))
    ensure_base_image(lambda text: print(f"  {text}", flush=True))


@app.command()
def down(name: _Name = "default") -> None:
    """Remove everything of the sandbox, whatever state it is in; the caches stay."""
    _need_root()
    sandbox = Sandbox(name)
    sandbox.down()
    for path in stack_file.INFRA.glob(f"Pulumi.{sandbox.workspace.stack('*')}.yaml"):
        path.unlink()  # it names a backend that is gone


@app.command()
def status(name: _Name = "default") -> None:
    """The daemon's own view of cloud, network and hosts, as JSON."""
    print(json.dumps(Sandbox(name).status(), indent=2))
