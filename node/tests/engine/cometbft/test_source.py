"""What the engine and the node's archive have of a ledger, as one source of blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from gchain_node.engine.cometbft.source import CometSource
from gchain_node.errors import StateError
from gchain_node.proof.block import EMPTY_COMMIT, NO_EVIDENCE, BlockId, Commit
from gchain_node.proof.rpc_json import commit_to_json

FOUND = {"type": "tendermint/DuplicateVoteEvidence"}


@dataclass
class Kept:
    """An archived block, as far as it is asked here."""

    header: Any
    commit: Commit


@dataclass
class Hash:
    evidence_hash: bytes


class Archived:
    """An archive of blocks `first` to `last`."""

    def __init__(self, first: int, last: int, evidence: bytes = NO_EVIDENCE) -> None:
        self.first, self.last = first, last
        self._evidence = evidence

    def block(self, height: int) -> Kept | None:
        known = self.first <= height <= self.last
        return Kept(Hash(self._evidence), replace(EMPTY_COMMIT, height=height)) if known else None


class Rpc:
    """An engine that keeps blocks from `earliest` on, each with a piece of evidence."""

    def __init__(self, earliest: int) -> None:
        self.earliest = earliest

    def status(self) -> dict[str, Any]:
        return {"sync_info": {"earliest_block_height": str(self.earliest)}}

    def block(self, height: int) -> dict[str, Any] | None:
        if height < self.earliest:
            return None
        commit = commit_to_json(Commit(height - 1, 0, BlockId(), ()))
        return {"block": {"last_commit": commit, "evidence": {"evidence": [FOUND]}}}


def source(earliest: int, archive: Archived | None = None) -> CometSource:
    engine: Any = Rpc(earliest)
    kept: Any = archive
    return CometSource(engine, lambda: (), kept)


@pytest.mark.parametrize(
    ("earliest", "archive", "first"),
    [
        (1, None, 1),
        (40, None, 40),
        (40, Archived(0, 0), 40),
        (40, Archived(1, 39), 1),
        (40, Archived(1, 60), 1),
        (40, Archived(20, 60), 20),
        (40, Archived(1, 20), 40),
        (10, Archived(20, 60), 10),
    ],
)
def test_a_ledger_is_kept_from_where_archive_and_engine_have_no_gap(
    earliest: int, archive: Archived | None, first: int
) -> None:
    assert source(earliest, archive).first_height() == first


def test_an_archived_block_without_evidence_has_none() -> None:
    assert source(40, Archived(1, 60)).evidence(20) == ()


def test_evidence_in_an_archived_block_comes_from_the_engine_while_it_has_the_block() -> None:
    both = source(40, Archived(1, 60, evidence=bytes(32)))
    assert both.evidence(50) == [FOUND]
    with pytest.raises(StateError, match="block 20 has evidence of misbehaviour") as caught:
        both.evidence(20)
    assert "keeps all blocks" in str(caught.value.remedy)


def test_the_commit_in_the_archives_first_block_is_the_engines() -> None:
    begun = source(1, Archived(20, 60))
    assert begun.last_commit(30).height == 29
    assert begun.last_commit(20) == EMPTY_COMMIT  # the engine's here has no signature, as in a ledger's first block
