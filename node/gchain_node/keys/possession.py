"""Proof of possession: a key signs that it belongs to this member, for this purpose, in this consortium.

The signed bytes are `gchain/pop/v1` followed by consortium, member, purpose (UTF-8) and the key (DER
SubjectPublicKeyInfo), each with its length in front as four bytes, big end first: no two sets of fields give the same
bytes, and none gives the bytes of a vote, a transaction or a certificate.
"""

from __future__ import annotations

import base64
import binascii

from gchain_node.errors import VerificationError
from gchain_node.keys.key import Key
from gchain_node.keys.public import PublicKey, public_der, verify_signature

__all__ = ["decode_signature", "encode_signature", "prove", "verify_possession"]

_PREFIX = b"gchain/pop/v1"


def encode_signature(signature: bytes) -> str:
    """Unpadded base64url, as the kit's JSON files write signatures."""
    return base64.urlsafe_b64encode(signature).rstrip(b"=").decode()


def decode_signature(text: str) -> bytes:
    """Raises `VerificationError` for text that `encode_signature` does not write."""
    try:
        signature = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise VerificationError(f"not a base64url signature: {text[:24]!r}") from error
    if encode_signature(signature) != text:
        raise VerificationError("the signature's base64url is not in its one form")
    return signature


def prove(key: Key, *, consortium: str, member: str, purpose: str) -> str:
    """The proof for `key`, base64url. `purpose`: `validator`, `receipt`, or `officer/<name>`."""
    return encode_signature(key.sign(_message(key.public_key, consortium, member, purpose)))


def verify_possession(public_key: PublicKey, pop: str, *, consortium: str, member: str, purpose: str) -> None:
    """Raises `VerificationError` unless `pop` is this key's proof for exactly these words."""
    try:
        verify_signature(public_key, _message(public_key, consortium, member, purpose), decode_signature(pop))
    except VerificationError as error:
        raise VerificationError(f"proof of possession of {member}'s {purpose} key: {error}") from error


def _message(public_key: PublicKey, consortium: str, member: str, purpose: str) -> bytes:
    fields = (consortium.encode(), member.encode(), purpose.encode(), public_der(public_key))
    return _PREFIX + b"".join(len(field).to_bytes(4, "big") + field for field in fields)
