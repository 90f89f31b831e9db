"""Which keys the database may hold: a Bloom filter, so that looking for a key that was never there needs no look-up.

Most transactions enter something new and so ask first whether it is there. The filter says "surely not" without SQLite;
"perhaps" is answered by SQLite, as ever. Nothing depends on it but time: it is learnt from the database again after
every start, a piece with each block so that no start waits for it, and the hash that places its bits is of this process
alone.

Source: B. H. Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

__all__ = ["KnownKeys"]

_BITS: Final = 1 << 25  # 4 MiB; with 1 million keys 0.02 %, with 4 million 2.4 % of new keys are "perhaps"
_MASK: Final = _BITS - 1
_PLACES: Final = 4  # bits of a key, from the two halves of one hash
_PIECE: Final = 2_000


class KnownKeys:
    """The filter over a database. Not safe across threads.

    Args:
        keys_after: at most so many keys of the database above one, in their order.
    """

    def __init__(self, keys_after: Callable[[bytes, int], list[bytes]]) -> None:
        self._keys_after = keys_after
        self._learnt = b""
        self._complete = False
        self._bits = bytearray(_BITS // 8)

    def learn(self, written: Iterable[bytes]) -> None:
        """Take in keys just written, and the next piece of those that were there at the start."""
        self._add(written)
        if not self._complete:
            keys = self._keys_after(self._learnt, _PIECE)
            self._add(keys)
            self._complete = len(keys) < _PIECE
            self._learnt = keys[-1] if keys else self._learnt

    def may_hold(self, key: bytes) -> bool:
        """False if `key` is surely not in the database."""
        if not self._complete:
            return True
        bits = self._bits
        first = hash(key)
        step = first >> 32 | 1
        for _ in range(_PLACES):
            place = first & _MASK
            if not bits[place >> 3] >> (place & 7) & 1:
                return False
            first += step
        return True

    def _add(self, keys: Iterable[bytes]) -> None:
        bits = self._bits
        for key in keys:
            first = hash(key)
            step = first >> 32 | 1
            for _ in range(_PLACES):
                place = first & _MASK
                bits[place >> 3] |= 1 << (place & 7)
                first += step
