"""Memory of what was read or written last, so that the hot part of a large state is not read from the disk again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["UNKNOWN", "Recent"]

UNKNOWN: Final[Any] = bytes(bytearray(b"not here"))  # known by identity alone, and so made here, not a literal


class Recent:
    """The latest entries of a table, present and absent (None), between `bound` and twice as many.

    Two generations: when the young one is full it becomes the old one, whose entries come back to it as they are asked
    for. What is asked for often stays, at the cost of one more look-up. Not safe across threads.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._young: dict[bytes, Any] = {}
        self._old: dict[bytes, Any] = {}

    def get(self, key: bytes) -> Any:
        """What the table has under `key`, or `UNKNOWN`."""
        found = self._young.get(key, UNKNOWN)
        if found is UNKNOWN:
            found = self._old.get(key, UNKNOWN)
            if found is not UNKNOWN:
                self.put(key, found)
        return found

    def put(self, key: bytes, value: Any) -> None:
        """Keep what the table has under `key` now. Every change of the table MUST pass here or through `update`."""
        if len(self._young) >= self._bound and key not in self._young:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def update(self, fresh: Mapping[bytes, Any]) -> None:
        for key, value in fresh.items():
            self.put(key, value)
