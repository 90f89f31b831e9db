"""How fast a node that has nothing catches up: blocks and transactions a second, replayed one by one (block sync)."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.network import Testnet, configure, height_of, peer_addresses, start_process, wait_for_height
from gchain.toolchain import program_path

__all__ = ["CatchUp", "catch_up"]

_PATIENCE = 300.0


@dataclass(frozen=True)
class CatchUp:
    """From the node's first block to the height that the others had when it started."""

    blocks: int
    transactions: int
    seconds: float


def catch_up(network: Testnet, joining: dict[str, Any]) -> CatchUp:
    """Start one more node, no validator, beside a running network and time it.

    Args:
        joining: `home` (not there yet) and `port`; for an app of its own `proxy_app`, `app_command` and `prepare`.

    Raises:
        TimeoutError: it was not there in five minutes.
    """
    home, port = joining["home"], joining["port"]
    rpc = f"http://127.0.0.1:{port + 1}"
    cometbft = str(program_path("cometbft"))
    subprocess.run([cometbft, "init", "--home", home], check=True, capture_output=True)
    shutil.copy(network.homes[0] / "config" / "genesis.json", home / "config" / "genesis.json")
    configure(home, 0, port, peer_addresses(network.homes, network.port), joining.get("proxy_app", "kvstore"), "500ms")
    prepare: Callable[[Path], None] = joining.get("prepare", lambda home: None)
    prepare(home)
    target = height_of(network.rpcs[0])
    with ExitStack() as stack:
        if "app_command" in joining:
            start_process(stack, joining["app_command"], home / "app.log")
        start_process(stack, [cometbft, "start", "--home", str(home)], home / "engine.log")
        first = wait_for_height(rpc, 1, _PATIENCE)
        started = time.monotonic()
        wait_for_height(rpc, target, _PATIENCE)
        seconds = time.monotonic() - started
    return CatchUp(target - first, _transactions(network.rpcs[0], first + 1, target), seconds)


def _transactions(rpc: str, first: int, last: int) -> int:
    """How many transactions the blocks from `first` to `last` hold; 20 headers an answer."""
    total = 0
    while first <= last:
        query = {"minHeight": str(first), "maxHeight": str(min(last, first + 19))}
        metas = json.loads(httpx.get(f"{rpc}/blockchain", params=query, timeout=10).content)["result"]["block_metas"]
        total += sum(int(meta["num_txs"]) for meta in metas)
        first += 20
    return total
