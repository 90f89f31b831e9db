"""Headers, commits, validator sets and results from CometBFT's RPC: the `BlockSource` of receipts."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gchain_node.archive import Archive, ArchivedBlock
from gchain_node.engine.cometbft.rpc import EngineRpc, tx_result
from gchain_node.errors import StateError
from gchain_node.messages import TxResult
from gchain_node.proof.block import EMPTY_COMMIT, NO_EVIDENCE, Commit, Header, ValidatorSet
from gchain_node.proof.rpc_json import commit_from_json, header_from_json, validators_from_json

__all__ = ["CometSource"]


class CometSource:
    """Implements `gchain_node.proof.receipt.BlockSource`.

    Args:
        validator_changes: heights whose header names another validator set for the next, as the state has them.
        archive: asked first, if there is one: the engine may have pruned what it holds.
    """

    def __init__(
        self, rpc: EngineRpc, validator_changes: Callable[[], Sequence[int]], archive: Archive | None = None
    ) -> None:
        self._rpc = rpc
        self._validator_changes = validator_changes
        self._archive = archive

    def archived(self, height: int) -> ArchivedBlock | None:
        return None if self._archive is None else self._archive.block(height)

    def first_height(self) -> int:
        earliest = int(self._rpc.status()["sync_info"]["earliest_block_height"])
        kept = self._archive
        joins = kept is not None and kept.last > 0 and kept.first <= earliest <= kept.last + 1
        return kept.first if kept is not None and joins else earliest

    def signed_header(self, height: int) -> tuple[Header, Commit] | None:
        if (kept := self.archived(height)) is not None:
            return kept.header, kept.commit
        answer = self._rpc.commit(height)
        if answer is None:
            return None
        signed = answer["signed_header"]
        return header_from_json(signed["header"]), commit_from_json(signed["commit"])

    def transactions(self, height: int) -> Sequence[bytes]:
        if (kept := self.archived(height)) is not None:
            return kept.txs
        answer = self._rpc.block(height)
        return [] if answer is None else [base64.b64decode(raw) for raw in answer["block"]["data"]["txs"] or []]

    def results(self, height: int) -> Sequence[TxResult]:
        if (kept := self.archived(height)) is not None:
            return kept.results
        answer = self._rpc.block_results(height)
        return [] if answer is None else [tx_result(result) for result in answer["txs_results"] or []]

    def validators(self, height: int) -> ValidatorSet:
        kept = None if self._archive is None else self._archive.validators(height)
        return kept or validators_from_json(self._rpc.validators(height))

    def validator_changes(self) -> Sequence[int]:
        return self._validator_changes()

    def last_commit(self, height: int) -> Commit:
        """The commit in block `height`: the archived one for the block before, where both are archived."""
        if self.archived(height) is not None and (before := self.archived(height - 1)) is not None:
            return before.commit
        answer = self._rpc.block(height)
        found = None if answer is None else answer["block"]["last_commit"]
        return EMPTY_COMMIT if not found or not found["signatures"] else commit_from_json(found)

    def evidence(self, height: int) -> Sequence[Mapping[str, Any]]:
        """The evidence in block `height`; the archive keeps none, only that there is none."""
        kept = self.archived(height)
        if kept is not None and kept.header.evidence_hash == NO_EVIDENCE:
            return ()
        answer = self._rpc.block(height)
        if answer is None and kept is not None:
            raise StateError(
                f"block {height} has evidence of misbehaviour, which went with the engine's own copy of the block",
                remedy="export from a member that keeps all blocks",
            )
        return () if answer is None else answer["block"]["evidence"]["evidence"] or ()
