"""How long an application developer waits for `gchain-node dev`: from the command to an API that is ready.

Beside it, in the same run, CometBFT with its built-in Go key-value app on one node: from `init` and `node` to a first
block that its RPC answers for.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.network import answer_of, height_of, wait_until
from gchain.toolchain.install import program_path

__all__ = ["measure"]

_ROUNDS = 5
_DEADLINE = 60.0


def measure() -> dict[str, list[float]]:
    """Seconds of each of five rounds: `first` (keys, genesis and go-live are made), `again`, `built_in`."""
    first, again, built_in = [], [], []
    for _ in range(_ROUNDS):
        with tempfile.TemporaryDirectory() as scratch:
            home = Path(scratch)
            first.append(_dev(home / "dev"))
            again.append(_dev(home / "dev"))
            built_in.append(_built_in(home / "engine"))
    return {"first": first, "again": again, "built_in": built_in}


def _dev(home: Path) -> float:
    port = _free_port()
    command = [sys.executable, "-m", "gchain_node", "dev", "--home", str(home), "--port", str(port)]
    asked = f"http://127.0.0.1:{port}/readyz"
    return _until(command, lambda: bool((answer_of(asked) or {}).get("ready")))


def _built_in(home: Path) -> float:
    cometbft, rpc = str(program_path("cometbft")), _free_port()
    started = time.perf_counter()
    subprocess.run([cometbft, "init", "--home", str(home)], check=True, capture_output=True)
    command = [cometbft, "node", "--home", str(home), "--proxy_app", "kvstore", "--rpc.laddr", f"tcp://127.0.0.1:{rpc}"]
    command += ["--p2p.laddr", "tcp://127.0.0.1:0"]
    before = time.perf_counter() - started
    return before + _until(command, lambda: height_of(f"http://127.0.0.1:{rpc}") > 0)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _until(command: list[str], ready: Callable[[], bool]) -> float:
    """Start a program and ask until it is ready; the seconds that it took. The program is ended."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            # One that has ended is asked no longer.
            wait_until(lambda: ready() or running.poll() is not None, " ".join(command), _DEADLINE, pause=0.005)
            if running.poll() is not None:
                raise RuntimeError(f"{' '.join(command)} ended with {running.returncode}")
            return time.perf_counter() - started
        finally:
            running.send_signal(signal.SIGTERM)
