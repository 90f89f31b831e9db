"""Four validators of the pinned CometBFT on loopback, with its built-in key-value app or with an ABCI app beside it."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx

from gchain.toolchain import program_path

__all__ = [
    "Testnet",
    "answer_of",
    "configure",
    "height_of",
    "peer_addresses",
    "run_testnet",
    "start_process",
    "wait_for_height",
    "wait_until",
]

T = TypeVar("T")

_AS_ON_HOSTS = ("chrt", "--batch", "0")  # the scheduling policy of the engine's and the node's units


@dataclass(frozen=True)
class Testnet:
    """A running network: the nodes' directories, their RPC addresses, and process ids of `engine` and `app`."""

    homes: list[Path]
    rpcs: list[str]
    pids: dict[str, list[int]]
    port: int


def _set(config: str, key: str, value: str) -> str:
    return re.sub(rf"(?m)^{re.escape(key)} = .*$", f"{key} = {value}", config, count=1)


def configure(home: Path, index: int, port: int, peers: str, proxy_app: str, timeout_commit: str) -> None:
    """Write what differs from CometBFT's defaults; the node's ports are `port + 10 * index` and the next one."""
    path = home / "config" / "config.toml"
    config = path.read_text()
    head, _, rest = config.partition("[rpc]")
    rpc, _, p2p = rest.partition("[p2p]")
    head = _set(head, "proxy_app", f'"{proxy_app}"')
    rpc = _set(rpc, "laddr", f'"tcp://127.0.0.1:{port + 10 * index + 1}"')
    rpc = _set(rpc, "pprof_laddr", '""')
    p2p = _set(p2p, "laddr", f'"tcp://127.0.0.1:{port + 10 * index}"')
    p2p = _set(p2p, "persistent_peers", f'"{peers}"')
    p2p = _set(p2p, "addr_book_strict", "false")
    p2p = _set(p2p, "allow_duplicate_ip", "true")
    p2p = _set(p2p, "pex", "false")
    p2p = _set(p2p, "timeout_commit", f'"{timeout_commit}"')
    path.write_text(f"{head}[rpc]{rpc}[p2p]{p2p}")


def peer_addresses(homes: list[Path], port: int) -> str:
    """The nodes' addresses as `persistent_peers` takes them."""

    def peer_id(home: Path) -> str:
        done = subprocess.run(
            [program_path("cometbft"), "show-node-id", "--home", home], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    return ",".join(f"{peer_id(home)}@127.0.0.1:{port + 10 * i}" for i, home in enumerate(homes))


@cache
def _client() -> httpx.Client:
    """One for all: to make one takes as long as a hundred answers, of the processor that is measured."""
    return httpx.Client(timeout=5)


def answer_of(url: str) -> Any:
    """The JSON that `url` answers with; None while none comes."""
    try:
        return _client().get(url).json()
    except (httpx.HTTPError, ValueError):
        return None


def height_of(rpc: str) -> int:
    """The height of a node's last block; 0 while it does not answer."""
    try:
        return int(answer_of(f"{rpc}/status")["result"]["sync_info"]["latest_block_height"])
    except (TypeError, KeyError):
        return 0


def wait_until(found: Callable[[], T | None], what: str, seconds: float, pause: float = 0.05) -> T:
    """Ask until there is an answer that counts as true; that answer.

    Raises:
        TimeoutError: there is none within `seconds`; the message says what was waited for.
    """
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(pause)
    return answer


def wait_for_height(rpc: str, least: int, seconds: float) -> int:
    """The height of a node once it is at `least`. Raises as `wait_until`."""
    return wait_until(lambda: now if (now := height_of(rpc)) >= least else None, f"height {least} of {rpc}", seconds)


def start_process(stack: ExitStack, command: list[str], log: Path) -> int:
    """Start a process that ends with the stack; its id."""
    out = stack.enter_context(log.open("w"))
    process = subprocess.Popen([*_AS_ON_HOSTS, *command], stdout=out, stderr=subprocess.STDOUT)

    def stop() -> None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(stop)
    return process.pid


@contextmanager
def run_testnet(
    directory: Path,
    *,
    port: int,
    validators: int = 4,
    proxy_app: Callable[[Path], str] = lambda _: "kvstore",
    app_command: Callable[[Path], list[str]] | None = None,
    prepare: Callable[[int, Path], None] = lambda number, home: None,
    genesis: Callable[[dict[str, object]], dict[str, object]] = lambda document: document,
    timeout_commit: str = "500ms",
) -> Iterator[Testnet]:
    """Run a network for the length of the `with` block.

    Args:
        directory: an empty directory for the nodes' homes.
        port: the first of `10 * validators` loopback ports.
        proxy_app: the app's address for a node's home; `kvstore` is CometBFT's own app.
        app_command: the command that serves the app of a node's home, where it is another process.
        prepare: called with each node's number and home before it starts.
        genesis: what to change in the genesis document that CometBFT made.

    Raises:
        TimeoutError: the network made no second block within two minutes.
    """
    cometbft = str(program_path("cometbft"))
    subprocess.run(
        [cometbft, "testnet", "--v", str(validators), "--o", str(directory), "--populate-persistent-peers=false"],
        check=True,
        capture_output=True,
    )
    homes = [directory / f"node{i}" for i in range(validators)]
    document = json.dumps(genesis(json.loads((homes[0] / "config" / "genesis.json").read_text())))
    peers = peer_addresses(homes, port)
    rpcs = [f"http://127.0.0.1:{port + 10 * i + 1}" for i in range(validators)]
    pids: dict[str, list[int]] = {"app": [], "engine": []}
    with ExitStack() as stack:
        for index, home in enumerate(homes):
            (home / "config" / "genesis.json").write_text(document)
            configure(home, index, port, peers, proxy_app(home), timeout_commit)
            prepare(index, home)
            if app_command:
                pids["app"].append(start_process(stack, app_command(home), home / "app.log"))
            pids["engine"].append(start_process(stack, [cometbft, "start", "--home", str(home)], home / "engine.log"))
        for rpc in rpcs:
            wait_for_height(rpc, 2, 120)
        yield Testnet(homes, rpcs, pids, port)
