"""Group commit: how long the engine lets transactions gather before it makes the next block.

A block costs signatures, hashes and two synced writes however little it holds, and while it is made those who send
are slowed down. So under load the engine rests after a block, and the next one carries more. Nobody else waits:

    * At most one transaction came while the block was made: whoever sent it sends nothing more before it is committed,
      or nobody did. The next block, if one is due, is made at once.
    * Enough wait already: more would make each transaction hardly cheaper, and all of them later.
    * Fewer come while the engine rests than came, in as long a time, while it made the block: those who send wait for
      their block themselves. The rest ends, and if it brought nothing, the next ones are left out: one, three, seven,
      then fifteen of them, until one brings something again.

A rest takes no longer than the block did, and never longer than `LONGEST`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

__all__ = ["ENOUGH", "LONGEST", "Gathering"]

LONGEST: Final = 0.05  # seconds
ENOUGH: Final = 128  # transactions: a block's fixed costs are then below a tenth of its own
_LOOKS: Final = 8  # at what waits, in a whole rest
_MOST_LEFT_OUT: Final = 15  # rests


class Gathering:
    """Rests between blocks. `waiting` counts the transactions for the next block; none goes on once `stop` is set."""

    def __init__(self, waiting: Callable[[], int], stop: threading.Event) -> None:
        self._waiting = waiting
        self._stop = stop
        self._in_vain = 0  # how many rests were left out after the last one in vain
        self._left_out = 0  # how many are still to be left out

    def rest(self, taken: float) -> None:
        """Rest, if there is reason to, after a block that took `taken` seconds to make (above 0)."""
        seen = self._waiting()
        if not 1 < seen < ENOUGH:
            return
        if self._left_out:
            self._left_out -= 1
        elif self._gather(seen, taken):
            self._in_vain = 0
        else:
            self._in_vain = self._left_out = min(2 * self._in_vain + 1, _MOST_LEFT_OUT)

    def _gather(self, seen: int, taken: float) -> bool:
        """Let them come, `seen` being there. Whether as many came as before, at first at least."""
        look = min(taken, LONGEST) / _LOOKS
        pace = max(1.0, seen * look / taken)
        for number in range(_LOOKS):
            if seen >= ENOUGH or self._stop.wait(look):
                break
            before, seen = seen, self._waiting()
            if seen - before < pace:
                return number > 0
        return True
