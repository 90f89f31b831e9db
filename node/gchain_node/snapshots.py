"""Snapshots of the state for state sync: taken beside consensus, kept in files, verified chunk by chunk.

Format 1: a chunk is the CBOR list of `[key, value]` pairs in the order of the keys, about a mebibyte; the metadata is
the concatenated SHA-256 of the chunks, the snapshot's hash is the SHA-256 of the metadata. Every node makes the same
bytes of the same height. A snapshot takes effect only if the tree built from it has the app hash that the engine's
light client vouches for: a peer that lies gains nothing (`restoring.py`).

Taking one does not hold up a block. A thread of its own reads the values in portions; what a block changes ahead of the
reader is put aside first, as it was (`preserving`), so that what comes out is the state of one height. A snapshot
counts once its directory has its name: one cut off by the end of the process is swept away at the next start.

    <directory>/<height>/chunk-<n>      <directory>/<height>/metadata
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gchain_node import cbor
from gchain_node.errors import StateError
from gchain_node.messages import Snapshot
from gchain_node.store import Store

__all__ = ["CHUNK_BYTES", "FORMAT", "INTERVAL", "KEPT", "Snapshots"]

FORMAT: Final = 1
INTERVAL: Final = 1000
KEPT: Final = 2
CHUNK_BYTES: Final = 1024 * 1024
_PORTION: Final = 1000  # rows read at a time: a few milliseconds, for which a commit may have to wait
_PAUSE: Final = 0.002  # seconds between portions, so that the reader never has a core to itself
_PARTIAL: Final = ".partial-"
_log = logging.getLogger(__name__)


class Snapshots:
    """Snapshots of one store, under `directory` (made when needed; None: none is taken).

    Args:
        interval: a snapshot is due at every multiple of it; 0 for none.
        keep: how many of the latest stay.
    """

    def __init__(self, store: Store, directory: Path | None, *, interval: int = INTERVAL, keep: int = KEPT) -> None:
        self._store = store
        self._directory = directory
        self._interval = interval if directory is not None else 0
        self._keep = keep
        self._lock = threading.Lock()
        self._reading: _Reader | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        if directory is not None:
            for left_over in directory.glob(f"{_PARTIAL}*"):
                shutil.rmtree(left_over)

    @contextmanager
    def preserving(self, values: Mapping[bytes, bytes | None]) -> Iterator[None]:
        """Around the commit of these values: the snapshot that is being read keeps what they were."""
        with self._lock:
            if self._reading is not None:
                self._reading.put_aside(values, self._store)
            yield

    def due(self, height: int) -> None:
        """After the commit of `height`: begin a snapshot of it, if it is time for one and none is being taken."""
        if not self._interval or height % self._interval:
            return
        if self._thread is not None and self._thread.is_alive():
            _log.warning("no snapshot of height %d: the one before is still being written", height)
            return
        with self._lock:
            self._reading = _Reader()
        self._thread = threading.Thread(target=self._take, args=(height,), name="snapshot", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until the snapshot that is being taken, if any, is there."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Give up the snapshot that is being taken."""
        self._stop.set()
        self.wait()

    def needed_from(self, height: int) -> int:
        """The lowest height whose block a peer may still need that would do without those below `height`: whoever takes
        the oldest snapshot goes on from there by blocks.
        """
        return min([height, *self._heights()[:1]])

    def listed(self) -> list[Snapshot]:
        """What is offered to peers, oldest first."""
        found = []
        for height in self._heights():
            try:
                metadata = (self._path(height) / "metadata").read_bytes()
            except FileNotFoundError:  # just dropped for a newer one
                continue
            found.append(Snapshot(height, FORMAT, len(metadata) // 32, hashlib.sha256(metadata).digest(), metadata))
        return found

    def load(self, height: int, format_: int, chunk: int) -> bytes:
        """A chunk; empty if there is none, or if it is not what it was when it was written."""
        if format_ != FORMAT or height not in self._heights():
            return b""
        try:
            data = (self._path(height) / f"chunk-{chunk}").read_bytes()
            digests = (self._path(height) / "metadata").read_bytes()
        except OSError:  # no such chunk, or just dropped for a newer one
            return b""
        if hashlib.sha256(data).digest() != digests[32 * chunk : 32 * chunk + 32]:
            _log.error("chunk %d of the snapshot of height %d is damaged: %s", chunk, height, self._path(height))
            return b""
        return data

    def _take(self, height: int) -> None:
        try:
            self._write(height)
            for old in self._heights()[: -self._keep]:
                shutil.rmtree(self._path(old))
        except (OSError, StateError) as error:  # the height itself is committed: a snapshot is for others' convenience
            _log.warning("no snapshot of height %d: %s", height, error)
        finally:
            with self._lock:
                self._reading = None

    def _write(self, height: int) -> None:
        path, partial = self._path(height), self._path(height).with_name(f"{_PARTIAL}{height}")
        if path.exists():  # the same height again, after the state was restored from a backup
            return
        partial.mkdir(parents=True)
        digests = []
        try:
            for number, chunk in enumerate(_chunks(self._rows())):
                _durably(partial / f"chunk-{number}", chunk)
                digests.append(hashlib.sha256(chunk).digest())
            if self._stop.is_set():
                return
            _durably(partial / "metadata", b"".join(digests))
            partial.rename(path)
            _log.info("the snapshot of height %d is written: %d chunks", height, len(digests))
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _rows(self) -> Iterator[tuple[bytes, bytes]]:
        reader = self._reading
        assert reader is not None  # noqa: S101 -- `due` sets it before the thread starts
        while not reader.done and not self._stop.wait(_PAUSE):
            with self._lock:
                rows = reader.next_portion(self._store)
            yield from rows

    def _heights(self) -> list[int]:
        if self._directory is None or not self._directory.is_dir():
            return []
        return sorted(int(path.name) for path in self._directory.iterdir() if path.name.isdecimal())

    def _path(self, height: int) -> Path:
        assert self._directory is not None  # noqa: S101 -- without one there is no height either
        return self._directory / str(height)


@dataclass
class _Reader:
    """How far the values have been read, and what those ahead were when the reading began, where they changed since."""

    position: bytes = b""
    aside: dict[bytes, bytes | None] = field(default_factory=dict)
    done: bool = False

    def put_aside(self, values: Mapping[bytes, bytes | None], store: Store) -> None:
        for key in values:
            if key > self.position and not self.done:
                self.aside.setdefault(key, store.get(key))

    def next_portion(self, store: Store) -> list[tuple[bytes, bytes]]:
        """The next rows in the order of the keys, as they were at the beginning."""
        rows: dict[bytes, bytes | None] = dict(store.rows_after(self.position, _PORTION))
        self.done = len(rows) < _PORTION
        end = max(rows, default=self.position)
        for key in [key for key in self.aside if self.done or key <= end]:
            rows[key] = self.aside.pop(key)
        self.position = end
        return [(key, value) for key, value in sorted(rows.items()) if value is not None]


def _chunks(rows: Iterator[tuple[bytes, bytes]]) -> Iterator[bytes]:
    part: list[list[bytes]] = []
    size = 0
    for key, value in rows:
        part.append([key, value])
        size += len(key) + len(value)
        if size >= CHUNK_BYTES:
            yield cbor.encode(part)
            part, size = [], 0
    if part:
        yield cbor.encode(part)


def _durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
