"""The signer: requests in, signed votes and proposals out; decides, journals, then asks the key, in this order."""

from __future__ import annotations

from gchain_node._proto import privval_pb2 as privval
from gchain_node._proto import types_pb2 as types
from gchain_node.errors import KeyAccessError, SigningRefused, StateError
from gchain_node.keys.key import Key
from gchain_node.keys.public import cometbft_bytes, cometbft_type
from gchain_node.signer.fence import Fence
from gchain_node.signer.journal import Journal
from gchain_node.signer.sign_bytes import (
    is_nil,
    proposal_sign_bytes,
    timestamp_of,
    vote_extension_sign_bytes,
    vote_sign_bytes,
)
from gchain_node.signer.state import Bounds, Decision, Entry, Position, decide

__all__ = ["REFUSAL_CODES", "Signer"]

REFUSAL_CODES = {
    "refused": 1,
    "wrong_chain": 2,
    "key_unavailable": 3,
    "malformed": 4,
    "taken_over": 5,
    "old_journal": 6,
}
_VOTE_STEPS = {types.SIGNED_MSG_TYPE_PREVOTE: 2, types.SIGNED_MSG_TYPE_PRECOMMIT: 3}
_LARGEST = 2**63 - 1


class Signer:
    """One validator key with its journal.

    `handle` answers a request of the privval protocol; a refusal is an answer too (RemoteSignerError). If the journal
    cannot be written, `StateError` leaves `handle`, and the signer MUST NOT be used any more: a new start reads what
    is on disk.
    """

    def __init__(
        self, key: Key, journal: Journal, *, stop_height: int | None = None, fence: Fence | None = None
    ) -> None:
        self._key, self._journal, self._fence = key, journal, fence
        if fence is not None:
            fence.check_start(journal.reached)
        self.bounds = Bounds(journal.identity.initial_height, stop_height)
        self._broken = False

    def stopping_after(self, height: int) -> Signer:
        """This signer, which refuses everything above `height`. A lower stop height that it had stays."""
        known = self.bounds.stop
        self.bounds = Bounds(self.bounds.initial, height if known is None else min(height, known))
        return self

    @property
    def last(self) -> Entry | None:
        return self._journal.last

    def handle(self, request: privval.Message) -> privval.Message:
        """The answer to `request`. Raises `StateError` if the journal failed, `SigningRefused` for what is no
        request.
        """
        kind = request.WhichOneof("sum")
        if kind == "ping_request":
            return privval.Message(ping_response=privval.PingResponse())
        if kind == "pub_key_request":
            return privval.Message(pub_key_response=self._public_key(request.pub_key_request))
        if kind == "sign_vote_request":
            return privval.Message(signed_vote_response=self._vote(request.sign_vote_request))
        if kind == "sign_proposal_request":
            return privval.Message(signed_proposal_response=self._proposal(request.sign_proposal_request))
        raise SigningRefused(f"a signer does not answer {kind or 'an empty message'}")

    def _public_key(self, request: privval.PubKeyRequest) -> privval.PubKeyResponse:
        response = privval.PubKeyResponse(pub_key=types.PublicKey())
        try:
            self._check_chain(request.chain_id)
        except SigningRefused as error:
            response.error.CopyFrom(_remote_error(error))
            return response
        raw = cometbft_bytes(self._key.public_key)
        setattr(response.pub_key, cometbft_type(self._key.public_key), raw)
        return response

    def _vote(self, request: privval.SignVoteRequest) -> privval.SignedVoteResponse:
        vote = types.Vote()
        vote.CopyFrom(request.vote)
        try:
            self._check_chain(request.chain_id)
            self.sign_vote(vote)
        except (SigningRefused, KeyAccessError) as error:
            return privval.SignedVoteResponse(vote=types.Vote(), error=_remote_error(error))
        return privval.SignedVoteResponse(vote=vote)

    def _proposal(self, request: privval.SignProposalRequest) -> privval.SignedProposalResponse:
        proposal = types.Proposal()
        proposal.CopyFrom(request.proposal)
        try:
            self._check_chain(request.chain_id)
            self.sign_proposal(proposal)
        except (SigningRefused, KeyAccessError) as error:
            return privval.SignedProposalResponse(proposal=types.Proposal(), error=_remote_error(error))
        return privval.SignedProposalResponse(proposal=proposal)

    def sign_vote(self, vote: types.Vote) -> None:
        """Put the signature into `vote` (and the stored timestamp, where only that differed). Raises `SigningRefused`.

        A precommit for a block also gets a signature over its extension, even an empty one; it is made anew each
        time, since an application may give another extension after a restart.
        """
        if vote.type not in _VOTE_STEPS:
            raise SigningRefused(f"malformed: vote type {vote.type} is neither prevote nor precommit")
        position = _checked(vote.height, vote.round, _VOTE_STEPS[vote.type])
        chain_id = self._journal.identity.chain_id
        sign_bytes = vote_sign_bytes(chain_id, vote)
        self._check_fence(position)
        decision = decide(self._journal.last, self.bounds, position, sign_bytes)
        extended = vote.type == types.SIGNED_MSG_TYPE_PRECOMMIT and not is_nil(vote.block_id)
        if vote.extension and not extended:
            raise SigningRefused("unexpected_vote_extension: only a precommit for a block carries one")
        entry = self._settle(decision, position, sign_bytes)
        _take(entry, vote)
        if extended:
            vote.extension_signature = self._key.sign(vote_extension_sign_bytes(chain_id, vote))

    def sign_proposal(self, proposal: types.Proposal) -> None:
        """Put the signature into `proposal` (and the stored timestamp, where only that differed). Raises
        `SigningRefused`.
        """
        if proposal.type != types.SIGNED_MSG_TYPE_PROPOSAL:
            raise SigningRefused(f"malformed: type {proposal.type} is not a proposal's")
        position = _checked(proposal.height, proposal.round, 1)
        sign_bytes = proposal_sign_bytes(self._journal.identity.chain_id, proposal)
        self._check_fence(position)
        decision = decide(self._journal.last, self.bounds, position, sign_bytes)
        _take(self._settle(decision, position, sign_bytes), proposal)

    def _settle(self, decision: Decision, position: Position, sign_bytes: bytes) -> Entry:
        """The journal's entry for `position`, with its signature: the only place where votes and proposals are
        signed.
        """
        if self._broken:
            raise StateError("the journal failed before: this signer signs nothing more until it starts anew")
        try:
            if decision is Decision.SIGN:
                self._journal.intend(position, sign_bytes)
            entry = self._entry_at(position)
            if entry.signature is None:
                self._journal.complete(self._key.sign(entry.sign_bytes))
            return self._entry_at(position)
        except OSError as error:
            self._broken = True
            raise StateError(
                f"the journal cannot be written: {error.strerror}", remedy="free space, restart"
            ) from error
        return entry

    def _entry_at(self, position: Position) -> Entry:
        entry = self._journal.last
        if entry is None or entry.position != position:
            raise StateError(f"the journal does not stand at {position}")
        return entry

    def _check_fence(self, position: Position) -> None:
        if self._fence is not None:
            self._fence.check(position, self._journal.reached)

    def _check_chain(self, chain_id: str) -> None:
        if chain_id != self._journal.identity.chain_id:
            raise SigningRefused(f"wrong_chain: {chain_id!r}, this signer is for {self._journal.identity.chain_id!r}")


def _checked(height: int, round_: int, step: int) -> Position:
    if not 0 <= height <= _LARGEST or round_ < 0:
        raise SigningRefused(f"malformed: height {height} round {round_}")
    return Position(height, round_, step)


def _take(entry: Entry, message: types.Vote | types.Proposal) -> None:
    message.timestamp.seconds, message.timestamp.nanos = timestamp_of(entry.position.step, entry.sign_bytes)
    message.signature = entry.signature or b""


def _remote_error(error: SigningRefused | KeyAccessError) -> privval.RemoteSignerError:
    if isinstance(error, KeyAccessError):
        return privval.RemoteSignerError(code=REFUSAL_CODES["key_unavailable"], description=str(error)[:500])
    reason = str(error).partition(":")[0]
    code = REFUSAL_CODES.get(reason, REFUSAL_CODES["refused"])
    return privval.RemoteSignerError(code=code, description=str(error)[:500])
