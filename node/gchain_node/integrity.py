"""Whether a node's database is what it says: file, values and tree agree with the app hash that was committed."""

from __future__ import annotations

from dataclasses import dataclass

from gchain_node.errors import CorruptStateError
from gchain_node.store import Store
from gchain_node.tree import Tree

__all__ = ["IntegrityReport", "verify_store"]


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    height: int
    app_hash: bytes
    keys: int
    pages: int

    def __str__(self) -> str:
        return (
            f"height {self.height}, app hash {self.app_hash.hex()}: {self.keys} keys and {self.pages} pages "
            "of the tree agree"
        )


def verify_store(store: Store) -> IntegrityReport:
    """Recompute the tree from all values, and compare root and every page with what is stored.

    Raises:
        CorruptStateError: names the first page that differs, or the root.
    """
    store.check_file()
    values: dict[bytes, bytes | None] = dict(store.scan(b""))
    fresh = Tree(lambda path: None).update(values)
    if fresh.root != store.app_hash:
        raise CorruptStateError(
            f"{store.path}: the values hash to {fresh.root.hex()}, the app hash committed is {store.app_hash.hex()}",
            remedy="restore a backup of the node's data, or remove the directory and let the node catch up",
        )
    expected = {path: data for path, data in fresh.pages.items() if data is not None}
    stored = dict(store.pages())
    for path in sorted(expected.keys() | stored.keys()):
        if expected.get(path) != stored.get(path):
            raise CorruptStateError(
                f"{store.path}: page {path.hex() or 'root'} of the tree is not what the values give"
            )
    return IntegrityReport(store.height, store.app_hash, len(values), len(stored))
