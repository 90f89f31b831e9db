"""The log as part of the state: each block's app hash attests its size and root, so all nodes have the same log.

The state's key `log` holds `{size, root, subtrees}`; a block's entries and its tile hashes go to the database with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gchain_node.messages import TxResult
from gchain_node.state import State
from gchain_node.tlog.entries import entries_of
from gchain_node.tlog.frontier import EMPTY_HEAD, Head, LogAppend

__all__ = ["LOG_KEY", "begin", "record"]

LOG_KEY: Final = "log"


def begin(state: State) -> None:
    """The empty log, in the state of height 0."""
    state.put(LOG_KEY, EMPTY_HEAD.state_value())


def record(state: State, height: int, hashes: Sequence[bytes], results: Sequence[TxResult]) -> LogAppend | None:
    """Append a block's transactions, by their SHA-256, to the log in `state`; what the database must gain with it."""
    if not hashes:
        return None
    head = Head.from_state(state.get(LOG_KEY))
    entries = entries_of(height, hashes, results)
    grown, tiles = head.append(entries)
    state.put(LOG_KEY, grown.state_value())
    return LogAppend(head.size, entries, tiles)
