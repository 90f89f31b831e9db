"""PINs are made here, at run time, and written to files that only their owner reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gchain_node.errors import KeyAccessError
from gchain_node.keys.session import read_pin

__all__ = ["ensure_pin"]

_PIN_BYTES = 24  # 192 bits: a file that opens by itself needs no memorable PIN


def ensure_pin(path: Path, *, create: bool) -> str:
    """The PIN in `path`; with `create`, a missing file is written (0600) with a random PIN first. Raises
    `KeyAccessError`.
    """
    if create:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return read_pin(path)
        except OSError as error:
            raise KeyAccessError(f"the PIN file {path} cannot be written: {error.strerror}") from error
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_PIN_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
    return read_pin(path)
