"""The fence: what the chain shows decides whether this signer, with this journal, may still sign.

Two hosts can hold one key (a clustered HSM), and a journal can come back from a backup. Neither shows in a signer's own
files, so a fenced signer also looks at the chain as its node committed it (`chain_view.py`), at every request:

* A vote for height H needs the view of H - 1 or later. So a registration in block R is seen by every signer of the key
before it signs anything above R: the one that it replaces refuses from there on, and the new one signs nothing at or
below R. No height can be signed by both, whatever the hosts' clocks, delays or partitions are.
* A height at which the chain holds this key's signature but that the journal has not reached was signed by another
journal: this one is old, or it is not the only one.

What cannot be read refuses. A member that registered no signer is at epoch 0, as is a signer without `epoch`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gchain_node.errors import SigningRefused
from gchain_node.signer.chain_view import ChainView, read_view
from gchain_node.signer.state import Position

__all__ = ["Fence"]


@dataclass(frozen=True)
class Fence:
    """Signer `id` at `epoch`, for the validator `address` (upper-case hex) of `chain_id`. Every check may raise
    `SigningRefused`, whose text begins with the case's name.
    """

    view: Path
    chain_id: str
    id: str
    epoch: int
    address: str

    def check(self, position: Position, journalled: int) -> None:
        """Whether `position` may be signed with a journal that has reached the height `journalled`."""
        view = self._read()
        if view.height < position.height - 1:
            raise SigningRefused(f"ahead_of_chain: {position}, the node has committed height {view.height}")
        self._check_epoch(view)
        if position.height <= view.signer.height:
            raise SigningRefused(f"before_take_over: {position}, this signer was registered in {view.signer.height}")
        self._check_journal(view, journalled)

    def check_start(self, journalled: int) -> None:
        """What a start can know already. A node that is not up yet is waited for: `check` refuses until then."""
        if self.view.exists():
            view = self._read()
            self._check_epoch(view)
            self._check_journal(view, journalled)

    def check_initial_height(self, height: int, *, halted: bool = False) -> None:
        """Whether a journal may begin at `height`, for a key of whose signatures only the chain knows.

        The height in flight (the view's + 1) may have been signed with the journal that is gone, so it is left out,
        unless the chain is `halted`, waiting for just this validator, and a person answers for it.
        """
        if not self.view.exists():
            return
        view = self._read()
        if self.address not in view.signed and not self.epoch:
            return
        lowest = max(view.height + (1 if halted else 2), view.signer.height + 1)
        if height < lowest:
            raise SigningRefused(
                f"the chain is at height {view.height} and holds signatures of this key up to "
                f"{view.signed.get(self.address, 0)}: the initial height must be {lowest} or above, not {height}"
            )

    def check_registered(self) -> None:
        """Whether the ledger names this signer: only then may a take-over begin a journal."""
        self._check_epoch(self._read())

    def _read(self) -> ChainView:
        view = read_view(self.view)
        if view.chain_id != self.chain_id:
            raise SigningRefused(f"wrong_chain: {self.view} is of {view.chain_id!r}, not of {self.chain_id!r}")
        return view

    def _check_epoch(self, view: ChainView) -> None:
        known = view.signer
        if known.epoch < self.epoch:
            raise SigningRefused(
                f"not_registered: this is signer {self.id!r} of epoch {self.epoch}, the ledger is at {known.epoch}",
                remedy=f"an officer sends membership/register_signer with id {self.id} and epoch {known.epoch + 1}",
            )
        if (known.id, known.epoch) != (self.id if self.epoch else "", self.epoch):
            raise SigningRefused(
                f"taken_over: the ledger names signer {known.id!r} of epoch {known.epoch} since height "
                f"{known.height}; this is {self.id!r} of epoch {self.epoch}",
                remedy="leave this signer stopped; to take the key back, register it anew with the next epoch",
            )

    def _check_journal(self, view: ChainView, journalled: int) -> None:
        signed = view.signed.get(self.address, 0)
        if signed > journalled:
            raise SigningRefused(
                f"old_journal: the chain holds this key's signature at height {signed}, the journal ends at "
                f"{journalled}: it comes from a backup, or another journal signs with this key",
                remedy=f"find the other signer; then `signer init --initial-height` {view.height + 2} or above",
            )
