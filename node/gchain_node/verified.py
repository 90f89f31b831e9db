"""Memory of good signatures, so that a node verifies each transaction once.

It says "these bytes carry a good signature of this key", which never changes, and never "this is allowed", which does.
"""

from __future__ import annotations

import threading
from collections import deque

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from gchain_node import tx
from gchain_node.keys.public import load_public_key

__all__ = ["VerifiedTransactions"]

_MAX_BYTES = 32 * 1024 * 1024  # of raw transactions; decoded they take a multiple
_MAX_ENTRIES = 8192  # above what an engine's mempool holds
_MAX_KEYS = 4096


class VerifiedTransactions:
    """Decoded transactions by their bytes, and parsed keys by kid; both bounded, the oldest go first. Safe across
    threads.

    By their bytes and not their hash, because a look-up costs a fraction of a SHA-256 and each transaction comes here
    half a dozen times. Python keys its hash of bytes with a secret of the process: nobody can choose colliding ones.
    """

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._decoded: dict[bytes, tx.SignedTx] = {}
        self._order: deque[bytes] = deque()  # oldest first; a dict passes over all that it lost to find its first
        self._good: set[bytes] = set()
        self._keys: dict[bytes, PublicKeyTypes] = {}
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    @property
    def entries(self) -> int:
        """How many good signatures are remembered."""
        return len(self._good)

    def decode(self, raw: bytes) -> tx.SignedTx:
        """`tx.decode`, or what it gave before. Raises `TransactionError`; failures are not remembered."""
        found = self._decoded.get(raw)
        if found is None:
            found = tx.decode(raw)
            with self._lock:
                self._remember(found)
        return found

    def hash_of(self, raw: bytes) -> bytes:
        """`tx.tx_hash`, from memory where the transaction was decoded before."""
        found = self._decoded.get(raw)
        return tx.tx_hash(raw) if found is None else found.hash

    def verify(self, signed: tx.SignedTx, public_key_der: bytes) -> None:
        """`tx.verify` under the key whose SHA-256 is the envelope's kid. Raises `TransactionError`."""
        self._verify(signed, self._keys.get(signed.envelope.kid) or self._load(signed.envelope.kid, public_key_der))

    def verify_known(self, signed: tx.SignedTx) -> bool:
        """The same without the key's bytes; False if the key is not remembered. Raises `TransactionError`."""
        key = self._keys.get(signed.envelope.kid)
        if key is not None:
            self._verify(signed, key)
        return key is not None

    def _verify(self, signed: tx.SignedTx, key: PublicKeyTypes) -> None:
        if signed.raw in self._good:
            self.hits += 1  # counts for the metrics: one lost between threads does no harm
            return
        self.misses += 1
        tx.verify(signed.envelope, key)
        with self._lock:
            if signed.raw in self._decoded:
                self._good.add(signed.raw)

    def _load(self, kid: bytes, der: bytes) -> PublicKeyTypes:
        key = load_public_key(der)
        with self._lock:
            if len(self._keys) >= _MAX_KEYS:
                self._keys.clear()
            self._keys[kid] = key
        return key

    def _remember(self, signed: tx.SignedTx) -> None:
        if signed.raw in self._decoded:
            return
        self._decoded[signed.raw] = signed
        self._order.append(signed.raw)
        self._bytes += len(signed.raw)
        while self._bytes > self._max_bytes or len(self._decoded) > _MAX_ENTRIES:
            oldest = self._order.popleft()
            self._bytes -= len(oldest)
            del self._decoded[oldest]
            self._good.discard(oldest)
