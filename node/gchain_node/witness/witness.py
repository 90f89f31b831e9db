"""The decision of a witness (C2SP tlog-witness, "add-checkpoint"): bytes in, cosignature or refusal out.

request    old <size>\\n, up to 63 base64 hashes, one a line, an empty line, the signed checkpoint
200        the cosignature line          404  unknown log             403  no known key of the log signed
400        malformed, or old > size      409  old is not what was cosigned last (the body says it), or another root
422        the consistency proof does not hold
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gchain_node.errors import VerificationError
from gchain_node.proof.merkle import verify_consistency
from gchain_node.tlog.checkpoint import Checkpoint
from gchain_node.tlog.frontier import EMPTY_ROOT
from gchain_node.tlog.note import Note, VerifierKey
from gchain_node.tlog.signing import CheckpointKey, cosign
from gchain_node.witness.memory import WitnessMemory

__all__ = ["Answer", "Request", "Witness"]

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")
_MAX_PROOF = 63


@dataclass(frozen=True, slots=True)
class Answer:
    """HTTP status, body, and the media type of a 409 that names the size."""

    status: int
    body: str
    media_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    old: int
    proof: tuple[bytes, ...]
    note: Note

    @classmethod
    def parse(cls, body: bytes) -> Request:
        """Raises `VerificationError`."""
        head, found, note = body.partition(b"\n\n")
        lines = head.decode("ascii", errors="replace").split("\n")
        match = _OLD.fullmatch(lines[0])
        if not found or match is None or len(lines) > _MAX_PROOF + 1:
            raise VerificationError("expected `old <size>`, up to 63 hashes, an empty line, and a checkpoint")
        try:
            proof = tuple(base64.b64decode(line, validate=True) for line in lines[1:])
        except (binascii.Error, ValueError):
            raise VerificationError("a hash of the consistency proof is not base64") from None
        return cls(int(match[1]), proof, Note.parse(note))

    def __bytes__(self) -> bytes:
        proof = "".join(f"{base64.b64encode(step).decode()}\n" for step in self.proof)
        return f"old {self.old}\n{proof}\n{self.note}".encode()


class Witness:
    """Cosigns what extends what it cosigned before.

    Args:
        logs: the keys that each known log may sign with, by its origin.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        name: str,
        key: CheckpointKey,
        logs: Mapping[str, Sequence[VerifierKey]],
        memory: WitnessMemory,
        clock: Callable[[], int],
    ) -> None:
        self._name = name
        self._key = key
        self._logs = logs
        self._memory = memory
        self._clock = clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """Raises `StateError` when the memory cannot be read or written, and `KeyAccessError`: nothing is cosigned."""
        try:
            request = Request.parse(body)
            checkpoint = Checkpoint.parse(request.note.text)
        except VerificationError as error:
            return Answer(400, f"{error}\n")
        keys = self._logs.get(checkpoint.origin)
        if keys is None:
            return Answer(404, f"unknown log {checkpoint.origin}\n")
        try:
            request.note.verify(keys)
        except VerificationError as error:
            return Answer(403, f"{error}\n")
        if request.old > checkpoint.size:
            return Answer(400, f"old size {request.old} is above the checkpoint's, {checkpoint.size}\n")
        with self._memory.lock:
            return self._cosign(request, checkpoint)

    def _cosign(self, request: Request, checkpoint: Checkpoint) -> Answer:
        size, root = self._memory.latest(checkpoint.origin)
        if request.old != size:
            return Answer(409, f"{size}\n", "text/x.tlog.size")
        if checkpoint.size == size and checkpoint.root != root:
            return Answer(409, f"{size}\n", "text/x.tlog.size")
        try:
            _check(request, checkpoint, root)
        except VerificationError as error:
            return Answer(422, f"the consistency proof does not hold: {error}\n")
        self._memory.advance(checkpoint.origin, checkpoint.size, checkpoint.root)
        return Answer(200, str(cosign(request.note.text, self._name, self._key, self._clock())))


def _check(request: Request, checkpoint: Checkpoint, root: bytes) -> None:
    """From the empty log every log follows, by an empty proof."""
    if request.old:
        verify_consistency(request.old, checkpoint.size, request.proof, root, checkpoint.root)
    elif request.proof:
        raise VerificationError("from size 0 the proof must be empty")
    elif checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise VerificationError("an empty log has the root of no leaves")
