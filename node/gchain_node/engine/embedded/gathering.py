"""Group commit: how long the engine lets transactions gather before it makes the next block.

A block costs signatures, hashes and two synced writes however little it holds, and while it is made those who send
are slowed down. So under load the engine rests after a block, and the next one carries more. Nobody else waits:

    * At most one transaction came while the block was made: whoever sent it sends nothing more before it is committed,
      or nobody did. The next block, if one is due, is made at once.
    * Enough wait already: more would make each transaction hardly cheaper, and all of them later.
    * No more come while the engine rests: all who send have sent. The rest ends.

A rest takes no longer than the block did, and never longer than `LONGEST`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

__all__ = ["ENOUGH", "LONGEST", "gather"]

LONGEST: Final = 0.05  # seconds
ENOUGH: Final = 128  # transactions: a block's fixed costs are then below a tenth of its own
_LOOKS: Final = 8  # at what waits, in a whole rest


def gather(waiting: Callable[[], int], taken: float, stop: threading.Event) -> None:
    """Rest after a block that took `taken` seconds to make, until `stop` is set at the latest.

    `waiting` counts the transactions for the next block.
    """
    before, seen, look = 1, waiting(), min(taken, LONGEST) / _LOOKS
    for _ in range(_LOOKS):
        if not before < seen < ENOUGH or stop.wait(look):
            return
        before, seen = seen, waiting()
