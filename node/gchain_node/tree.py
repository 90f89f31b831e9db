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

__all__ = ["EMPTY", "Change", "Leaf", "Page", "Path", "Tree", "inner_hash", "leaf_hash", "pack", "packed", "unpack"]

EMPTY = bytes(32)
Leaf = tuple[bytes, bytes]  # SHA-256 of the key, SHA-256 of the value
Slot = Leaf | bytes | None  # a lone key, the hash of a page or node below, or nothing
Page = list[Slot]
"""The 31 nodes of four levels: the whole page at 1, below node n those at 2n and 2n + 1, the 16 slots from 16 on (0 is
unused). What several changes have in common is so hashed once and kept. MUST NOT be changed once it is in a `Change`
or comes from `load`: queries and blocks share it."""
_SLOTS = 16
_sha256 = hashlib.sha256
_INNER_EMPTY = b"\x01" + EMPTY
_NIBBLES = [bytes([nibble]) for nibble in range(16)]


def leaf_hash(key_hash: bytes, value_hash: bytes) -> bytes:
    return _sha256(b"\x00" + key_hash + value_hash).digest()


def inner_hash(left: bytes, right: bytes) -> bytes:
    return _sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Change:
    """The new root, and the pages that make it so; `None` deletes a page."""

    root: bytes
    pages: dict[bytes, Page | None]


@dataclass(frozen=True, slots=True)
class Path:
    """Siblings from the root down, and the lone leaf (or nothing) where the path of a key ends."""

    siblings: tuple[bytes, ...]
    end: Leaf | None


class Tree:
    """A tree whose pages `load` finds by their path (one byte a nibble; the root's path is empty)."""

    def __init__(self, load: Callable[[bytes], Page | None]) -> None:
        self._load = load

    def root(self) -> bytes:
        return _hash(self._page(b"")[1])

    def update(self, changes: Mapping[bytes, bytes | None]) -> Change:
        """What the tree becomes when keys get values (`None` deletes). Nothing is written."""
        items = [
            (_sha256(key).digest(), None if value is None else _sha256(value).digest())
            for key, value in changes.items()
        ]
        written: dict[bytes, Page | None] = {}
        page = self._page(b"").copy()
        self._change(b"", page, items, written)
        written[b""] = page
        return Change(_hash(page[1]), written)

    def path(self, key: bytes) -> Path:
        """The evidence that `key` has the value it has, or none."""
        key_hash = _sha256(key).digest()
        siblings: list[bytes] = []
        prefix = b""
        while True:
            page = self._page(prefix)
            nibble = _nibble(key_hash, len(prefix))
            at = 1
            while at < _SLOTS and isinstance(page[at], bytes):
                at = at << 1 | nibble >> 3 & 1
                nibble <<= 1
                siblings.append(_hash(page[at ^ 1]))
            end = page[at]
            if not isinstance(end, bytes):
                return Path(tuple(siblings), end)
            prefix += _NIBBLES[_nibble(key_hash, len(prefix))]

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
        if expected is not None and _hash(page[1]) != expected:
            raise CorruptStateError(f"table page, row {prefix.hex()}: its hash is not the one in the page above")
        for nibble, slot in enumerate(page[_SLOTS:]):
            below = prefix + bytes([nibble])
            if isinstance(slot, tuple):
                if any(_nibble(slot[0], depth) != step for depth, step in enumerate(below)):
                    raise CorruptStateError(
                        f"table page, row {prefix.hex()}: a leaf stands where its key does not lead"
                    )
                found[slot[0]] = slot[1]
            elif slot is not None:
                self._walk(below, slot, found, visited)

    def _page(self, prefix: bytes) -> Page:
        page = self._load(prefix)
        if page is None:
            if prefix:
                raise CorruptStateError(f"table page, row {prefix.hex()}: missing, though the page above names it")
            return _new()
        return page

    def _change(
        self, prefix: bytes, page: Page, items: list[tuple[bytes, bytes | None]], written: dict[bytes, Page | None]
    ) -> None:
        """Put `items` into `page`, which is the caller's own, and note in `written` what becomes of those below."""
        depth = len(prefix)
        groups: dict[int, list[tuple[bytes, bytes | None]]] = {}
        for item in items:
            groups.setdefault(_nibble(item[0], depth), []).append(item)
        stale = 0
        for nibble, group in groups.items():
            at = _SLOTS + nibble
            page[at] = self._slot(prefix + _NIBBLES[nibble], page[at], group, written)
            stale |= 1 << (at >> 1)
        _settle(page, stale)

    def _slot(
        self, prefix: bytes, slot: Slot, items: list[tuple[bytes, bytes | None]], written: dict[bytes, Page | None]
    ) -> Slot:
        if isinstance(slot, bytes):
            page = self._page(prefix).copy()
            self._change(prefix, page, items, written)
            whole = page[1]  # a page that is empty, or holds one leaf, goes into its parent
            written[prefix] = page if isinstance(whole, bytes) else None
            return whole
        alive = dict([slot] if slot is not None else [])
        for key_hash, value_hash in items:
            if value_hash is None:
                alive.pop(key_hash, None)
            else:
                alive[key_hash] = value_hash
        if len(alive) < 2:
            return next(iter(alive.items()), None)
        page = _new()
        self._change(prefix, page, list(alive.items()), written)
        written[prefix] = page
        return page[1]


def _new() -> Page:
    return [None] * (2 * _SLOTS)


def _nibble(key_hash: bytes, depth: int) -> int:
    byte = key_hash[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


def _settle(page: Page, stale: int) -> None:
    """Join anew the nodes whose bits are set in `stale`, as their children changed, and all that stand above them."""
    for at in range(_SLOTS - 1, 0, -1):
        if stale >> at & 1:
            page[at] = _join(page[at << 1], page[at << 1 | 1])
            stale |= 1 << (at >> 1)


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


def packed(load: Callable[[bytes], bytes | None]) -> Callable[[bytes], Page | None]:
    """Pages out of where their bytes are."""

    def unpacked(path: bytes) -> Page | None:
        data = load(path)
        return None if data is None else unpack(data, path)

    return unpacked


def pack(page: Page) -> bytes:
    """A page's slots as they are stored: 16 bits say which are leaves, 16 which are hashes; then their bytes."""
    leaves = inners = 0
    parts = [b""]
    for nibble, slot in enumerate(page[_SLOTS:]):
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


def unpack(data: bytes, path: bytes) -> Page:
    """The page that `pack` gave. Raises `CorruptStateError` that names its path."""
    leaves, inners = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
    if len(data) != 4 + 64 * leaves.bit_count() + 32 * inners.bit_count() or leaves & inners:
        raise CorruptStateError(f"table page, row {path.hex()}: {len(data)} bytes do not fit its slots")
    page = _new()
    filled = 0
    at = 4
    for nibble in range(_SLOTS):
        if inners >> nibble & 1:
            page[_SLOTS + nibble] = data[at : at + 32]
            at += 32
        elif leaves >> nibble & 1:
            page[_SLOTS + nibble] = (data[at : at + 32], data[at + 32 : at + 64])
            at += 64
        else:
            continue
        filled |= 1 << (_SLOTS + nibble >> 1)
    _settle(page, filled)
    return page
