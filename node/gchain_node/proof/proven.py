"""What a receipt proves, and the sentence that says so: what, by whom, when, and what stands behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gchain_node.proof.light import Signers
from gchain_node.proof.logged import Logged
from gchain_node.proof.rpc_json import text_time
from gchain_node.tx import Tx

__all__ = ["Attested", "Proven"]


@dataclass(frozen=True, slots=True)
class Attested:
    """The validators who signed, their members' names, and how many proved changes led to them."""

    signers: Signers
    names: tuple[str, ...]
    changes: int


@dataclass(frozen=True, slots=True)
class Proven:
    """`data` is the decoded result data. `attested` None: no validators are trusted, the witnessed log alone is.

    `time_ns` is the block's time, which validators attest; without them nobody does.
    """

    chain_id: str
    tx: Tx
    tx_hash: bytes
    height: int
    time_ns: int
    code: int
    data: Any
    genesis_digest: str
    attested: Attested | None
    log: Logged | None

    @property
    def witnesses(self) -> tuple[tuple[str, int], ...]:
        """Witnesses who stand behind it, with the time of each cosignature in seconds since 1970."""
        return () if self.log is None else self.log.witnesses

    def sentence(self) -> str:
        """One sentence."""
        effect = "took effect" if self.code == 0 else f"was refused with code {self.code}"
        what = f"transaction {self.tx_hash.hex()} ({self.tx.module}/{self.tx.action} by {self.tx.signer})"
        where = f"in block {self.height} of ledger {self.chain_id}"
        return f"Proven: {what} {effect} {where}{self._by_validators()}{self._by_log()}{self._standing()}."

    def _by_validators(self) -> str:
        if self.attested is None:
            return ", as the witnessed log alone shows, since the trust file names no validators"
        signers, count = self.attested.signers, self.attested.changes
        changes = "no change" if count == 0 else f"{count} proved changes"
        return (
            f" at {text_time(self.time_ns)}, as attested by {', '.join(self.attested.names)} with {signers.power} of "
            f"{signers.total} voting power, who are validators by genesis {self.genesis_digest} and {changes} since"
        )

    def _by_log(self) -> str:
        if self.log is None:
            return ""
        signed = f", signed by {', '.join(self.log.members)}" if self.log.members else ""
        return f"; it is entry {self.log.index} of the ledger's log of {self.log.size}{signed}"

    def _standing(self) -> str:
        if not self.witnesses:
            return (
                "; no witness outside the consortium stands behind this, so whoever holds the old validators' keys "
                "could have rewritten history"
            )
        named = " and ".join(f"{name} at {text_time(time * 10**9)}" for name, time in self.witnesses)
        return f"; cosigned by {named}, who would have to take part in any later rewriting of history up to then"
