"""When a signer may sign: the decision alone, without journal, key or socket.

The state is the last position (height, round, step) and the bytes signed there. For a request:

* above the last position: sign it, and move there;
* at the last position, same bytes: the stored signature;
* at the last position, bytes that differ in nothing but their timestamp: the stored timestamp and signature, because
the engine lost its own record of having asked and took the time anew;
* at the last position, anything else, or below it, or below the initial height, or above the stop height: refused.

Where the stored bytes have no signature (the signer died between journal and key), the stored bytes are signed now.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gchain_node.errors import SigningRefused
from gchain_node.signer.sign_bytes import same_but_for_time

__all__ = ["Bounds", "Decision", "Entry", "Position", "decide"]

STEP_NAMES = {1: "proposal", 2: "prevote", 3: "precommit"}


@dataclass(frozen=True, order=True)
class Position:
    """Height, round, step (1 proposal, 2 prevote, 3 precommit), in the order in which a validator passes them."""

    height: int
    round: int
    step: int

    def __str__(self) -> str:
        return f"height {self.height} round {self.round} {STEP_NAMES.get(self.step, self.step)}"


@dataclass(frozen=True)
class Entry:
    """What was decided at a position; no signature means that the key was not known to have signed."""

    position: Position
    sign_bytes: bytes
    signature: bytes | None = None


@dataclass(frozen=True)
class Bounds:
    """Heights that may be signed: from `initial` up to and including `stop` (a planned hand-over)."""

    initial: int
    stop: int | None = None


class Decision(Enum):
    SIGN = "sign the new bytes"
    REPEAT = "give the stored signature, completing it if it is missing"


def decide(last: Entry | None, bounds: Bounds, position: Position, sign_bytes: bytes) -> Decision:
    """Raises `SigningRefused` with a `reason` that begins with the case's name."""
    if position.height < bounds.initial:
        raise SigningRefused(f"below_initial_height: {position}, this signer starts at height {bounds.initial}")
    if bounds.stop is not None and position.height > bounds.stop:
        raise SigningRefused(f"above_stop_height: {position}, this signer stops after height {bounds.stop}")
    if last is None or position > last.position:
        return Decision.SIGN
    if position < last.position:
        raise SigningRefused(f"{_regression(last.position, position)}: {position}, last signed {last.position}")
    if sign_bytes == last.sign_bytes or same_but_for_time(position.step, sign_bytes, last.sign_bytes):
        return Decision.REPEAT
    raise SigningRefused(f"conflicting_data: {position} was signed with other content")


def _regression(last: Position, asked: Position) -> str:
    if asked.height < last.height:
        return "height_regression"
    return "round_regression" if asked.round < last.round else "step_regression"
