"""What a host printed to its console: the SSH host keys that it made, between cloud-init's markers."""

from __future__ import annotations

import re

__all__ = ["BEGIN", "CONSOLE_FILE", "END", "finished", "host_keys"]

CONSOLE_FILE = "console.log"
"""In a host's directory; the local cloud serves it as the instance's console output."""

BEGIN = "-----BEGIN SSH HOST KEY KEYS-----"
END = "-----END SSH HOST KEY KEYS-----"

_BLOCK = re.compile(re.escape(BEGIN) + r"\s*\n(.*?)" + re.escape(END), re.DOTALL)
_KEY = re.compile(r"^(?:ssh-|ecdsa-)\S+ [A-Za-z0-9+/=]+")


_FINISHED = "Cloud-init finished"


def finished(console: str) -> bool:
    """Whether the host said, after its keys, that it can be reached."""
    return _FINISHED in console.rpartition(END)[2] and END in console


def host_keys(console: str) -> list[str]:
    """The keys (`ssh-ed25519 AAAA...`) of the last complete block; empty while the host has not printed one."""
    blocks = _BLOCK.findall(console.replace("\r", ""))
    if not blocks:
        return []
    return [match.group() for line in blocks[-1].splitlines() if (match := _KEY.match(line.strip()))]
