"""The head of the log, as the state keeps it: enough to append, so that a node needs no earlier entry.

A tree of `size` leaves is the row of perfect subtrees that the binary digits of `size` name, largest first (the
"compact range" of transparency-dev/merkle); its root is their fold from the right (RFC 6962, section 2.1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gchain_node.proof.merkle import leaf_hash, node_hash

__all__ = ["EMPTY_HEAD", "EMPTY_ROOT", "TILE_HEIGHT", "Head", "LogAppend", "TileHash"]

EMPTY_ROOT = hashlib.sha256(b"").digest()
TILE_HEIGHT = 8  # levels of the tree in a tile: 256 hashes across
TileHash = tuple[int, int, bytes]
"""Tile level (1 or more), place and hash of a perfect subtree of 256 ** level leaves: what tiles above level 0 hold."""


@dataclass(frozen=True, slots=True)
class LogAppend:
    """What one block adds: entries from place `first` on, and hashes of tiles above level 0."""

    first: int
    entries: Sequence[bytes]
    tiles: Sequence[TileHash]


@dataclass(frozen=True, slots=True)
class Head:
    """`subtrees`: roots of the perfect subtrees, largest first."""

    size: int
    subtrees: tuple[bytes, ...]

    def root(self) -> bytes:
        """The root over all entries, 32 bytes."""
        if not self.subtrees:
            return EMPTY_ROOT
        root = self.subtrees[-1]
        for left in reversed(self.subtrees[:-1]):
            root = node_hash(left, root)
        return root

    def append(self, entries: Iterable[bytes]) -> tuple[Head, list[TileHash]]:
        """The head with `entries` after it, and the hashes that tiles above level 0 gain."""
        size, stack, gained = self.size, list(self.subtrees), []
        for entry in entries:
            node, place, level = leaf_hash(entry), size, 0
            while place & 1:
                node, place, level = node_hash(stack.pop(), node), place >> 1, level + 1
                if level % TILE_HEIGHT == 0:
                    gained.append((level // TILE_HEIGHT, place, node))
            stack.append(node)
            size += 1
        return Head(size, tuple(stack)), gained

    def state_value(self) -> dict[str, Any]:
        """What stands in the state under `log`; `root` is there for readers."""
        return {"size": self.size, "root": self.root(), "subtrees": list(self.subtrees)}

    @classmethod
    def from_state(cls, value: Mapping[str, Any] | None) -> Head:
        return EMPTY_HEAD if value is None else cls(value["size"], tuple(value["subtrees"]))


EMPTY_HEAD = Head(0, ())
