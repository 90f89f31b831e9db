"""The file operations that a journal needs, one by one, so that a test can end the world between any two of them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

from gchain_node.errors import SigningRefused, StateError

__all__ = ["DirectoryStorage", "Storage"]


class Storage(Protocol):
    """Files by name in one directory.

    Data of `append`, `overwrite` and `truncate` is durable once `sync(name)` returned, a new or changed name once
    `sync_directory` returned. Before that, a power failure may keep any prefix of it. The death of the process alone
    loses nothing that returned. `rename` replaces its target in one step.
    """

    def read(self, name: str) -> bytes | None: ...
    def append(self, name: str, data: bytes) -> None: ...
    def overwrite(self, name: str, offset: int, data: bytes) -> None: ...
    def truncate(self, name: str, size: int) -> None: ...
    def sync(self, name: str) -> None: ...
    def rename(self, old: str, new: str) -> None: ...
    def remove(self, name: str) -> None: ...
    def sync_directory(self) -> None: ...


class DirectoryStorage:
    """A directory, and the exclusive lock on it that makes this process its only user until it ends."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, int] = {}
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StateError(f"the journal's directory {directory} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise SigningRefused(
                f"another signer uses the journal {directory}",
                remedy="stop it first: two signers with one key would sign twice",
            ) from None

    def read(self, name: str) -> bytes | None:
        try:
            return (self._directory / name).read_bytes()
        except FileNotFoundError:
            return None

    def append(self, name: str, data: bytes) -> None:
        descriptor = self._file(name)
        os.lseek(descriptor, 0, os.SEEK_END)
        _write_all(descriptor, data)

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        if os.pwrite(self._file(name), data, offset) != len(data):
            raise OSError(f"short write to {name}")

    def truncate(self, name: str, size: int) -> None:
        os.ftruncate(self._file(name), size)

    def sync(self, name: str) -> None:
        os.fsync(self._file(name))

    def rename(self, old: str, new: str) -> None:
        self._forget(old)
        self._forget(new)
        (self._directory / old).rename(self._directory / new)

    def remove(self, name: str) -> None:
        self._forget(name)
        (self._directory / name).unlink(missing_ok=True)

    def sync_directory(self) -> None:
        os.fsync(self._handle)

    def close(self) -> None:
        """Close every file and give up the lock."""
        for descriptor in (*self._files.values(), self._lock, self._handle):
            os.close(descriptor)
        self._files.clear()

    def _file(self, name: str) -> int:
        if name not in self._files:
            self._files[name] = os.open(self._directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._files[name]

    def _forget(self, name: str) -> None:
        descriptor = self._files.pop(name, None)
        if descriptor is not None:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
