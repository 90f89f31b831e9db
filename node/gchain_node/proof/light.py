"""Light-client verification of headers (CometBFT v0.38 light/verifier.go, types/validation.go).

A header is adjacent to the trusted one if it is the next: then its validators are named by the trusted header, and more
than two thirds of them must have signed. Otherwise validators with more than a third (the trust level) of the power
that the trusted block names must have signed it too. `verify_...` raise; nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gchain_node.errors import ExpiredTrustError, NotEnoughTrustError, VerificationError
from gchain_node.keys.public import CURVE_ORDERS
from gchain_node.proof.block import (
    BLOCK_ID_ABSENT,
    BLOCK_ID_COMMIT,
    BLOCK_ID_NIL,
    Commit,
    CommitSig,
    Header,
    Validator,
    ValidatorSet,
)

__all__ = [
    "TRUST_LEVEL",
    "LightBlock",
    "Signers",
    "Trusted",
    "verify_adjacent",
    "verify_commit",
    "verify_light_block",
    "verify_skipping",
    "verify_step",
]

TRUST_LEVEL = Fraction(1, 3)


@dataclass(frozen=True, slots=True)
class LightBlock:
    """A header, the commit for it, and the validators of its height."""

    header: Header
    commit: Commit
    validators: ValidatorSet


@dataclass(frozen=True, slots=True)
class Trusted:
    """What is trusted already: a header, and the validators of the height after it."""

    header: Header
    next_validators: ValidatorSet


@dataclass(frozen=True, slots=True)
class Signers:
    """Who signed a commit, and with how much of the power."""

    validators: tuple[Validator, ...]
    power: int
    total: int


def verify_light_block(block: LightBlock, chain_id: str) -> None:
    """The parts belong together: chain, header, commit, validators. No signature is checked."""
    header, commit = block.header, block.commit
    if header.chain_id != chain_id:
        raise VerificationError(f"the header is of ledger {header.chain_id!r}, not of {chain_id!r}")
    if header.height < 1 or commit.height != header.height:
        raise VerificationError(f"the commit is for height {commit.height}, the header is {header.height}")
    if commit.block_id.hash != header.hash():
        raise VerificationError(
            f"the commit is for block {commit.block_id.hash.hex()}, the header makes {header.hash().hex()}"
        )
    if block.validators.hash() != header.validators_hash:
        raise VerificationError("the validator set is not the one that the header names")


def verify_commit(chain_id: str, validators: ValidatorSet, commit: Commit) -> Signers:
    """More than two thirds of `validators`, in the commit's order, signed the block. Returns who did.

    Every signature in the commit must verify, those for nil too (types/validation.go, VerifyCommit).
    """
    if len(commit.signatures) != len(validators.validators):
        raise VerificationError(
            f"the commit has {len(commit.signatures)} signatures for {len(validators.validators)} validators"
        )
    total, signed, who = validators.total_power, 0, []
    for index, (validator, entry) in enumerate(zip(validators.validators, commit.signatures, strict=True)):
        if _is_absent(entry, index):
            continue
        if entry.address != validator.address:
            raise VerificationError(f"signature {index} of the commit is not by the validator of its place")
        _verify_vote(validator, commit.sign_bytes(chain_id, index), entry)
        if entry.flag == BLOCK_ID_COMMIT:
            signed += validator.power
            who.append(validator)
    if 3 * signed <= 2 * total:
        raise VerificationError(f"validators with {signed} of {total} power signed; more than two thirds are needed")
    return Signers(tuple(who), signed, total)


def _is_absent(entry: CommitSig, index: int) -> bool:
    if entry.flag == BLOCK_ID_ABSENT and not entry.address and not entry.signature:
        return True
    if entry.flag not in (BLOCK_ID_COMMIT, BLOCK_ID_NIL):
        raise VerificationError(f"signature {index} of the commit is neither there nor absent")
    return False


def _verify_trusting(chain_id: str, trusted: ValidatorSet, commit: Commit, level: Fraction) -> None:
    known = {validator.address: validator for validator in trusted.validators}
    signed, total = 0, trusted.total_power
    for index, entry in _votes(commit):
        validator = known.pop(entry.address, None)
        if validator is None:
            if any(entry.address == other.address for other in trusted.validators):
                raise VerificationError(f"validator {entry.address.hex()} occurs twice in the commit")
            continue
        _verify_vote(validator, commit.sign_bytes(chain_id, index), entry)
        signed += validator.power
        if signed * level.denominator > total * level.numerator:
            return
    raise NotEnoughTrustError(f"known validators with {signed} of {total} power signed; more than {level} is needed")


def _votes(commit: Commit) -> Iterator[tuple[int, CommitSig]]:
    return ((index, entry) for index, entry in enumerate(commit.signatures) if entry.flag == BLOCK_ID_COMMIT)


def verify_adjacent(trusted: Trusted, block: LightBlock) -> Signers:
    """The header after the trusted one."""
    if block.header.validators_hash != trusted.header.next_validators_hash:
        raise VerificationError("the header's validators are not those that the header before it names")
    return verify_commit(block.header.chain_id, block.validators, block.commit)


def verify_skipping(trusted: Trusted, block: LightBlock, level: Fraction = TRUST_LEVEL) -> Signers:
    """A later header. Raises `NotEnoughTrustError` if one in between is needed."""
    _verify_trusting(block.header.chain_id, trusted.next_validators, block.commit, level)
    return verify_commit(block.header.chain_id, block.validators, block.commit)


def verify_step(
    trusted: Trusted,
    block: LightBlock,
    *,
    now_ns: int,
    period_ns: int,
    drift_ns: int = 0,
    level: Fraction = TRUST_LEVEL,
) -> Signers:
    """One step of a light client at time `now_ns`.

    Raises:
        ExpiredTrustError: the trusted header is older than `period_ns`.
        NotEnoughTrustError: a header in between is needed.
        VerificationError: anything else does not hold.
    """
    if trusted.header.time_ns + period_ns <= now_ns:
        raise ExpiredTrustError(f"the trusted header {trusted.header.height} is older than the trusting period")
    verify_light_block(block, trusted.header.chain_id)
    if block.header.height <= trusted.header.height:
        raise VerificationError(f"header {block.header.height} is not above the trusted {trusted.header.height}")
    if block.header.time_ns <= trusted.header.time_ns:
        raise VerificationError("the header's time is not after the trusted one's")
    if block.header.time_ns >= now_ns + drift_ns:
        raise VerificationError("the header is from the future")
    if block.header.height == trusted.header.height + 1:
        return verify_adjacent(trusted, block)
    return verify_skipping(trusted, block, level)


def _verify_vote(validator: Validator, message: bytes, entry: CommitSig) -> None:
    try:
        if validator.key_type == "ed25519":
            Ed25519PublicKey.from_public_bytes(validator.public_key).verify(entry.signature, message)
        else:
            _verify_secp256k1(validator.public_key, message, entry.signature)
    except (InvalidSignature, ValueError):
        raise VerificationError(f"the signature of validator {validator.address.hex()} does not verify") from None


def _verify_secp256k1(public_key: bytes, message: bytes, signature: bytes) -> None:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or s > CURVE_ORDERS["secp256k1"] // 2:
        raise InvalidSignature
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), public_key)
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
