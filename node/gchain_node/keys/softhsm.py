"""A SoftHSM store: a directory with a configuration file and the tokens, private to one user."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gchain_node.errors import KeyAccessError

__all__ = ["SoftHsmStore"]

_CONFIGURATION = """\
directories.tokendir = {tokens}
objectstore.backend = file
log.level = ERROR
slots.removable = false
"""


@dataclass(frozen=True)
class SoftHsmStore:
    """`directory/softhsm2.conf` and `directory/tokens/`. SoftHSM reads the former where SOFTHSM2_CONF names it."""

    directory: Path

    @property
    def configuration(self) -> Path:
        return self.directory / "softhsm2.conf"

    @property
    def tokens(self) -> Path:
        return self.directory / "tokens"

    def create(self) -> bool:
        """Make what is missing (directories 0700); true if the configuration file was written or changed."""
        text = _CONFIGURATION.format(tokens=self.tokens)
        try:
            for directory in (self.directory, self.tokens):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.configuration.exists() and self.configuration.read_text() == text:
                return False
            self.configuration.write_text(text)
        except OSError as error:
            raise KeyAccessError(
                f"the SoftHSM store {self.directory} cannot be made: {error.strerror}: {error.filename}"
            ) from error
        return True

    def enter(self) -> None:
        """Make this the store of the process: before its first use of SoftHSM, since SoftHSM reads the variable
        once.
        """
        os.environ["SOFTHSM2_CONF"] = str(self.configuration)
