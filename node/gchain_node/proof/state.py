"""Proofs of state: that a key had a value, or was absent, in the state whose root is a header's app hash.

The tree is that of `gchain_node.tree`. The app hash after height h stands in the header of h + 1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from gchain_node import cbor
from gchain_node.errors import NodeError, VerificationError
from gchain_node.tree import EMPTY, Leaf, inner_hash, leaf_hash

__all__ = ["StateProof"]

_MAX_DEPTH = 256


@dataclass(frozen=True, slots=True)
class StateProof:
    """`value` None claims absence. `siblings` lead from the root down; `end` is the lone leaf met there, or None."""

    key: bytes
    value: bytes | None
    siblings: tuple[bytes, ...]
    end: Leaf | None

    def encode(self) -> bytes:
        end = None if self.end is None else list(self.end)
        return cbor.encode({"key": self.key, "value": self.value, "siblings": list(self.siblings), "end": end})

    @classmethod
    def decode(cls, raw: bytes) -> StateProof:
        """Raises `VerificationError`."""
        try:
            fields = cbor.decode(raw)
            proof = cls(fields["key"], fields["value"], tuple(fields["siblings"]), _leaf(fields["end"]))
        except (NodeError, KeyError, TypeError, ValueError) as error:
            raise VerificationError(f"not a state proof: {error}") from error
        proof._check_shape()
        return proof

    def _check_shape(self) -> None:
        hashes = [*self.siblings, *(self.end or ())]
        if not isinstance(self.key, bytes) or not (self.value is None or isinstance(self.value, bytes)):
            raise VerificationError("a state proof's key and value must be byte strings")
        if any(not isinstance(h, bytes) or len(h) != 32 for h in hashes) or len(self.siblings) > _MAX_DEPTH:
            raise VerificationError("a state proof holds up to 256 hashes of 32 bytes")

    def verify(self, app_hash: bytes) -> None:
        """Raises `VerificationError` unless the state with root `app_hash` holds exactly what this proof claims."""
        self._check_shape()
        key_hash = hashlib.sha256(self.key).digest()
        self._check_end(key_hash)
        node = EMPTY if self.end is None else leaf_hash(*self.end)
        for depth in range(len(self.siblings) - 1, -1, -1):
            sibling = self.siblings[depth]
            node = inner_hash(sibling, node) if _bit(key_hash, depth) else inner_hash(node, sibling)
        if node != app_hash:
            raise VerificationError(f"the proof leads to root {node.hex()}, the header says {app_hash.hex()}")

    def _check_end(self, key_hash: bytes) -> None:
        if self.value is not None:
            if self.end != (key_hash, hashlib.sha256(self.value).digest()):
                raise VerificationError("the proof's path does not end in this key with this value")
            return
        if self.end is None:
            return
        if self.end[0] == key_hash:
            raise VerificationError("the proof claims absence, but its path ends in the key itself")
        if any(_bit(self.end[0], depth) != _bit(key_hash, depth) for depth in range(len(self.siblings))):
            raise VerificationError("the proof's path ends in a leaf that does not belong there")


def _leaf(value: object) -> Leaf | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("end must be a pair of hashes")
    return value[0], value[1]


def _bit(key_hash: bytes, depth: int) -> int:
    return key_hash[depth >> 3] >> (7 - (depth & 7)) & 1
