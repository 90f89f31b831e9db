"""Locks that the engine leaves in the backend when it is killed: told from those of a run that lives."""

from __future__ import annotations

import re
import socket

from gchain.sandbox.layout import process_alive

__all__ = ["all_stale"]

_HOLDER = re.compile(r"created by \S+@(?P<host>\S+) \(pid (?P<pid>\d+)\) at ")


def all_stale(message: str) -> bool:
    """Whether every lock that the engine's message lists was taken on this machine by a process that is gone.

    A lock of another machine is never stale by this test: whether its holder lives cannot be seen from here.
    """
    holders = list(_HOLDER.finditer(message))
    here = socket.gethostname()
    return bool(holders) and all(holder["host"] == here and not process_alive(int(holder["pid"])) for holder in holders)
