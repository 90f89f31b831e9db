"""Reports whose digests are anchored on the ledger, kept beside the node's database so that it can show them.

A file is named by the SHA-256 of its bytes, and is served only while that is so: what is altered on the disk is as if
it were not there. Whoever hands one in needs no right to, since only bytes that an officer anchored are kept.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from gchain_node.errors import StateError

__all__ = ["MAX_REPORTS", "AnchoredReports"]

MAX_REPORTS: Final = 64  # as many as the ledger's index names
_NAME: Final = re.compile(r"[0-9a-f]{64}")


class AnchoredReports:
    """The files under `directory`, which is made when the first one comes; None keeps nothing."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def get(self, digest: str) -> bytes | None:
        """The bytes whose SHA-256 is `digest` (64 hexadecimal digits, lower case), if they are here and unaltered."""
        if self._directory is None or not _NAME.fullmatch(digest):
            return None
        try:
            raw = (self._directory / digest).read_bytes()
        except OSError:
            return None
        return raw if hashlib.sha256(raw).hexdigest() == digest else None

    def put(self, raw: bytes, anchored: Collection[str]) -> str:
        """Keep `raw`; its digest. What is not among `anchored` any more goes. The caller has seen its anchor.

        Raises:
            StateError: it could not be written, or this node keeps no reports.
        """
        if self._directory is None:
            raise StateError("this node keeps no reports")
        digest = hashlib.sha256(raw).hexdigest()
        draft = self._directory / f".{digest}.new"
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            with draft.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._directory / digest)
        except OSError as error:
            raise StateError(f"{self._directory}: a report could not be kept: {error.strerror}") from error
        for path in self._directory.iterdir():
            if path.name != digest and path.name not in anchored:
                with suppress(OSError):
                    path.unlink()
        return digest
