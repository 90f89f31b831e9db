"""Where a host can keep bytes, seen from outside it: files, whole disk images with what was deleted, and memory.

A place has a name for the reader: a path as the host knows it, `image NAME`, or `memory UNIT PID COMMAND`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Chunks", "Process", "disk_images", "files", "memory_files", "processes"]

Chunks = Iterator[bytes]
_CHUNK = 4 * 1024 * 1024
_HEADER = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$")


def files(root: Path, *, named: str = "") -> Iterator[tuple[str, Chunks]]:
    """Every regular file of the file system at `root`, which the host knows as `named`; one that goes is left out."""
    device = root.lstat().st_dev
    for directory, below, names in os.walk(root):
        below[:] = [each for each in below if _device(Path(directory, each)) == device]
        for path in (Path(directory, each) for each in names):
            if _is_file(path):
                yield f"{named}/{path.relative_to(root)}", _content(path)


def _device(path: Path) -> int:
    try:
        return path.lstat().st_dev
    except FileNotFoundError:
        return -1


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _content(path: Path) -> Chunks:
    try:
        with path.open("rb", buffering=0) as handle:
            while chunk := handle.read(_CHUNK):
                yield chunk
    except FileNotFoundError:
        return


def disk_images(directory: Path) -> Iterator[tuple[str, Chunks]]:
    """The host's data volumes block by block: what was deleted is still there, what was never written is not. What
    the host has not written back yet is not there either: `sync` its mounts first.
    """
    for path in sorted(directory.glob("*.img")):
        yield f"image {path.name}", _written(path)


def _written(path: Path) -> Chunks:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        end, size = 0, os.fstat(descriptor).st_size
        while end < size:
            try:
                start = os.lseek(descriptor, end, os.SEEK_DATA)
            except OSError:
                return  # nothing but holes from here on
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
            for place in range(start, end, _CHUNK):
                yield os.pread(descriptor, min(_CHUNK, end - place), place)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Process:
    """A process of a host, by its number outside; `unit` is the systemd unit that it belongs to."""

    pid: int
    unit: str
    command: str
    has_module: bool
    """Whether the PKCS#11 module is loaded into it."""

    @property
    def place(self) -> str:
        return f"memory {self.unit} {self.pid} {self.command}"

    def memory(self) -> Chunks:
        """All that is this process's own: each mapping but files' unchanged pages, which are searched as files."""
        try:
            areas = list(_areas(Path(f"/proc/{self.pid}/smaps").read_text()))
            with Path(f"/proc/{self.pid}/mem").open("rb", buffering=0) as memory:
                for start, end in areas:
                    for place in range(start, end, _CHUNK):
                        yield _peek(memory.fileno(), place, min(_CHUNK, end - place))
        except (FileNotFoundError, ProcessLookupError):
            return  # it ended


def _peek(descriptor: int, place: int, length: int) -> bytes:
    try:
        return os.pread(descriptor, length, place)
    except OSError:
        return b""  # unmapped since


def _areas(smaps: str) -> Iterator[tuple[int, int]]:
    for block in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", smaps)[1:]:
        header, _, fields = block.partition("\n")
        matched = _HEADER.match(header)
        assert matched is not None, header
        start, end, permissions, path = matched.groups()
        unchanged = path.startswith("/") and not path.endswith("(deleted)") and _kib(fields, "Anonymous") == 0
        if permissions[0] == "r" and path not in ("[vvar]", "[vsyscall]") and not unchanged and _kib(fields, "Rss"):
            yield int(start, 16), int(end, 16)


def _kib(fields: str, name: str) -> int:
    found = re.search(rf"(?m)^{name}: +(\d+) kB", fields)
    assert found is not None, name
    return int(found.group(1))


def processes(pids: Iterable[int]) -> Iterator[Process]:
    """The running ones among these; kernel threads and the dead have no memory."""
    for pid in pids:
        try:
            maps = Path(f"/proc/{pid}/maps").read_text()
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            group = Path(f"/proc/{pid}/cgroup").read_text().rstrip().rpartition("/")[2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if maps:
            yield Process(pid, group, command[:80], "softhsm" in maps)


def memory_files(running: Iterable[Process]) -> Iterator[tuple[str, Chunks]]:
    """Files in every tmpfs and ramfs that any of the processes sees, each file system once."""
    seen: set[int] = set()
    for process in running:
        for point in _memory_mounts(process.pid):
            root = Path(f"/proc/{process.pid}/root{point}")
            try:
                device = root.lstat().st_dev
            except OSError:
                continue  # it ended, or another mount covers the point
            if device not in seen:
                seen.add(device)
                yield from files(root, named=point.rstrip("/"))


def _memory_mounts(pid: int) -> list[str]:
    try:
        lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return []
    found = []
    for line in lines:
        mount, _, kind = line.partition(" - ")
        if kind.split()[0] in ("tmpfs", "ramfs"):
            found.append(mount.split()[4].encode().decode("unicode_escape"))
    return found
