"""The authenticated tree over the state: a compact sparse Merkle tree on SHA-256.

A key's place is the 256 bits of SHA-256(key). A subtree without keys hashes to 32 zero bytes; one with exactly one key
is that leaf, wherever it stands; any other is an inner node:

    leaf  = SHA-256(00 || SHA-256(key) || SHA-256(value))
    inner = SHA-256(01 || left || right)

so the root depends on the set of keys and values alone, never on the order of writing, and a path is about log2(n)
long (Dahlberg, Pulls, Peeters, "Efficient Sparse Merkle Trees", 2016; the compact leaf is that of the Jellyfish
tree, Gao et al., 2021). Four levels are kept together as a page of 16 slots under the path of nibbles that leads to
it, which makes a block's update one pass over the few pages that it touches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gchain_node.errors import CorruptStateError

__all__ = ["EMPTY", "Change", "Leaf", "Path", "Tree", "inner_hash", "leaf_hash"]

EMPTY = bytes(32)
Leaf = tuple[bytes, bytes]  # SHA-256 of the key, SHA-256 of the value
Slot = Leaf | bytes | None  # a lone key, the hash of a page below, or nothing
_Page = list[Slot]
_sha256 = hashlib.sha256
_INNER_EMPTY = b"\x01" + EMPTY


def leaf_hash(key_hash: bytes, value_hash: bytes) -> bytes:
    return _sha256(b"\x00" + key_hash + value_hash).digest()


def inner_hash(left: bytes, right: bytes) -> bytes:
    return _sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Change:
    """The new root, and the pages that make it so; `None` deletes a page."""

    root: bytes
    pages: dict[bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class Path:
    """Siblings from the root down, and the lone leaf (or nothing) where the path of a key ends."""

    siblings: tuple[bytes, ...]
    end: Leaf | None


class Tree:
    """A tree whose pages `load` finds by their path (one byte a nibble; the root's path is empty)."""

    def __init__(self, load: Callable[[bytes], bytes | None]) -> None:
        self._load = load

    def root(self) -> bytes:
        return _fold(self._page(b""), 0, 16)

    def update(self, changes: Mapping[bytes, bytes | None]) -> Change:
        """What the tree becomes when keys get values (`None` deletes). Nothing is written."""
        items = [
            (_sha256(key).digest(), None if value is None else _sha256(value).digest())
            for key, value in changes.items()
        ]
        written: dict[bytes, bytes | None] = {}
        page = self._changed(b"", self._page(b""), items, written)
        written[b""] = _pack(page)
        return Change(_fold(page, 0, 16), written)

    def path(self, key: bytes) -> Path:
        """The evidence that `key` has the value it has, or none."""
        key_hash = _sha256(key).digest()
        siblings: list[bytes] = []
        prefix = b""
        while True:
            page = self._page(prefix)
            slot = _descend(page, _nibble(key_hash, len(prefix)), siblings)
            if not isinstance(slot, bytes):
                return Path(tuple(siblings), slot)
            prefix += bytes([_nibble(key_hash, len(prefix))])

    def leaves(self, visited: Callable[[bytes], object] = bool) -> dict[bytes, bytes]:
        """Every key hash with its value hash, checking each page against its parent; `visited` is told each page's
        path. Raises `CorruptStateError`.
        """
        found: dict[bytes, bytes] = {}
        self._walk(b"", None, found, visited)
        return found

    def _walk(
        self, prefix: bytes, expected: bytes | None, found: dict[bytes, bytes], visited: Callable[[bytes], object]
    ) -> None:
        page = self._page(prefix)
        visited(prefix)
        if expected is not None and _fold(page, 0, 16) != expected:
            raise CorruptStateError(f"table page, row {prefix.hex()}: its hash is not the one in the page above")
        for nibble, slot in enumerate(page):
            below = prefix + bytes([nibble])
            if isinstance(slot, tuple):
                if any(_nibble(slot[0], depth) != step for depth, step in enumerate(below)):
                    raise CorruptStateError(
                        f"table page, row {prefix.hex()}: a leaf stands where its key does not lead"
                    )
                found[slot[0]] = slot[1]
            elif slot is not None:
                self._walk(below, slot, found, visited)

    def _page(self, prefix: bytes) -> _Page:
        data = self._load(prefix)
        if data is None:
            if prefix:
                raise CorruptStateError(f"table page, row {prefix.hex()}: missing, though the page above names it")
            return [None] * 16
        return _unpack(data, prefix)

    def _changed(
        self, prefix: bytes, page: _Page, items: list[tuple[bytes, bytes | None]], written: dict[bytes, bytes | None]
    ) -> _Page:
        groups: dict[int, list[tuple[bytes, bytes | None]]] = {}
        for item in items:
            groups.setdefault(_nibble(item[0], len(prefix)), []).append(item)
        for nibble, group in groups.items():
            page[nibble] = self._slot(prefix + bytes([nibble]), page[nibble], group, written)
        return page

    def _slot(
        self, prefix: bytes, slot: Slot, items: list[tuple[bytes, bytes | None]], written: dict[bytes, bytes | None]
    ) -> Slot:
        if isinstance(slot, bytes):
            page = self._changed(prefix, self._page(prefix), items, written)
            lone = _lone(page)
            written[prefix] = _pack(page) if isinstance(lone, bool) else None
            return lone if not isinstance(lone, bool) else _fold(page, 0, 16)
        alive = dict([slot] if slot is not None else [])
        for key_hash, value_hash in items:
            if value_hash is None:
                alive.pop(key_hash, None)
            else:
                alive[key_hash] = value_hash
        if len(alive) < 2:
            return next(iter(alive.items()), None)
        page = self._changed(prefix, [None] * 16, list(alive.items()), written)
        written[prefix] = _pack(page)
        return _fold(page, 0, 16)


def _nibble(key_hash: bytes, depth: int) -> int:
    byte = key_hash[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


def _lone(page: _Page) -> Leaf | bool | None:
    """The only leaf of a page that must fold into its parent, None for an empty page, False if the page stays."""
    filled = [slot for slot in page if slot is not None]
    if not filled:
        return None
    first = filled[0]
    return first if len(filled) == 1 and isinstance(first, tuple) else False


def _fold(page: _Page, low: int, high: int) -> bytes:
    """Hash of the slots from `low` to `high`, a power of two of them, by the compact rule of the module's docstring."""
    level = page[low:high]
    while len(level) > 1:
        level = [_join(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return _hash(level[0])


def _join(left: Slot, right: Slot) -> Slot:
    """Two neighbours as one: nothing, a lone leaf as it is, or the hash of an inner node."""
    if left is None:
        if right is None or type(right) is tuple:
            return right
        return _sha256(_INNER_EMPTY + right).digest()  # type: ignore[operator]  # a hash: all else is ruled out
    if right is None and type(left) is tuple:
        return left
    return _sha256(b"\x01" + _hash(left) + _hash(right)).digest()


def _hash(slot: Slot) -> bytes:
    if slot is None:
        return EMPTY
    if type(slot) is tuple:
        return _sha256(b"\x00" + slot[0] + slot[1]).digest()
    return slot  # type: ignore[return-value]  # the hash of a page below


def _descend(page: _Page, nibble: int, siblings: list[bytes]) -> Slot:
    """Go down the four levels of a page towards `nibble`, noting siblings; the slot where it ends."""
    low, high = 0, 16
    while True:
        filled = [slot for slot in page[low:high] if slot is not None]
        if not filled:
            return None
        if high - low == 1 or (len(filled) == 1 and isinstance(filled[0], tuple)):
            return filled[0]
        middle = (low + high) // 2
        if nibble < middle:
            siblings.append(_fold(page, middle, high))
            high = middle
        else:
            siblings.append(_fold(page, low, middle))
            low = middle


def _pack(page: _Page) -> bytes:
    leaves = inners = 0
    parts = [b""]
    for nibble, slot in enumerate(page):
        if slot is None:
            continue
        if type(slot) is tuple:
            leaves |= 1 << nibble
            parts += slot
        else:
            inners |= 1 << nibble
            parts.append(slot)  # type: ignore[arg-type]  # a hash: all else is ruled out
    parts[0] = (leaves << 16 | inners).to_bytes(4, "big")
    return b"".join(parts)


def _unpack(data: bytes, prefix: bytes) -> _Page:
    leaves, inners = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
    if len(data) != 4 + 64 * leaves.bit_count() + 32 * inners.bit_count() or leaves & inners:
        raise CorruptStateError(f"table page, row {prefix.hex()}: {len(data)} bytes do not fit its slots")
    page: _Page = [None] * 16
    at = 4
    for nibble in range(16):
        if inners >> nibble & 1:
            page[nibble] = data[at : at + 32]
            at += 32
        elif leaves >> nibble & 1:
            page[nibble] = (data[at : at + 32], data[at + 32 : at + 64])
            at += 64
    return page
