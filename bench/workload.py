"""Signed transactions to offer: records, and the mix of a government's business."""

from __future__ import annotations

import itertools
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from gchain_node import tx
from gchain_node.development import DevelopmentConsortium

__all__ = ["MIX", "Workload"]

MIX = {"records": 36, "finance": 27, "identity": 18, "provenance": 14, "workflow": 5}
"""Percent of transactions. Only `records` is a module yet: records of the same size stand in for the others, and say so
in their schema (`stand-in.finance`).
"""

_EXPIRES = 1_000_000


@dataclass
class Workload:
    """Every member and officer of a consortium signs in turn; each number is used once.

    `mixed` makes a third of the records supersede an earlier one of the same owner, as documents change.
    """

    consortium: DevelopmentConsortium
    mixed: bool = False
    _numbers: dict[str, Iterator[int]] = field(default_factory=dict)
    _mine: dict[str, list[str]] = field(default_factory=dict)

    def take(self, count: int) -> list[bytes]:
        """Sign that many."""
        members = self.consortium.members
        signers = [(m.officer, m.keys["officer"]) for m in members] + [(m.name, m.keys["member"]) for m in members]
        return [self._signed(*signers[number % len(signers)]) for number in range(count)]

    def _signed(self, signer: str, key: tx.SigningKey) -> bytes:
        action, args = self._action(signer.partition("/")[0])
        number = next(self._numbers.setdefault(signer, itertools.count(2)))
        chain_id = str(self.consortium.genesis["chain_id"])
        return tx.sign(tx.Tx(chain_id, "records", action, args, signer, number, _EXPIRES), key)

    def _action(self, member: str) -> tuple[str, dict[str, object]]:
        args: dict[str, object] = {"id": f"bench-{secrets.token_hex(8)}", "commitment": secrets.token_bytes(32)}
        if not self.mixed:
            return "commit", args
        kind = random.choices(list(MIX), list(MIX.values()))[0]  # noqa: S311 -- shares, not secrets
        mine = self._mine.setdefault(member, [])
        if kind == "records" and len(mine) > 1_000 and secrets.randbelow(3) == 0:
            return "supersede", args | {"id": mine.pop(0)}  # old enough to be in a block
        if kind == "records":
            mine.append(str(args["id"]))
        return "commit", args | {"schema": kind if kind == "records" else f"stand-in.{kind}"}
