"""Checkpoints of a log (C2SP tlog-checkpoint): origin, size and root as the text of a signed note."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gchain_node.errors import VerificationError
from gchain_node.tlog.note import COSIGNATURE, Note, Verified, VerifierKey

__all__ = ["Checkpoint", "CheckpointSigners", "origin_of", "verify_checkpoint"]

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


def origin_of(chain_id: str) -> str:
    """The name of a ledger's log, which is also the name of every key that signs its checkpoints."""
    return f"gchain/{chain_id}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`root`: 32 bytes. `extensions` are further lines, which this ledger does not write."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note's text. Raises `VerificationError`."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() or not all(lines):
            raise VerificationError("a checkpoint has three or more lines: origin, size, root; none of them empty")
        if _SIZE.fullmatch(lines[1]) is None:
            raise VerificationError(f"the checkpoint's size {lines[1][:40]!r} is not a whole number")
        try:
            root = base64.b64decode(lines[2], validate=True)
        except (binascii.Error, ValueError):
            raise VerificationError(f"the checkpoint's root {lines[2][:60]!r} is not base64") from None
        if len(root) != 32:
            raise VerificationError(f"the checkpoint's root has {len(root)} bytes; SHA-256 has 32")
        return cls(lines[0], int(lines[1]), root, tuple(lines[3:]))

    def __str__(self) -> str:
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class CheckpointSigners:
    """Whose signatures on a checkpoint hold: keys of the log itself, and witnesses."""

    checkpoint: Checkpoint
    log: tuple[Verified, ...]
    witnesses: tuple[Verified, ...]


def verify_checkpoint(
    note: Note, origin: str, log_keys: Iterable[VerifierKey], witness_keys: Iterable[VerifierKey] = ()
) -> CheckpointSigners:
    """The checkpoint in `note`, signed by the log `origin`, and by which of the witnesses (maybe by none).

    Raises:
        VerificationError: no key of the log signed, a signature of a known key is wrong, or it is another log's.
    """
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != origin:
        raise VerificationError(f"the checkpoint is of the log {checkpoint.origin!r}, not of {origin!r}")
    verified = note.verify([*log_keys, *witness_keys])
    log = tuple(entry for entry in verified if entry.key.kind != COSIGNATURE and entry.key.name == origin)
    if not log:
        raise VerificationError(f"no known key of the log {origin} signed the checkpoint")
    witnesses = tuple(entry for entry in verified if entry.key.kind == COSIGNATURE)
    return CheckpointSigners(checkpoint, log, witnesses)
