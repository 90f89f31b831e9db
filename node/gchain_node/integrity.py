"""Whether a node's database is what it says: file, tree and values agree with the app hash that was committed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from gchain_node.errors import CorruptStateError
from gchain_node.rows import REMEDY, shown
from gchain_node.store import Store
from gchain_node.tlog.checking import verify_log
from gchain_node.tree import Tree, packed

__all__ = ["IntegrityReport", "verify_store"]


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    height: int
    app_hash: bytes
    keys: int
    pages: int
    log_entries: int = 0

    def __str__(self) -> str:
        return (
            f"height {self.height}, app hash {self.app_hash.hex()}: {self.keys} keys and {self.pages} pages "
            f"of the tree agree, and {self.log_entries} entries of the log"
        )


def verify_store(store: Store) -> IntegrityReport:
    """Check the file, each row's checksum, each page against the one above up to the app hash, each value against its
    leaf, and that there is nothing besides.

    Raises:
        CorruptStateError: names the table, the row, what was found and what was expected.
    """
    store.check_file()
    pages = dict(store.pages())
    tree = Tree(packed(pages.get))
    visited: set[bytes] = set()
    leaves = tree.leaves(visited.add)
    if store.height and tree.root() != store.app_hash:
        raise _damaged(
            store, f"table page, row root: it hashes to {tree.root().hex()}, the app hash is {store.app_hash.hex()}"
        )
    for path in sorted(pages.keys() - visited):
        raise _damaged(store, f"table page, row {shown(path)}: no page above names it")
    keys = _check_values(store, leaves)
    return IntegrityReport(store.height, store.app_hash, keys, len(pages), verify_log(store))


def _check_values(store: Store, leaves: dict[bytes, bytes]) -> int:
    """Raises `CorruptStateError` unless the values are those of the leaves; how many there are."""
    values = store.scan(b"")
    for key, value in values:
        expected = leaves.pop(hashlib.sha256(key).digest(), None)
        found = hashlib.sha256(value).digest()
        if expected is None:
            raise _damaged(store, f"table value, row {shown(key)}: the tree has no such key")
        if found != expected:
            raise _damaged(
                store, f"table value, row {shown(key)}: it hashes to {found.hex()}, the tree says {expected.hex()}"
            )
    for key_hash in sorted(leaves):
        raise _damaged(
            store, f"table value: a row is missing, that of the key whose SHA-256 is {key_hash.hex()} in the tree"
        )
    return len(values)


def _damaged(store: Store, what: str) -> CorruptStateError:
    return CorruptStateError(f"{store.path}: {what}", remedy=REMEDY)
