"""A disk that can lose power: a SQLite VFS that notes every write, cut and sync of a database's files.

Python's sqlite3 and ctypes load the same libsqlite3, so a VFS registered here as the default one is what
`sqlite3.connect` uses. It passes everything on to the system's own VFS (`sqlite3_vfs`, `sqlite3_io_methods` of
sqlite3.h, version 1 and 2 of both) and keeps a log, from which `images` makes what a disk may hold after a power
failure: what was synced, and of the rest whatever the disk chose to write, the last one perhaps in half.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import random
from collections.abc import Iterator
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_void_p, cast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = b"crashing-disk"


@dataclass(frozen=True)
class Write:
    """Bytes put at `offset` of a file; with `data` None the file is cut to `offset` bytes, or gone if that is -1."""

    file: str
    offset: int
    data: bytes | None


@dataclass(frozen=True)
class Sync:
    file: str


@dataclass
class Disk:
    """What happened, in order."""

    log: list[Write | Sync] = field(default_factory=list)

    def images(self, end: int, choice: random.Random) -> Iterator[tuple[str, dict[str, bytes]]]:
        """What the files may be if power fails after the first `end` events, and what was lost in words."""
        events = self.log[:end]
        synced = {event.file: at for at, event in enumerate(events) if isinstance(event, Sync)}
        writes = [(at, event) for at, event in enumerate(events) if isinstance(event, Write)]
        loose = [at for at, write in writes if at > synced.get(write.file, -1)]
        yield "nothing", _apply(writes, set())
        if loose:
            yield "all that was not synced", _apply(writes, set(loose))
            yield "some of what was not synced", _apply(writes, {at for at in loose if choice.random() < 0.5})
            yield "half of the last write", _apply(writes, set(), torn=loose[-1])


def _apply(writes: list[tuple[int, Write]], lost: set[int], torn: int = -1) -> dict[str, bytes]:
    files: dict[str, bytearray] = {}
    for at, write in writes:
        if at in lost:
            continue
        if write.data is None and write.offset < 0:
            files.pop(write.file, None)
            continue
        content = files.setdefault(write.file, bytearray())
        if write.data is None:
            del content[write.offset :]
            continue
        data = write.data[: len(write.data) // 2] if at == torn else write.data
        content.extend(bytes(max(0, write.offset - len(content))))
        content[write.offset : write.offset + len(data)] = data
    return {name: bytes(content) for name, content in files.items()}


class _File(ctypes.Structure):
    pass


_FILE = POINTER(_File)
_METHODS: list[tuple[str, Any]] = [
    ("xClose", ctypes.CFUNCTYPE(c_int, _FILE)),
    ("xRead", ctypes.CFUNCTYPE(c_int, _FILE, c_void_p, c_int, c_int64)),
    ("xWrite", ctypes.CFUNCTYPE(c_int, _FILE, c_void_p, c_int, c_int64)),
    ("xTruncate", ctypes.CFUNCTYPE(c_int, _FILE, c_int64)),
    ("xSync", ctypes.CFUNCTYPE(c_int, _FILE, c_int)),
    ("xFileSize", ctypes.CFUNCTYPE(c_int, _FILE, c_void_p)),
    ("xLock", ctypes.CFUNCTYPE(c_int, _FILE, c_int)),
    ("xUnlock", ctypes.CFUNCTYPE(c_int, _FILE, c_int)),
    ("xCheckReservedLock", ctypes.CFUNCTYPE(c_int, _FILE, c_void_p)),
    ("xFileControl", ctypes.CFUNCTYPE(c_int, _FILE, c_int, c_void_p)),
    ("xSectorSize", ctypes.CFUNCTYPE(c_int, _FILE)),
    ("xDeviceCharacteristics", ctypes.CFUNCTYPE(c_int, _FILE)),
    ("xShmMap", ctypes.CFUNCTYPE(c_int, _FILE, c_int, c_int, c_int, c_void_p)),
    ("xShmLock", ctypes.CFUNCTYPE(c_int, _FILE, c_int, c_int, c_int)),
    ("xShmBarrier", ctypes.CFUNCTYPE(None, _FILE)),
    ("xShmUnmap", ctypes.CFUNCTYPE(c_int, _FILE, c_int)),
]


class _IoMethods(ctypes.Structure):
    _fields_ = (("iVersion", c_int), *_METHODS)


_File._fields_ = (("pMethods", POINTER(_IoMethods)),)


class _Vfs(ctypes.Structure):
    pass


_OPEN = ctypes.CFUNCTYPE(c_int, POINTER(_Vfs), c_void_p, _FILE, c_int, c_void_p)
_DELETE = ctypes.CFUNCTYPE(c_int, POINTER(_Vfs), c_char_p, c_int)
_Vfs._fields_ = (
    ("iVersion", c_int),
    ("szOsFile", c_int),
    ("mxPathname", c_int),
    ("pNext", c_void_p),
    ("zName", c_char_p),
    ("pAppData", c_void_p),
    ("xOpen", _OPEN),
    ("xDelete", _DELETE),
    *((f"other{number}", c_void_p) for number in range(12)),  # passed on as they are
)


class _Shim:
    """The system's VFS with `xOpen` and `xDelete` replaced; each file's methods are noted and passed on."""

    def __init__(self, library: ctypes.CDLL, disk: Disk) -> None:
        self._disk = disk
        library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        self.real = library.sqlite3_vfs_find(None)
        self.vfs = _Vfs()
        ctypes.memmove(byref(self.vfs), self.real, ctypes.sizeof(_Vfs))
        self.vfs.pNext, self.vfs.zName = None, NAME
        self._open, self._delete = _OPEN(self._on_open), _DELETE(self._on_delete)
        self.vfs.xOpen, self.vfs.xDelete = self._open, self._delete
        self._names: dict[int, str] = {}
        self._real: dict[int, Any] = {}
        self._kept: list[Any] = []

    def _on_open(self, _: Any, name: int | None, file: Any, flags: int, out: int | None) -> int:
        status = int(self.real.contents.xOpen(self.real, name, file, flags, out))
        address = ctypes.addressof(file.contents)
        if name and file.contents.pMethods:
            self._names[address] = Path(ctypes.string_at(name).decode()).name
            self._real[address] = file.contents.pMethods.contents
            self._dress(file, self._real[address])
        return status

    def _dress(self, file: Any, real: Any) -> None:
        methods = _IoMethods()
        ctypes.memmove(byref(methods), byref(real), ctypes.sizeof(_IoMethods))
        methods.iVersion = min(real.iVersion, 2)  # version 3 is memory mapping, whose writes could not be seen
        kinds = dict(_METHODS)
        methods.xWrite = kinds["xWrite"](self._on_write)
        methods.xTruncate = kinds["xTruncate"](self._on_truncate)
        methods.xSync = kinds["xSync"](self._on_sync)
        self._kept.append(methods)
        file.contents.pMethods = ctypes.pointer(methods)

    def _known(self, file: Any) -> tuple[str, Any]:
        address = ctypes.addressof(file.contents)
        return self._names[address], self._real[address]

    def _on_write(self, file: Any, data: int, size: int, offset: int) -> int:
        name, real = self._known(file)
        self._disk.log.append(Write(name, offset, ctypes.string_at(data, size)))
        return int(real.xWrite(file, data, size, offset))

    def _on_truncate(self, file: Any, size: int) -> int:
        name, real = self._known(file)
        self._disk.log.append(Write(name, size, None))
        return int(real.xTruncate(file, size))

    def _on_sync(self, file: Any, flags: int) -> int:
        name, real = self._known(file)
        self._disk.log.append(Sync(name))
        return int(real.xSync(file, flags))

    def _on_delete(self, _: Any, name: bytes, sync_directory: int) -> int:
        self._disk.log.append(Write(Path(name.decode()).name, -1, None))
        if sync_directory:
            self._disk.log.append(Sync(Path(name.decode()).name))
        return int(self.real.contents.xDelete(self.real, name, sync_directory))


@contextlib.contextmanager
def recording() -> Iterator[Disk]:
    """Note what happens to databases that are opened inside. They must be closed inside, too."""
    import _sqlite3

    library = ctypes.CDLL(_sqlite3.__file__)  # finds the symbols of the very library that Python's module uses
    disk = Disk()
    shim = _Shim(library, disk)
    library.sqlite3_vfs_register.argtypes = [c_void_p, c_int]
    library.sqlite3_vfs_unregister.argtypes = [c_void_p]
    library.sqlite3_vfs_register(cast(byref(shim.vfs), c_void_p), 1)
    try:
        yield disk
    finally:
        library.sqlite3_vfs_unregister(cast(byref(shim.vfs), c_void_p))
        library.sqlite3_vfs_register(cast(shim.real, c_void_p), 1)
