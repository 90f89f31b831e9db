"""What a validator signs: canonical votes, proposals and vote extensions (CometBFT v0.38, types/canonical.go), both
ways.

Sign bytes are the canonical protobuf message with its length as a varint in front. Part set header and timestamp are
always present, the block id is left out for a vote for nil.
"""

from __future__ import annotations

from gchain_node._proto import types_pb2 as types

__all__ = [
    "delimited",
    "is_nil",
    "proposal_sign_bytes",
    "same_but_for_time",
    "timestamp_of",
    "vote_extension_sign_bytes",
    "vote_sign_bytes",
]


def vote_sign_bytes(chain_id: str, vote: types.Vote) -> bytes:
    """Bytes that a prevote's or precommit's signature covers; address, index and extension are not part of them."""
    canonical = types.CanonicalVote(type=vote.type, height=vote.height, round=vote.round, chain_id=chain_id)
    _copy_block_id(vote.block_id, canonical)
    canonical.timestamp.CopyFrom(vote.timestamp)
    return delimited(canonical.SerializeToString(deterministic=True))


def proposal_sign_bytes(chain_id: str, proposal: types.Proposal) -> bytes:
    """Bytes that a proposal's signature covers. The type is the proposal's, whatever the request says."""
    canonical = types.CanonicalProposal(
        type=types.SIGNED_MSG_TYPE_PROPOSAL,
        height=proposal.height,
        round=proposal.round,
        pol_round=proposal.pol_round,
        chain_id=chain_id,
    )
    _copy_block_id(proposal.block_id, canonical)
    canonical.timestamp.CopyFrom(proposal.timestamp)
    return delimited(canonical.SerializeToString(deterministic=True))


def vote_extension_sign_bytes(chain_id: str, vote: types.Vote) -> bytes:
    canonical = types.CanonicalVoteExtension(
        extension=vote.extension, height=vote.height, round=vote.round, chain_id=chain_id
    )
    return delimited(canonical.SerializeToString(deterministic=True))


def is_nil(block_id: types.BlockID) -> bool:
    """Whether a block id stands for "no block": empty hash and empty part set header."""
    header = block_id.part_set_header
    return not block_id.hash and not header.total and not header.hash


def delimited(message: bytes) -> bytes:
    """`message` with its length as a base-128 varint in front."""
    length, prefix = len(message), bytearray()
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + message


def timestamp_of(step: int, sign_bytes: bytes) -> tuple[int, int]:
    """Seconds and nanoseconds in sign bytes of `step` (1 proposal, 2 prevote, 3 precommit)."""
    canonical = _parse(step, sign_bytes)
    return canonical.timestamp.seconds, canonical.timestamp.nanos


def same_but_for_time(step: int, one: bytes, other: bytes) -> bool:
    """Whether two sign bytes of the same step say the same, their timestamps aside."""
    return _timeless(step, one) == _timeless(step, other)


def _timeless(step: int, sign_bytes: bytes) -> bytes:
    canonical = _parse(step, sign_bytes)
    canonical.ClearField("timestamp")
    return canonical.SerializeToString(deterministic=True)


def _parse(step: int, sign_bytes: bytes) -> types.CanonicalVote | types.CanonicalProposal:
    start = next(index for index, byte in enumerate(sign_bytes) if byte < 0x80) + 1
    canonical = types.CanonicalProposal() if step == 1 else types.CanonicalVote()
    canonical.ParseFromString(sign_bytes[start:])
    return canonical


def _copy_block_id(block_id: types.BlockID, canonical: types.CanonicalVote | types.CanonicalProposal) -> None:
    if is_nil(block_id):
        return
    header = block_id.part_set_header
    canonical.block_id.hash = block_id.hash
    canonical.block_id.part_set_header.SetInParent()
    canonical.block_id.part_set_header.total = header.total
    canonical.block_id.part_set_header.hash = header.hash
