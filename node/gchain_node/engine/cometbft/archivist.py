"""Archives blocks before the engine may prune them, and says how far it may.

The engine prunes below the height that `Commit` answers. That height is never above what the archive holds, so a slow
or failing archivist costs disk and never a receipt.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from gchain_node.archive import Archive, ArchivedBlock
from gchain_node.engine.cometbft.rpc import EngineRpc
from gchain_node.engine.cometbft.source import CometSource
from gchain_node.engine.interface import CommittedBlock
from gchain_node.errors import NodeError

__all__ = ["Archivist"]

_log = logging.getLogger(__name__)
_AGAIN: Final = 5.0  # seconds after which a failed attempt is repeated


class Archivist:
    """Follows the engine on a thread of its own.

    Args:
        retain_blocks: how many of the latest blocks the engine keeps.
        source: the engine's own blocks.
        recent: the node's own copy of a block, by height, while it is in memory; it saves the engine from writing, and
            the node from reading, all its transactions and results as JSON. It is checked against the headers alike.
    """

    def __init__(
        self,
        archive: Archive,
        rpc: EngineRpc,
        source: CometSource,
        retain_blocks: int,
        recent: Callable[[int], CommittedBlock | None] = lambda height: None,
    ) -> None:
        self._archive = archive
        self._rpc = rpc
        self._source = source
        self._recent = recent
        self._retain_blocks = retain_blocks
        self._height = 0
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="archivist", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop after the block at hand."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def committed(self, height: int) -> None:
        """Told of each height that the application has committed; returns at once."""
        with self._wake:
            self._height = height
            self._wake.notify_all()

    def retain_height(self, height: int) -> int:
        """The lowest height that the engine must keep when `height` is committed; 0 for all."""
        return max(0, min(height - self._retain_blocks + 1, self._archive.last + 1 if self._archive.last else 0))

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closing or self._height - 1 > self._archive.last)
                if self._closing:
                    return
            try:
                self._archive_next(self._archive.last + 1 if self._archive.last else self._earliest())
            except NodeError as error:
                _log.warning("a block was not archived, the engine keeps it: %s", error)
                self._rest()
            except Exception:  # an answer of a shape that nobody foresaw must not end the archive for good
                _log.exception("a block was not archived, the engine keeps it")
                self._rest()

    def _rest(self) -> None:
        with self._wake:
            self._wake.wait_for(lambda: self._closing, _AGAIN)

    def _earliest(self) -> int:
        return int(self._rpc.status()["sync_info"]["earliest_block_height"])

    def _archive_next(self, height: int) -> None:
        """Raises `NodeError` if the engine lacks what is needed, or contradicts itself."""
        signed, following = self._source.signed_header(height), self._source.signed_header(height + 1)
        if signed is None or following is None:
            raise NodeError(f"the engine does not have blocks {height} and {height + 1}")
        header, commit = signed
        if (kept := self._recent(height)) is not None:
            txs, results = tuple(tx.raw for tx in kept.txs), tuple(tx.result for tx in kept.txs)
        else:
            txs, results = tuple(self._source.transactions(height)), tuple(self._source.results(height))
        block = ArchivedBlock(header, commit, txs, results, following[0].app_hash)
        block.check(following[0])
        known = self._archive.validators(self._archive.last)
        fresh = None
        if known is None or known.hash() != header.validators_hash:
            fresh = self._source.validators(height)
            if fresh.hash() != header.validators_hash:
                raise NodeError(f"the engine's validators of block {height} are not those that its header names")
        self._archive.put(block, fresh)
