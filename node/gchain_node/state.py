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


class _Written:
    """A value as it was put; encoded when somebody first needs its bytes."""

    __slots__ = ("_raw", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._raw: bytes | None = None

    @property
    def raw(self) -> bytes:
        if self._raw is None:
            self._raw = cbor.encode(self.value)
        return self._raw


_Layer = dict[bytes, _Written | None]


class State:
    """Writes of one block (or of the mempool's view) over what is committed, which MUST NOT change meanwhile.

    Args:
        trial: for a view that is never committed: values are encoded only when somebody reads them, and so MUST NOT be
            changed after they are put.
    """

    def __init__(self, committed: Committed, *, trial: bool = False) -> None:
        self._committed = committed
        self._trial = trial
        self._block: _Layer = {}
        self._transaction: _Layer | None = None
        self._decoded: dict[bytes, Any] = {}

    def get(self, path: str) -> Any:
        """The decoded value, a fresh copy, or None."""
        raw = self.raw(path.encode())
        return None if raw is None else cbor2.loads(raw)

    def peek(self, path: str) -> Any:
        """As `get`, but shared: what it returns MUST NOT be changed. For what every transaction reads."""
        key = path.encode()
        if self._transaction is not None and key in self._transaction:
            written = self._transaction[key]
        elif key in self._block:
            written = self._block[key]
        else:
            return self._peek_committed(key)
        return None if written is None else written.value

    def _peek_committed(self, key: bytes) -> Any:
        found = self._decoded.get(key)
        if found is None:
            raw = self._committed.get(key)
            if raw is not None:
                found = self._decoded[key] = cbor2.loads(raw)
        return found

    def raw(self, key: bytes) -> bytes | None:
        if self._transaction is not None and key in self._transaction:
            written = self._transaction[key]
        elif key in self._block:
            written = self._block[key]
        else:
            return self._committed.get(key)
        return None if written is None else written.raw

    def has(self, path: str) -> bool:
        """Whether there is a value at `path`."""
        key = path.encode()
        if self._transaction is not None and key in self._transaction:
            return self._transaction[key] is not None
        if key in self._block:
            return self._block[key] is not None
        return self._committed.get(key) is not None

    def put(self, path: str, value: Any) -> None:
        written = _Written(value)
        if not self._trial:
            _ = written.raw  # what cannot be encoded is found out here, not when the block ends
        self._writes()[path.encode()] = written

    def put_later(self, path: str, value: Any) -> None:
        """As `put`, for what changes with every transaction, surely can be encoded, and is not changed after."""
        self._writes()[path.encode()] = _Written(value)

    def delete(self, path: str) -> None:
        self._writes()[path.encode()] = None

    def scan(self, prefix: str) -> list[tuple[str, Any]]:
        """Paths that start with `prefix` and their values, in the order of the paths' bytes."""
        start = prefix.encode()
        found: dict[bytes, bytes | None] = dict(self._committed.scan(start))
        for layer in (self._block, self._transaction or {}):
            found.update((key, _raw(written)) for key, written in layer.items() if key.startswith(start))
        return [(key.decode(), cbor2.loads(value)) for key, value in sorted(found.items()) if value is not None]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Writes inside take effect together at the end, or not at all if an exception leaves the block."""
        self.begin()
        try:
            yield
        except BaseException:
            self.abandon()
            raise
        self.keep()

    def begin(self) -> None:
        """Start a transaction; `keep` or `abandon` ends it. Raises `RuntimeError` inside another."""
        if self._transaction is not None:
            raise RuntimeError("transactions do not nest")
        self._transaction = {}

    def keep(self) -> None:
        """End the transaction: its writes take effect together."""
        self._block.update(self._transaction or {})
        self._transaction = None

    def abandon(self) -> None:
        """End the transaction: nothing of it was."""
        self._transaction = None

    def changes(self) -> dict[bytes, bytes | None]:
        """What differs from the committed state so far, in the order of the keys."""
        return {key: _raw(written) for key, written in sorted(self._block.items(), key=_key)}

    def _writes(self) -> _Layer:
        return self._block if self._transaction is None else self._transaction


def _raw(written: _Written | None) -> bytes | None:
    return None if written is None else written.raw


def _key(item: tuple[bytes, _Written | None]) -> bytes:
    return item[0]
