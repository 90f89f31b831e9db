"""A key that a running process follows: a file names it, and a rotation names another one there."""

from __future__ import annotations

from pathlib import Path

from gchain_node.errors import ConfigurationError
from gchain_node.keys.key import Key
from gchain_node.keys.provider import open_key

__all__ = ["FollowedKey"]


class FollowedKey:
    """Calling it gives the key whose URI the file holds at that moment, opened once. One thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._uri = ""
        self._key: Key | None = None

    def __call__(self) -> Key:
        """Raises:
        ConfigurationError: the file cannot be read, or names no key.
        KeyAccessError: the key cannot be used; the one from before is not used in its place.
        """
        uri = self._read()
        if self._key is None or uri != self._uri:
            if self._key is not None:
                self._key.close()
                self._key = None
            self._uri, self._key = uri, open_key(uri)
        return self._key

    def _read(self) -> str:
        try:
            uri = self._path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{self._path}: the key's URI cannot be read: {error}") from error
        if not uri:
            raise ConfigurationError(f"{self._path}: empty, where the URI of a key should be")
        return uri
