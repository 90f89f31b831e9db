"""Whether the embedded engine's blocks are what their headers say: for `gchain-node db verify` of a development ledger.

The rows have no checksums; what they hold is hashed into headers, and headers into commits, so damage shows there. Not
so the text of a result's log, which nothing attests.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import cbor2

from gchain_node.archive import ArchivedBlock, KeptBlocks, verify_kept
from gchain_node.engine.embedded.blocks import BlockStore, StoredBlock
from gchain_node.errors import CorruptStateError, VerificationError
from gchain_node.proof.block import ValidatorSet, data_hash
from gchain_node.proof.light import LightBlock, verify_commit, verify_light_block
from gchain_node.proof.rpc_json import reading

__all__ = ["verify_blocks"]


def verify_blocks(path: Path) -> int:
    """Check every block's transactions, commits, results and validators, and the index; how many blocks there are.

    Raises:
        CorruptStateError: names the table, the row, what was found and what was expected.
        StateError: the file cannot be read.
    """
    try:
        store = BlockStore(path)  # which reads the transactions of the latest blocks, for its index
    except (cbor2.CBORError, EOFError, TypeError, ValueError) as error:
        raise CorruptStateError(
            f"{path}: table block: the transactions of a late block are damaged: {error}"
        ) from error
    with closing(store):
        return verify_kept(_Checked(path, store))


class _Checked(KeptBlocks):
    """The engine's blocks; each is checked by itself as it is read."""

    def __init__(self, path: Path, store: BlockStore) -> None:
        self.path = path
        self._store = store
        self.first, self.last = store.first_height, store.height

    def block(self, height: int) -> ArchivedBlock | None:
        try:
            stored = reading("the row", lambda: self._store.block(height))
            if stored is None:
                return None
            _check(stored, height, self.validators(height))
            if height > self.first:
                verify_commit(stored.header.chain_id, self.validators(height - 1), stored.last_commit)
        except (VerificationError, cbor2.CBORError, EOFError) as error:
            raise CorruptStateError(f"{self.path}: table block, row {height}: {error}") from error
        return ArchivedBlock(stored.header, stored.seen, stored.txs, stored.results, stored.app_hash)

    def validators(self, height: int) -> ValidatorSet:
        try:
            return reading("the row", lambda: self._store.validators(height))
        except VerificationError as error:
            raise CorruptStateError(f"{self.path}: table validators, of block {height}: {error}") from error

    def locate(self, hash_: bytes) -> tuple[int, int] | None:
        return self._store.locate(hash_)


def _check(stored: StoredBlock, height: int, validators: ValidatorSet) -> None:
    """What the block itself shows, without the next one. Raises `VerificationError`."""
    header = stored.header
    if header.height != height:
        raise VerificationError(f"its header is of height {header.height}")
    last = (stored.last_commit.hash(), stored.last_commit.block_id)
    if last != (header.last_commit_hash, header.last_block_id):
        raise VerificationError("the commit in it is not the one that its header names")
    if data_hash(stored.txs) != header.data_hash:
        raise VerificationError("its transactions are not those that its header names")
    verify_light_block(LightBlock(header, stored.seen, validators), header.chain_id)
    verify_commit(header.chain_id, validators, stored.seen)
