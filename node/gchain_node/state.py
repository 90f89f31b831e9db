"""State of the ledger as the modules see it: typed reads, and writes that wait for the block's end.

A key is a text path, and the same path is what a client queries: `consortium`, `rules`, `members`, `members/<m>`,
`records/<id>`, `governance/proposals/<id>`, `governance/go-live`, `keys/<kid>`, `nonces/<signer>`. A value is
deterministic CBOR.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import cbor2

from gchain_node import cbor

__all__ = ["Committed", "Nothing", "State"]


class Committed(Protocol):
    """What lies under an overlay: `Store`, or another overlay's owner."""

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]: ...


class Nothing:
    """What lies under genesis."""

    def get(self, key: bytes) -> bytes | None:
        return None

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        return []


class State:
    """Writes of one block (or of the mempool's view) over what is committed."""

    def __init__(self, committed: Committed) -> None:
        self._committed = committed
        self._block: dict[bytes, bytes | None] = {}
        self._transaction: dict[bytes, bytes | None] | None = None

    def get(self, path: str) -> Any:
        """The decoded value, a fresh copy, or None."""
        raw = self.raw(path.encode())
        return None if raw is None else cbor2.loads(raw)

    def raw(self, key: bytes) -> bytes | None:
        if self._transaction is not None and key in self._transaction:
            return self._transaction[key]
        if key in self._block:
            return self._block[key]
        return self._committed.get(key)

    def put(self, path: str, value: Any) -> None:
        self._writes()[path.encode()] = cbor.encode(value)

    def delete(self, path: str) -> None:
        self._writes()[path.encode()] = None

    def scan(self, prefix: str) -> list[tuple[str, Any]]:
        """Paths that start with `prefix` and their values, in the order of the paths' bytes."""
        start = prefix.encode()
        found: dict[bytes, bytes | None] = dict(self._committed.scan(start))
        for layer in (self._block, self._transaction or {}):
            found.update((key, value) for key, value in layer.items() if key.startswith(start))
        return [(key.decode(), cbor2.loads(value)) for key, value in sorted(found.items()) if value is not None]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Writes inside take effect together at the end, or not at all if an exception leaves the block."""
        if self._transaction is not None:
            raise RuntimeError("transactions do not nest")
        self._transaction = {}
        try:
            yield
            self._block.update(self._transaction)
        finally:
            self._transaction = None

    def changes(self) -> dict[bytes, bytes | None]:
        """What differs from the committed state so far, in the order of the keys."""
        return dict(sorted(self._block.items()))

    def _writes(self) -> dict[bytes, bytes | None]:
        return self._block if self._transaction is None else self._transaction
