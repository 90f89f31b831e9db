"""PINs are made here, at run time, and written to files that only their owner reads."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from gchain_node.errors import ConfigurationError, KeyAccessError
from gchain_node.keys.uri import Pkcs11Uri

__all__ = ["PinSource", "ensure_pin", "pin_source", "read_pin"]

PinSource = Callable[[], str]

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


def read_pin(path: Path) -> str:
    """The PIN in a file, without the line end. Raises `KeyAccessError`; the message never holds the PIN."""
    try:
        pin = path.read_text().rstrip("\r\n")
    except OSError as error:
        raise KeyAccessError(f"the PIN file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise KeyAccessError(f"the PIN file {path} is not text") from None
    if not pin:
        raise KeyAccessError(f"the PIN file {path} is empty")
    return pin


def pin_source(uri: Pkcs11Uri, pin: str | PinSource | None = None) -> PinSource:
    """Where the PIN comes from: `pin` if given, else the file that the URI names. It is read again at each log-in."""
    if callable(pin):
        return pin
    if pin is not None:
        return lambda: pin
    if uri.pin_source is None:
        raise ConfigurationError("the PKCS#11 URI names no PIN", remedy="add pin-source=file:PATH to the URI")
    path = uri.pin_source
    return lambda: read_pin(path)
