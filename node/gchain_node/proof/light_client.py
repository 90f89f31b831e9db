"""A light client: from a trusted header to any other, in as few steps as trust allows (CometBFT v0.38 light/client.go).

Forward by bisection, backward by the links between headers, and each result compared with what others say. Nothing here
reads a clock or a socket: who asks hands in the time and where blocks come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from gchain_node.errors import NotEnoughTrustError, VerificationError
from gchain_node.proof.block import ValidatorSet
from gchain_node.proof.light import TRUST_LEVEL, LightBlock, Trusted, verify_light_block, verify_step

__all__ = ["LightClient", "Provider"]

Provider = Callable[[int], tuple[LightBlock, ValidatorSet]]
"""The light block of a height, and the validators of the height after it. Raises `VerificationError` without one."""


@dataclass(frozen=True, slots=True)
class LightClient:
    """`period_ns` is the trusting period, `drift_ns` how far a header may be ahead of the clock.

    Args:
        primary: where blocks come from.
        witnesses: whom each result is compared with; one that has another header of that height shows an attack.
    """

    chain_id: str
    primary: Provider
    witnesses: Sequence[Provider]
    period_ns: int
    drift_ns: int = 0
    level: Fraction = TRUST_LEVEL

    def trust(self, height: int, header_hash: bytes) -> Trusted:
        """Begin with a header whose hash the caller knows from elsewhere. Raises `VerificationError`."""
        trusted = self._fetch(self.primary, height)[1]
        if trusted.header.hash() != header_hash:
            raise VerificationError(f"header {height} has the hash {trusted.header.hash().hex()}, another is trusted")
        return trusted

    def verify(self, trusted: Trusted, height: int, now_ns: int) -> Trusted:
        """The header of `height`, verified from `trusted` and compared with witnesses. Raises `VerificationError`."""
        known = trusted.header.height
        if height == known:
            return trusted
        found = self._forward(trusted, height, now_ns) if height > known else self._backward(trusted, height)
        for number, witness in enumerate(self.witnesses):
            other = self._fetch(witness, height)[1].header.hash()
            if other != found.header.hash():
                raise VerificationError(
                    f"witness {number} has another header {height}, {other.hex()}: one of the two ledgers is a fork"
                )
        return found

    def _forward(self, trusted: Trusted, height: int, now_ns: int) -> Trusted:
        """Bisection: a target that too little known power signed waits until one in between is trusted."""
        targets = [height]
        while targets:
            block, candidate = self._fetch(self.primary, targets[-1])
            try:
                verify_step(
                    trusted, block, now_ns=now_ns, period_ns=self.period_ns, drift_ns=self.drift_ns, level=self.level
                )
            except NotEnoughTrustError:
                between = (trusted.header.height + targets[-1]) // 2
                if between in (trusted.header.height, targets[-1]):
                    raise
                targets.append(between)
                continue
            trusted = candidate
            targets.pop()
        return trusted

    def _backward(self, trusted: Trusted, height: int) -> Trusted:
        """Each header names the hash of the one before it."""
        for lower in range(trusted.header.height - 1, height - 1, -1):
            before = self._fetch(self.primary, lower)[1]
            if trusted.header.last_block_id.hash != before.header.hash():
                raise VerificationError(f"header {lower + 1} follows another block than header {lower}")
            if before.header.time_ns >= trusted.header.time_ns:
                raise VerificationError(f"header {lower} is not before header {lower + 1} in time")
            trusted = before
        return trusted

    def _fetch(self, provider: Provider, height: int) -> tuple[LightBlock, Trusted]:
        block, following = provider(height)
        if block.header.height != height:
            raise VerificationError(f"block {height} was asked for, {block.header.height} came")
        verify_light_block(block, self.chain_id)
        if following.hash() != block.header.next_validators_hash:
            raise VerificationError(f"header {height} names other validators for the next height")
        return block, Trusted(block.header, following)
