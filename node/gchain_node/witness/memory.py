"""What a witness has cosigned: the latest size and root of each log, on disk before a cosignature leaves.

One file a log, replaced durably. It never goes back: a size below, or another root of the same size, is refused.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import threading
from pathlib import Path

from gchain_node.errors import ConfigurationError, StateError
from gchain_node.tlog.durable import write_durably
from gchain_node.tlog.frontier import EMPTY_ROOT

__all__ = ["WitnessMemory"]


class WitnessMemory:
    """Of one directory, which one process holds at a time. Safe across threads under `lock`."""

    def __init__(self, directory: Path) -> None:
        self.lock = threading.Lock()
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._held = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError(f"{directory}: another witness runs on this directory", remedy="stop it first") from None
        except OSError as error:
            raise ConfigurationError(f"{directory}: {error.strerror}") from error

    def close(self) -> None:
        os.close(self._held)

    def latest(self, origin: str) -> tuple[int, bytes]:
        """Size and root last cosigned of a log; the empty log before the first. Raises `StateError`."""
        path = self._path(origin)
        try:
            found = json.loads(path.read_bytes())
            if found["origin"] != origin:
                raise ValueError(f"it is of {found['origin']}")
            return int(found["size"]), base64.b64decode(found["root"], validate=True)
        except FileNotFoundError:
            return 0, EMPTY_ROOT
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StateError(
                f"{path}: cannot be read: {error}; a witness that forgot what it cosigned must not go on",
                remedy="restore the file; never delete it",
            ) from error

    def advance(self, origin: str, size: int, root: bytes) -> None:
        """Remember a checkpoint, durably. Raises `StateError` if that would go back."""
        known, known_root = self.latest(origin)
        if size < known or (size == known and root != known_root):
            raise StateError(f"the log {origin} was cosigned at size {known}; it never goes back to {size}")
        document = {"origin": origin, "size": size, "root": base64.b64encode(root).decode()}
        try:
            write_durably(self._path(origin), json.dumps(document).encode())
        except OSError as error:
            raise StateError(f"{self._directory}: {error.strerror}; nothing was cosigned") from error

    def _path(self, origin: str) -> Path:
        return self._directory / f"{hashlib.sha256(origin.encode()).hexdigest()}.json"
