"""That a transaction stands in the ledger's log, under a checkpoint that the log and maybe witnesses signed.

A receipt's `log` is `{index, size, path, checkpoint}`: the entry's place, the size of the log, the RFC 6962 path to its
root, and the signed note of the checkpoint of that size; null where the trust file has the checkpoint itself.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gchain_node.errors import VerificationError
from gchain_node.proof import merkle
from gchain_node.tlog.checkpoint import Checkpoint
from gchain_node.tlog.note import COSIGNATURE, Note, Verified, VerifierKey

__all__ = ["LogTrust", "Logged", "log_section", "verify_logged"]


@dataclass(frozen=True, slots=True)
class LogTrust:
    """Whose signatures on checkpoints count: the members' log keys with their names, and witnesses, of whom `threshold`
    must have cosigned. `checkpoint` is a cosigned note that the trust file brings itself.
    """

    log_keys: tuple[tuple[str, VerifierKey], ...] = ()
    witnesses: tuple[VerifierKey, ...] = ()
    threshold: int = 1
    checkpoint: Note | None = None

    @classmethod
    def from_json(cls, log_keys: Sequence[Mapping[str, Any]], witness: Mapping[str, Any] | None) -> LogTrust:
        """Of a trust file's `log_keys` ([{name, key}]) and `witness` ({keys, threshold, checkpoint} or null)."""
        named = tuple((str(entry["name"]), VerifierKey.parse(entry["key"])) for entry in log_keys)
        if witness is None:
            return cls(named)
        keys = tuple(VerifierKey.parse(text) for text in witness["keys"])
        threshold = witness.get("threshold", 1)
        if type(threshold) is not int or not 1 <= threshold <= len(set(keys)):
            raise ValueError(f"threshold must be a whole number from 1 to {len(set(keys))}, the number of witnesses")
        if any(key.kind != COSIGNATURE for key in keys):
            raise ValueError("a witness' key must be one of cosignature/v1 (type 4)")
        checkpoint = witness.get("checkpoint")
        return cls(named, keys, threshold, None if checkpoint is None else Note.parse(checkpoint))

    def to_json(self) -> dict[str, Any]:
        witness = None
        if self.witnesses:
            checkpoint = None if self.checkpoint is None else str(self.checkpoint)
            keys = [str(key) for key in self.witnesses]
            witness = {"keys": keys, "threshold": self.threshold, "checkpoint": checkpoint}
        return {"log_keys": [{"name": name, "key": str(key)} for name, key in self.log_keys], "witness": witness}

    def __bool__(self) -> bool:
        """Whether any signature on a checkpoint can be checked."""
        return bool(self.log_keys or self.witnesses)


@dataclass(frozen=True, slots=True)
class Logged:
    """Entry `index` of the log of `size`. `members` signed the checkpoint; `witnesses`, if enough of them, cosigned
    it, each with its time in seconds since 1970.
    """

    index: int
    size: int
    members: tuple[str, ...]
    witnesses: tuple[tuple[str, int], ...] = field(default=())


def log_section(index: int, size: int, path: Sequence[bytes], checkpoint: Note | None) -> dict[str, Any]:
    """The `log` of a receipt."""
    encoded = [base64.b64encode(step).decode() for step in path]
    note = None if checkpoint is None else str(checkpoint)
    return {"index": index, "size": size, "path": encoded, "checkpoint": note}


def verify_logged(section: Mapping[str, Any], entry: bytes, origin: str, trust: LogTrust) -> Logged:
    """That `entry` stands in the log `origin`, by a checkpoint that `trust` accepts. Raises `VerificationError`."""
    if set(section) != {"index", "size", "path", "checkpoint"}:
        raise VerificationError("a receipt's log has exactly checkpoint, index, path, size")
    checkpoint, verified = _checkpoint(section["checkpoint"], trust)
    index, size = _whole(section["index"]), _whole(section["size"])
    if checkpoint.origin != origin or checkpoint.size != size:
        raise VerificationError(
            f"the checkpoint is of {checkpoint.origin} at size {checkpoint.size}, the receipt of {origin} at {size}"
        )
    path = [base64.b64decode(step, validate=True) for step in section["path"]]
    merkle.verify_inclusion(merkle.leaf_hash(entry), index, size, path, checkpoint.root)
    names = {key: name for name, key in trust.log_keys}
    members = tuple(names[found.key] for found in verified if found.key in names)
    witnesses = tuple((found.key.name, found.time) for found in verified if found.time is not None)
    return Logged(index, size, members, witnesses if len(witnesses) >= trust.threshold else ())


def _checkpoint(text: str | None, trust: LogTrust) -> tuple[Checkpoint, list[Verified]]:
    note = trust.checkpoint if text is None else Note.parse(text)
    if note is None:
        raise VerificationError("neither the receipt nor the trust file has a checkpoint of the log")
    checkpoint = Checkpoint.parse(note.text)
    verified = note.verify([*(key for _, key in trust.log_keys), *trust.witnesses])
    _check_against(checkpoint, trust)
    return checkpoint, verified


def _check_against(checkpoint: Checkpoint, trust: LogTrust) -> None:
    """Two checkpoints of one size must be one: anything else is a fork of the log."""
    if trust.checkpoint is None:
        return
    known = Checkpoint.parse(trust.checkpoint.text)
    if (known.origin, known.size) == (checkpoint.origin, checkpoint.size) and known.root != checkpoint.root:
        raise VerificationError(
            f"two different logs of size {known.size} were signed: the receipt's root is {checkpoint.root.hex()}, "
            f"that of the trust file's checkpoint {known.root.hex()}; keep both files, they prove a fork"
        )


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{str(value)[:40]!r} is not a whole number")
    return value
