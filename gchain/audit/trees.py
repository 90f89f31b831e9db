"""Merkle trees, written from RFC 6962 and from docs/adr/state-tree.md: no code of the node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

__all__ = ["LogHead", "StateTree", "merkle_root"]

_EMPTY = bytes(32)


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash over raw leaves (RFC 6962, section 2.1), level by level."""
    row = [sha256(b"\0" + leaf).digest() for leaf in leaves]
    if not row:
        return sha256(b"").digest()
    while len(row) > 1:
        odd = row[-1:] if len(row) % 2 else []
        pairs = zip(row[0::2], row[1::2], strict=False)
        row = [sha256(b"\1" + left + right).digest() for left, right in pairs] + odd
    return row[0]


class LogHead:
    """The growing tree over log entries: one hash a level that is waiting for its right neighbour."""

    def __init__(self) -> None:
        self.size = 0
        self._waiting: list[bytes | None] = []

    def append(self, entry: bytes) -> None:
        node, level = sha256(b"\0" + entry).digest(), 0
        self.size += 1
        while level < len(self._waiting) and (left := self._waiting[level]) is not None:
            node, self._waiting[level] = sha256(b"\1" + left + node).digest(), None
            level += 1
        if level == len(self._waiting):
            self._waiting.append(None)
        self._waiting[level] = node

    def subtrees(self) -> list[bytes]:
        """Roots of the perfect subtrees, largest first."""
        return [node for node in reversed(self._waiting) if node is not None]

    def root(self) -> bytes:
        nodes = self.subtrees()
        if not nodes:
            return sha256(b"").digest()
        root = nodes.pop()
        while nodes:
            root = sha256(b"\1" + nodes.pop() + root).digest()
        return root


class _Fork:
    """An inner node: what stands left (bit 0) and right (bit 1). Its hash is forgotten when something below changes."""

    __slots__ = ("below", "hash")

    def __init__(self) -> None:
        self.below: list[_Fork | tuple[int, bytes] | None] = [None, None]
        self.hash: bytes | None = None


class StateTree:
    """The compact sparse Merkle tree of the state as a binary trie: a lone key stands as a leaf as high as it can."""

    def __init__(self) -> None:
        self._top: _Fork | tuple[int, bytes] | None = None

    def update(self, changes: Iterable[tuple[bytes, bytes | None]]) -> bytes:
        """Put values (None deletes) under keys; the root after it."""
        for key, value in changes:
            place = int.from_bytes(sha256(key).digest(), "big")
            self._top = _put(self._top, place, None if value is None else sha256(value).digest(), 255)
        return _hash(self._top)


def _put(
    node: _Fork | tuple[int, bytes] | None, place: int, value: bytes | None, bit: int
) -> _Fork | tuple[int, bytes] | None:
    if not isinstance(node, _Fork):
        if node is None or node[0] == place:
            return None if value is None else (place, value)
        if value is None:
            return node
        fork = _Fork()
        fork.below[node[0] >> bit & 1] = node
        node = fork
    side = place >> bit & 1
    node.below[side] = _put(node.below[side], place, value, bit - 1)
    node.hash = None
    alone = [child for child in node.below if child is not None]
    if len(alone) == 2 or isinstance(alone[0], _Fork):
        return node
    return alone[0]


def _hash(node: _Fork | tuple[int, bytes] | None) -> bytes:
    if node is None:
        return _EMPTY
    if isinstance(node, tuple):
        return sha256(b"\0" + node[0].to_bytes(32, "big") + node[1]).digest()
    if node.hash is None:
        node.hash = sha256(b"\1" + _hash(node.below[0]) + _hash(node.below[1])).digest()
    return node.hash
