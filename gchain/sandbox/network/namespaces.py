"""Network namespaces: make and remove them, run `ip` and `nft` in them, open sockets in them."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gchain.errors import SandboxError

__all__ = ["add", "end_processes", "exists", "inside", "ip", "ip_json", "listed", "load_ruleset", "remove", "run"]

T = TypeVar("T")

_DIRECTORY = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def run(*command: str, stdin: str | None = None) -> str:
    """Run a system tool and return what it printed.

    Raises:
        SandboxError: it failed; the message carries the command and what it said.
    """
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SandboxError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def exists(name: str) -> bool:
    return (_DIRECTORY / name).exists()


def listed() -> list[str]:
    return sorted(path.name for path in _DIRECTORY.iterdir()) if _DIRECTORY.is_dir() else []


def add(name: str) -> None:
    """Make a namespace with its loopback up; one that exists is left as it is."""
    if not exists(name):
        run("ip", "netns", "add", name)
    run("ip", "-n", name, "link", "set", "lo", "up")


def remove(name: str) -> None:
    if exists(name):
        run("ip", "netns", "delete", name)


def end_processes(name: str) -> None:
    """Kill what lives in a namespace: an SSH master or a browser would keep the namespace, nameless, alive."""
    for pid in run("ip", "netns", "pids", name).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def ip(namespace: str, *lines: str) -> None:
    """Run `ip` commands in a namespace, in one process; the first that fails ends it."""
    if lines:
        run("ip", "-n", namespace, "-batch", "-", stdin="".join(line + "\n" for line in lines))


def ip_json(namespace: str, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("ip", "-n", namespace, "-j", *arguments) or "[]")
    return found


def load_ruleset(namespace: str, ruleset: str) -> None:
    """Load a ruleset atomically: all of it, or none."""
    run("ip", "netns", "exec", namespace, "nft", "-f", "-", stdin=ruleset)


def inside(namespace: str, work: Callable[[], T]) -> T:
    """Call `work` in a thread inside the namespace; sockets that it opens stay there wherever they are used."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def enter() -> None:
        try:
            with (_DIRECTORY / namespace).open() as handle:
                if _libc.setns(handle.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)
            outcome.append(work())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def bound_socket(namespace: str, kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    """A bound socket inside a namespace; a stream socket listens already."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        if kind == socket.SOCK_STREAM:
            made.listen(64)
        made.setblocking(False)
        return made

    return inside(namespace, make)
