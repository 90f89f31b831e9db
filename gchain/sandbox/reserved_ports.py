"""Keep the kernel from lending the sandboxes' ports to outgoing connections: they lie in its ephemeral range."""

from __future__ import annotations

from pathlib import Path

from gchain.sandbox.layout import PORT_BASE, PORTS_PER_SLOT, SLOTS

__all__ = ["release", "reserve", "with_range", "without_range"]

_SETTING = Path("/proc/sys/net/ipv4/ip_local_reserved_ports")
RANGE = f"{PORT_BASE}-{PORT_BASE + PORTS_PER_SLOT * SLOTS - 1}"


def reserve() -> None:
    """Reserve the ports of all slots until `release`, or the machine's next boot; explicit binds stay possible."""
    _SETTING.write_text(with_range(_SETTING.read_text().strip()))


def release() -> None:
    """Give them back; what others reserved stays."""
    # The kernel takes an empty list as a lone newline only.
    _SETTING.write_text(without_range(_SETTING.read_text().strip()) or "\n")


def with_range(reserved: str) -> str:
    """A list of ranges such as `8080,41000-44999` with the sandboxes' own."""
    parts = [part for part in reserved.split(",") if part]
    return ",".join(parts if RANGE in parts else [*parts, RANGE])


def without_range(reserved: str) -> str:
    return ",".join(part for part in reserved.split(",") if part not in ("", RANGE))
