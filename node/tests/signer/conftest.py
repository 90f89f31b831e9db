"""A journal's storage in memory whose world can end at any operation, and a key that remembers what it signed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gchain_node.keys import Key, PublicKey


class PowerFailure(BaseException):
    """The process or the machine ended here; nothing after it runs."""


@dataclass
class _File:
    data: bytes = b""
    durable: bytes = b""


@dataclass
class CrashingStorage:
    """Implements `Storage`. After `operations` more operations, the next one ends the world, half done.

    `restart(power)` gives what a new start finds: after the death of the process alone, everything that was written;
    after a power failure, the durable part and any prefix of the rest, and names as the directory was synced or as
    they are.
    """

    choose: random.Random
    operations: int | None = None
    files: dict[str, _File] = field(default_factory=dict)
    synced_names: dict[str, _File] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def restart(self, *, power: bool) -> CrashingStorage:
        names = self.files
        if power and self.choose.random() < 0.5:
            names = self.synced_names
        files = {}
        for name, file in names.items():
            data = self._surviving(file) if power else file.data
            files[name] = _File(data, data)
        return CrashingStorage(self.choose, None, files, dict(files))

    def _surviving(self, file: _File) -> bytes:
        if file.data.startswith(file.durable):
            kept = self.choose.randint(len(file.durable), len(file.data))
            return file.data[:kept]
        return self.choose.choice([file.durable, file.data])

    def read(self, name: str) -> bytes | None:
        return self.files[name].data if name in self.files else None

    def append(self, name: str, data: bytes) -> None:
        file = self.files.setdefault(name, _File())
        if self._ends(f"append {name}"):
            file.data += data[: self.choose.randint(0, len(data))]
            raise PowerFailure
        file.data += data

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        file = self.files.setdefault(name, _File())
        if self._ends(f"overwrite {name}"):
            data = data[: self.choose.randint(0, len(data))]
            file.data = file.data[:offset].ljust(offset, b"\0") + data + file.data[offset + len(data) :]
            raise PowerFailure
        file.data = file.data[:offset].ljust(offset, b"\0") + data + file.data[offset + len(data) :]

    def truncate(self, name: str, size: int) -> None:
        self._end_before(f"truncate {name}")
        self.files[name].data = self.files[name].data[:size]

    def sync(self, name: str) -> None:
        self._end_before(f"sync {name}")
        self.files[name].durable = self.files[name].data

    def rename(self, old: str, new: str) -> None:
        self._end_before(f"rename {old} {new}")
        self.files[new] = self.files.pop(old)

    def remove(self, name: str) -> None:
        self._end_before(f"remove {name}")
        self.files.pop(name, None)

    def sync_directory(self) -> None:
        self._end_before("sync_directory")
        self.synced_names = dict(self.files)

    def _end_before(self, operation: str) -> None:
        if self._ends(operation):
            raise PowerFailure

    def _ends(self, operation: str) -> bool:
        self.log.append(operation)
        if self.operations is None:
            return False
        self.operations -= 1
        return self.operations < 0


class RecordingKey(Key):
    """An Ed25519 key that records every message it was asked to sign; `fail` makes it fail after recording."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        self.asked: list[bytes] = []
        self.before: Callable[[], None] = lambda: None

    @property
    def public_key(self) -> PublicKey:
        return self._private.public_key()

    def sign(self, message: bytes) -> bytes:
        self.before()
        self.asked.append(message)
        return self._private.sign(message)


@pytest.fixture
def crashing_storage() -> Callable[[int], CrashingStorage]:
    return lambda seed: CrashingStorage(random.Random(seed))  # noqa: S311 -- repeatable, not secret


@pytest.fixture
def power_failure() -> type[BaseException]:
    return PowerFailure


@pytest.fixture
def recording_key() -> RecordingKey:
    return RecordingKey()
