"""Processes of a test: started, waited for, killed; ports that nobody has; the engine's program."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

__all__ = ["DEADLINE", "Process", "find_cometbft", "free_ports", "wait_until"]

DEADLINE = 120.0


def find_cometbft() -> Path | None:
    """The engine's program: what `GCHAIN_TEST_COMETBFT` names, else the one in the cache, else the one on PATH."""
    named = os.environ.get("GCHAIN_TEST_COMETBFT")
    if named:
        return Path(named)
    cached = Path(os.environ.get("GCHAIN_CACHE", "/var/cache/gchain")) / "bin" / "cometbft"
    if cached.is_file():
        return cached
    on_path = shutil.which("cometbft")
    return Path(on_path) if on_path else None


def wait_until(what: str, condition: Callable[[], Any], deadline: float = DEADLINE) -> Any:
    """The condition's first true value; fails after `deadline` seconds and says what was waited for."""
    end = time.monotonic() + deadline
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            pytest.fail(f"waited {deadline:g} s for {what}")
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports that nobody has at the moment. They lie below those that the system gives to outgoing connections, one of
    which could take a port between the look and the start.
    """
    found: list[int] = []
    while len(found) < count:
        port = secrets.randbelow(12_000) + 20_000
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


@dataclass
class Process:
    """One process whose output goes to a file."""

    command: list[str]
    log: Path
    running: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **self.environment}
            )

    def alive(self) -> bool:
        """True; fails with what the process said if it has ended."""
        assert self.running is not None
        status = self.running.poll()
        if status is not None:
            pytest.fail(f"{self.command[0]} ended with status {status}: {self.log.read_text()[-2000:]}")
        return True

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the end; the exit status."""
        assert self.running is not None
        if self.running.poll() is None:
            self.running.send_signal(number)
        return self.running.wait(DEADLINE)
