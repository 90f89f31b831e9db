"""Which slot, and so which ports, a sandbox gets; and the lock that lets one command at a time change a sandbox."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gchain.errors import SandboxError
from gchain.sandbox.cloud_process import holder
from gchain.sandbox.layout import PORT_BASE, PORTS_PER_SLOT, SLOTS, read_json
from gchain.workspace import sandbox_root

__all__ = ["allocate", "choosing", "exclusive", "free_slot", "taken"]


def free_slot(taken: set[int], busy_ports: set[int]) -> int:
    """The lowest slot that no sandbox has and whose first two ports nobody listens on.

    Raises:
        SandboxError: there is none.
    """
    for slot in range(SLOTS):
        base = PORT_BASE + PORTS_PER_SLOT * slot
        if slot not in taken and not busy_ports & {base, base + 1}:
            return slot
    raise SandboxError(f"all {SLOTS} sandbox slots are taken", remedy="end one: gchain sandbox down --name NAME")


def allocate(name: str) -> int:
    """The slot that `name` has already, or a free one. The default sandbox always has slot 0: its ports are documented.

    Raises:
        SandboxError: a port of the default sandbox is taken (the message names port and program), or no slot is free.
    """
    found = taken()
    if name in found:
        return found[name]
    if name == "default":
        _refuse_busy(PORT_BASE)
        return 0
    bases = [PORT_BASE + PORTS_PER_SLOT * slot for slot in range(SLOTS)]
    return free_slot({0, *found.values()}, {port for base in bases for port in (base, base + 1) if _busy(port)})


def taken() -> dict[str, int]:
    """Name of a sandbox -> its slot, as far as it is written down."""
    return {
        path.parent.name: int(document["slot"])
        for path in sandbox_root().glob("*/sandbox.json")
        if "slot" in (document := read_json(path))
    }


@contextmanager
def choosing() -> Iterator[None]:
    """Hold while a slot is written down or given back: two sandboxes that start at once must not take the same."""
    sandbox_root().mkdir(parents=True, exist_ok=True)
    handle = os.open(sandbox_root(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _refuse_busy(base: int) -> None:
    for port in (base, base + 1):
        if _busy(port):
            raise SandboxError(
                f"port {port} on 127.0.0.1 is taken{holder(port)}",
                remedy="end that program, or choose another sandbox name: make sandbox NAME=...",
            )


def _busy(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Hold the sandbox `name` for one command.

    Raises:
        SandboxError: another process holds it; the message names its pid.
    """
    path = sandbox_root() / f".{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _locked(path, name)
    try:
        os.truncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _locked(path: Path, name: str) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(handle, 32, 0).decode().strip() or "unknown"
            os.close(handle)
            raise SandboxError(
                f"sandbox {name!r} is being changed by process {pid}", remedy="wait for it, or end it"
            ) from None
        # The holder before may have removed the file that was just locked.
        if path.exists() and os.fstat(handle).st_ino == path.stat().st_ino:
            return handle
        os.close(handle)
