"""Privval messages on the wire: protobuf with its length in front as a varint, at most 10 KiB (CometBFT v0.38,
privval/).

CometBFT's Go types make some sub-messages mandatory: they are on the wire even when they are empty.
"""

from __future__ import annotations

from collections.abc import Callable

from gchain_node._proto import privval_pb2 as privval
from gchain_node._proto import types_pb2 as types
from gchain_node.errors import SigningRefused
from gchain_node.signer.sign_bytes import delimited

__all__ = ["MAX_MESSAGE", "encode", "read_message"]

MAX_MESSAGE = 10 * 1024  # privval/signer_endpoint.go, maxRemoteSignerMsgSize


def encode(message: privval.Message) -> bytes:
    """The framed bytes of `message`, with what is mandatory made present in it."""
    kind = message.WhichOneof("sum")
    if kind == "pub_key_response":
        message.pub_key_response.pub_key.SetInParent()
    elif kind == "signed_vote_response":
        message.signed_vote_response.vote.SetInParent()
        _complete(message.signed_vote_response.vote)
    elif kind == "signed_proposal_response":
        message.signed_proposal_response.proposal.SetInParent()
        _complete(message.signed_proposal_response.proposal)
    elif kind == "sign_vote_request":
        _complete(message.sign_vote_request.vote)
    elif kind == "sign_proposal_request":
        _complete(message.sign_proposal_request.proposal)
    return delimited(message.SerializeToString(deterministic=True))


def _complete(content: types.Vote | types.Proposal) -> None:
    content.block_id.SetInParent()
    content.block_id.part_set_header.SetInParent()
    content.timestamp.SetInParent()


def read_message(read: Callable[[int], bytes]) -> bytes | None:
    """One message's bytes, or None at the end of the stream. Raises `SigningRefused` if it is too long or cut."""
    length = shift = 0
    while True:
        byte = read(1)
        if not byte:
            if shift:
                raise SigningRefused("the stream ends within a message's length")
            return None
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if length > MAX_MESSAGE or shift > 28:
            raise SigningRefused(f"a message of more than {MAX_MESSAGE} bytes")
        if not byte[0] & 0x80:
            break
    data = read(length)
    if len(data) != length:
        raise SigningRefused("the stream ends within a message")
    return data
