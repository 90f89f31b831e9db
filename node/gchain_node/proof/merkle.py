"""Merkle trees of RFC 6962, section 2.1 (RFC 9162, section 2.1), which CometBFT uses too (crypto/merkle).

    leaf  = SHA-256(00 || data)        inner = SHA-256(01 || left || right)

The root of no leaves is SHA-256 of nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from gchain_node.errors import VerificationError

__all__ = [
    "inclusion_path",
    "leaf_hash",
    "node_hash",
    "root",
    "verify_consistency",
    "verify_inclusion",
    "verify_subtree_consistency",
    "verify_subtree_inclusion",
]


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(size: int) -> int:
    """The largest power of two below `size` (2 or more)."""
    return 1 << (size - 1).bit_length() - 1


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over raw leaves."""
    return _root([leaf_hash(leaf) for leaf in leaves])


def _root(hashes: Sequence[bytes]) -> bytes:
    if len(hashes) < 2:
        return hashes[0] if hashes else hashlib.sha256(b"").digest()
    middle = _split(len(hashes))
    return node_hash(_root(hashes[:middle]), _root(hashes[middle:]))


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Siblings of leaf `index` from the leaf up (PATH of RFC 6962)."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    hashes: Sequence[bytes] = [leaf_hash(leaf) for leaf in leaves]
    path: list[bytes] = []
    while len(hashes) > 1:
        middle = _split(len(hashes))
        if index < middle:
            path.append(_root(hashes[middle:]))
            hashes = hashes[:middle]
        else:
            path.append(_root(hashes[:middle]))
            hashes, index = hashes[middle:], index - middle
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected: bytes) -> None:
    """Raises `VerificationError` unless `leaf` (a leaf hash) is number `index` of `size` under root `expected`."""
    _check_hashes([leaf, expected, *path])
    if not 0 <= index < size:
        raise VerificationError(f"leaf {index} of a tree of {size}")
    node, last, steps = leaf, size - 1, list(path)
    while last:
        if index & 1 or index < last:
            if not steps:
                raise VerificationError("the inclusion path is too short")
            sibling = steps.pop(0)
            node = node_hash(sibling, node) if index & 1 else node_hash(node, sibling)
        index, last = index >> 1, last >> 1
    if steps:
        raise VerificationError("the inclusion path is too long")
    if node != expected:
        raise VerificationError(f"the inclusion path leads to {node.hex()}, not to {expected.hex()}")


def verify_consistency(size1: int, size2: int, path: Sequence[bytes], root1: bytes, root2: bytes) -> None:
    """Raises `VerificationError` unless the tree of `size1` is a prefix of that of `size2` (RFC 9162, 2.1.4.2)."""
    _check_hashes([root1, root2, *path])
    if not 0 < size1 <= size2:
        raise VerificationError(f"no consistency between sizes {size1} and {size2}")
    if size1 == size2:
        if path or root1 != root2:
            raise VerificationError("trees of equal size need equal roots and an empty path")
        return
    steps = list(path)
    if size1 & (size1 - 1) == 0:
        steps.insert(0, root1)
    _fold_consistency(size1 - 1, size2 - 1, steps, root1, root2)


def _fold_consistency(first: int, last: int, steps: list[bytes], root1: bytes, root2: bytes) -> None:
    if not steps:
        raise VerificationError("the consistency path is empty")
    while first & 1:
        first, last = first >> 1, last >> 1
    old = new = steps.pop(0)
    for sibling in steps:
        if last == 0:
            raise VerificationError("the consistency path is too long")
        if first & 1 or first == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        first, last = first >> 1, last >> 1
    if last or old != root1 or new != root2:
        raise VerificationError("the consistency path does not lead to both roots")


def verify_subtree_inclusion(
    leaf: bytes, index: int, start: int, end: int, path: Sequence[bytes], expected: bytes
) -> None:
    """`leaf` is entry `index` in the subtree over entries [start, end) with root `expected`.

    Subtrees are those of draft-ietf-plants-merkle-tree-certs, section 4.1. Raises `VerificationError`.
    """
    _check_subtree(start, end)
    verify_inclusion(leaf, index - start, end - start, path, expected)


def verify_subtree_consistency(
    start: int, end: int, size: int, path: Sequence[bytes], subtree_root: bytes, root: bytes
) -> None:
    """The subtree over [start, end) with `subtree_root` is part of the tree of `size` with `root` (section 4.4 there).

    Raises `VerificationError`. With `start` 0 it is the consistency proof of RFC 9162.
    """
    _check_hashes([subtree_root, root, *path])
    if start == end:
        _verify_empty_subtree(start, size, path, subtree_root)
        return
    _check_subtree(start, end)
    if end > size:
        raise VerificationError(f"entries {start} to {end - 1} are not within a tree of {size}")
    first, second, last = start, end - 1, size - 1
    while first != second and (second == last or second & 1):
        first, second, last = first >> 1, second >> 1, last >> 1
    steps = list(path)
    if first != second and not steps:
        raise VerificationError("the consistency path is empty")
    old = new = subtree_root if first == second else steps.pop(0)
    for sibling in steps:
        if last == 0:
            raise VerificationError("the consistency path is too long")
        if second & 1 or second == last:
            old = node_hash(sibling, old) if first < second else old
            new = node_hash(sibling, new)
            while second and not second & 1:
                first, second, last = first >> 1, second >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        first, second, last = first >> 1, second >> 1, last >> 1
    if last or old != subtree_root or new != root:
        raise VerificationError("the consistency path does not lead to both roots")


def _verify_empty_subtree(start: int, size: int, path: Sequence[bytes], subtree_root: bytes) -> None:
    if not 0 <= start <= size or path or subtree_root != _root([]):
        raise VerificationError("a subtree without entries has the empty tree's root and an empty path")


def _check_subtree(start: int, end: int) -> None:
    width = 1 << max(end - start - 1, 0).bit_length()
    if not 0 <= start < end or start % width:
        raise VerificationError(f"[{start}, {end}) is no subtree: it must start at a multiple of {width}")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for value in hashes:
        if len(value) != 32:
            raise VerificationError(f"a hash has {len(value)} bytes; SHA-256 has 32")
