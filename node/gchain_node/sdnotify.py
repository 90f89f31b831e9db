"""Tell systemd how the process is doing, without libsystemd (sd_notify(3): datagrams to `$NOTIFY_SOCKET`)."""

from __future__ import annotations

import logging
import os
import socket

__all__ = ["notify", "watchdog_interval"]

_log = logging.getLogger(__name__)


def notify(state: str) -> bool:
    """Send `state`, e.g. `READY=1` or `STATUS=height 7`; False when nobody asked to be told, or cannot be reached."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect(address)
            channel.sendall(state.encode())
    except OSError as error:
        _log.warning("cannot tell systemd %r: %s", state, error)
        return False
    return True


def watchdog_interval() -> float | None:
    """Seconds between two `WATCHDOG=1`: half of what the unit allows; None when it sets none for this process."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    process = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not microseconds.isdigit() or int(microseconds) == 0 or process != str(os.getpid()):
        return None
    return int(microseconds) / 2_000_000
