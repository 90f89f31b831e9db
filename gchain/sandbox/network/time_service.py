"""The VPC's time service: SNTP (RFC 5905, server mode) from the machine's clock, which nothing here may set."""

from __future__ import annotations

import struct

__all__ = ["answer"]

_EPOCH = 2_208_988_800
"""Seconds from 1900 (NTP) to 1970 (Unix)."""
_STRATUM = 4
_PRECISION = -20
_FORMAT = "!BBbbII4s8s8s8s8s"


def answer(request: bytes, received: float, now: float) -> bytes | None:
    """The reply to a client's packet, times in Unix seconds; None for what is not a client's request."""
    if len(request) < 48 or request[0] & 0x07 != 3:
        return None
    version = request[0] >> 3 & 0x07
    return struct.pack(
        _FORMAT,
        version << 3 | 4,
        _STRATUM,
        max(request[2], 4),
        _PRECISION,
        0,  # root delay
        0x0000_0100,  # root dispersion: 4 ms
        b"\x7f\x7f\x01\x01",  # 127.127.1.1, the local clock
        _timestamp(received),
        request[40:48],  # the client's transmit time comes back as origin
        _timestamp(received),
        _timestamp(now),
    )


def _timestamp(seconds: float) -> bytes:
    whole = int(seconds)
    return struct.pack("!II", (whole + _EPOCH) & 0xFFFFFFFF, int((seconds - whole) * 2**32) & 0xFFFFFFFF)
