"""Roots and proofs of the log at any size, from its tiles alone.

Whoever has tiles has proofs (C2SP tlog-tiles): the node from its database, a client from what it fetches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gchain_node.errors import VerificationError
from gchain_node.proof.merkle import node_hash
from gchain_node.tlog.frontier import EMPTY_ROOT, TILE_HEIGHT

__all__ = ["HashRow", "LogTree"]

HashRow = Callable[[int, int, int], Sequence[bytes]]
"""`(tile level, start, end)`: the hashes number `start` to before `end` of that level; level 0 are leaf hashes."""


class LogTree:
    """The log's tree, of which `row` finds hashes. MUST raise or give fewer hashes when some are not there."""

    def __init__(self, row: HashRow) -> None:
        self._row = row

    def root(self, size: int) -> bytes:
        """The root of the first `size` entries."""
        return self._subtree(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Siblings of entry `index` in the tree of `size`, from the leaf up (RFC 9162, section 2.1.3.1)."""
        if not 0 <= index < size:
            raise VerificationError(f"the log of size {size} has no entry {index}")
        start, end, path = 0, size, []
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._subtree(middle, end))
                end = middle
            else:
                path.append(self._subtree(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Shows that the tree of `old` entries is a prefix of that of `new` (RFC 9162, section 2.1.4.1)."""
        if not 0 < old <= new:
            raise VerificationError(f"no consistency between log sizes {old} and {new}")
        start, end, whole, path = 0, new, True, []
        while old != end:
            middle = start + _split(end - start)
            if old <= middle:
                path.append(self._subtree(middle, end))
                end = middle
            else:
                path.append(self._subtree(start, middle))
                start, whole = middle, False
        return (path if whole else [*path, self._subtree(start, end)])[::-1]

    def _subtree(self, start: int, end: int) -> bytes:
        """The root over entries `start` to before `end`, where the tree has such a node."""
        size = end - start
        if size & (size - 1) == 0:
            return self._perfect(start, size)
        middle = start + _split(size)
        return node_hash(self._perfect(start, middle - start), self._subtree(middle, end))

    def _perfect(self, start: int, size: int) -> bytes:
        level = (size.bit_length() - 1) // TILE_HEIGHT
        width = 1 << TILE_HEIGHT * level
        hashes = list(self._row(level, start // width, (start + size) // width))
        if len(hashes) != size // width:
            raise VerificationError(f"entries {start} to {start + size - 1} of the log are not kept here")
        while len(hashes) > 1:
            hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
        return hashes[0]


def _split(size: int) -> int:
    """The largest power of two below `size` (2 or more)."""
    return 1 << (size - 1).bit_length() - 1
