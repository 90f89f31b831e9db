"""One consensus key after another: the signer of a validator whose key is in rotation.

The ledger names the height at which the new key votes first (`modules/rotation.py`). Below it the old key signs, from
it on the new one, each with a journal of its own; neither can be asked for a height of the other's, since the old one's
stop height and the new one's initial height meet there. CometBFT v0.38 asks for the public key at its start and after
every block that it commits (`consensus/state.go`, `finalizeCommit`), so the engine changes keys in step: once the old
key has signed at the last of its heights, the next answer is the new key.

A validator that did not vote at that last height, because it was away or behind, is not told; it stays silent until
the rotation is finished and the new key alone is configured. It never signs with the wrong one.
"""

from __future__ import annotations

from typing import Protocol

from gchain_node._proto import privval_pb2 as privval
from gchain_node.errors import SigningRefused
from gchain_node.signer.signer import Signer

__all__ = ["Answering", "Succession"]


class Answering(Protocol):
    """What the connection to the engine needs of a signer. May raise `StateError` and `SigningRefused`."""

    def handle(self, request: privval.Message) -> privval.Message: ...


class Succession:
    """`old` up to `first_height` - 1, `new` from `first_height` on.

    Raises:
        SigningRefused: the bounds of the two overlap, so that one height could be signed with either.
    """

    def __init__(self, old: Signer, new: Signer, first_height: int) -> None:
        if old.bounds.stop != first_height - 1 or new.bounds.initial < first_height:
            raise SigningRefused(
                f"the keys' heights must meet at {first_height}: the old one stops after {old.bounds.stop}, the new "
                f"one's journal begins at {new.bounds.initial}",
                remedy="begin the new key's journal with `signer init --next`",
            )
        self._old, self._new, self._first_height = old, new, first_height

    def handle(self, request: privval.Message) -> privval.Message:
        kind = request.WhichOneof("sum")
        if kind == "sign_vote_request":
            return self._at(request.sign_vote_request.vote.height).handle(request)
        if kind == "sign_proposal_request":
            return self._at(request.sign_proposal_request.proposal.height).handle(request)
        return (self._new if self._is_over() else self._old).handle(request)

    def _at(self, height: int) -> Signer:
        return self._new if height >= self._first_height else self._old

    def _is_over(self) -> bool:
        """Whether the old key has signed at the last of its heights, or the new one has signed."""
        last = self._old.last
        return self._new.last is not None or (last is not None and last.position.height >= self._first_height - 1)
