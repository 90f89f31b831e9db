"""What a client gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gchain_node.codes import TABLE, Code
from gchain_node.errors import TransactionError
from gchain_node.proof.state import StateProof

__all__ = ["Outcome", "QueryAnswer"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a transaction. `height` and `index` are its place once it is committed."""

    hash: bytes
    committed: bool
    code: int
    log: str
    data: Any
    height: int | None = None
    index: int | None = None

    def raise_for_code(self) -> Outcome:
        """Raises `TransactionError` unless a block has the transaction and it took effect."""
        if self.code != 0:
            raise TransactionError(Code(self.code) if self.code in TABLE else Code.INTERNAL, self.log)
        if not self.committed:
            raise TransactionError(Code.INTERNAL, f"transaction {self.hash.hex()} is queued, not committed")
        return self


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """A value of the state after `height`, or None. `proof` shows that it is so under the app hash in the header of
    `height + 1`; `proven` says that this header was checked too, so that the value needs no belief in the node.
    """

    path: str
    value: Any
    height: int
    proof: StateProof | None
    proven: bool = False
