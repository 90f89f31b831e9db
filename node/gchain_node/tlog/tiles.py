"""Paths of C2SP tlog-tiles: `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`.

<N> is written in groups of three digits, all but the last with an `x` in front: 1234067 is `x001/x234/067`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gchain_node.errors import VerificationError

__all__ = ["WIDTH", "TilePath"]

WIDTH = 256
_MAX_LEVEL = 63
_PATH = re.compile(r"(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True)
class TilePath:
    """`level` None means an entry bundle; `width` is below 256 for a partial tile."""

    level: int | None
    number: int
    width: int = WIDTH

    @classmethod
    def parse(cls, text: str) -> TilePath:
        """Read what stands after `tile/`. Raises `VerificationError`."""
        match = _PATH.fullmatch(text)
        if match is None:
            raise VerificationError(f"{text[:80]!r} is no tile: expected <level>/<number> or entries/<number>")
        level = None if match[1] == "entries" else int(match[1])
        groups = match[2].replace("x", "").split("/")
        width = int(match[3]) if match[3] else WIDTH
        wrong = len(groups) > 6 or (len(groups) > 1 and groups[0] == "000") or (match[3] and width >= WIDTH)
        if wrong or (level or 0) > _MAX_LEVEL:
            raise VerificationError(f"{text[:80]!r} is no tile: level, number or width is out of range")
        return cls(level, int("".join(groups)), width)

    def __str__(self) -> str:
        digits = str(self.number)
        digits = digits.rjust(-(-len(digits) // 3) * 3, "0")
        groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        number = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        partial = f".p/{self.width}" if self.width < WIDTH else ""
        return f"{'entries' if self.level is None else self.level}/{number}{partial}"
