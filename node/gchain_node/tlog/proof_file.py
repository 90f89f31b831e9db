"""Inclusion proofs with their checkpoint as one text (C2SP tlog-proof): what a receipt's `log` is for other tools."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gchain_node.errors import VerificationError

__all__ = ["TlogProof"]

_HEAD = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class TlogProof:
    """`hashes` lead from the leaf up; `checkpoint` is the signed note."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    @classmethod
    def of_receipt(cls, section: Mapping[str, Any]) -> TlogProof:
        """From the `log` of a receipt, which must bring its checkpoint. Raises `VerificationError`."""
        if not section or section["checkpoint"] is None:
            raise VerificationError("the receipt has no place in the log with a checkpoint")
        return cls(section["index"], tuple(map(_base64, section["path"])), section["checkpoint"])

    @classmethod
    def parse(cls, text: str) -> TlogProof:
        """Raises `VerificationError`."""
        head, found, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not found or lines.pop(0) != _HEAD or not lines:
            raise VerificationError(f"no tlog-proof: expected {_HEAD}, index, hashes, an empty line, a checkpoint")
        extra = _base64(lines.pop(0).removeprefix("extra ")) if lines[0].startswith("extra ") else None
        match = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if match is None:
            raise VerificationError("the tlog-proof has no index")
        hashes = tuple(map(_base64, lines))
        if any(len(hash_) != 32 for hash_ in hashes):
            raise VerificationError("a hash of the tlog-proof is not of 32 bytes")
        return cls(int(match[1]), hashes, checkpoint, extra)

    def __str__(self) -> str:
        extra = "" if self.extra is None else f"extra {base64.b64encode(self.extra).decode()}\n"
        hashes = "".join(f"{base64.b64encode(hash_).decode()}\n" for hash_ in self.hashes)
        return f"{_HEAD}\n{extra}index {self.index}\n{hashes}\n{self.checkpoint}"


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise VerificationError(f"{text[:60]!r} of the tlog-proof is not base64") from None
