"""Power lost at every write of a commit, whatever the disk did with what was not synced: a whole height is there."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gchain_node.integrity import verify_store
from gchain_node.store import Batch, Store
from gchain_node.tree import Tree


def load_disk() -> ModuleType:
    """`crashing_disk.py` beside this file: tests are no package."""
    name, path = "crashing_disk", Path(__file__).with_name("crashing_disk.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def write(store: Store, height: int) -> bytes:
    values: dict[bytes, bytes | None] = {b"records/%d-%d" % (height, n): bytes(300) for n in range(12)}
    values |= {b"records/%d-%d" % (height - 2, n): None for n in range(3)}
    values[b"consortium"] = b"height %d" % height
    change = Tree(store.page).update(values)
    store.commit(Batch(height, change.root, values, change.pages))
    return change.root


def check(directory: Path, files: dict[str, bytes], roots: dict[int, bytes], lost: str) -> int:
    """The height that a store opens at, after all of it was verified."""
    for old in directory.iterdir():
        old.unlink()
    for name, content in files.items():
        (directory / name).write_bytes(content)
    store = Store(directory / "state.db")
    try:
        assert store.app_hash == roots[store.height], f"app hash of height {store.height}; lost: {lost}"
        if store.height:
            verify_store(store)
            assert store.get(b"consortium") == b"height %d" % store.height
        return store.height
    finally:
        store.close()


def run(tmp_path: Path, heights: int, *, every: int, checkpoint: int) -> int:
    """Record a store's life and lose power at every `every`-th event; how many disks were looked at."""
    live, after, choice = tmp_path / "live", tmp_path / "after", random.Random(11)  # noqa: S311 -- what a disk loses
    live.mkdir()
    after.mkdir()
    roots, told = {0: b""}, {0: 0}  # app hash of each height; events until its commit returned
    with load_disk().recording() as disk:
        store = Store(live / "state.db")
        store._connection.execute(f"PRAGMA wal_autocheckpoint={checkpoint}")
        for height in range(1, heights + 1):
            roots[height] = write(store, height)
            told[len(disk.log)] = height
        store.close()
    seen = 0
    for end in range(0, len(disk.log) + 1, every):
        promised = max(height for events, height in told.items() if events <= end)
        for lost, files in disk.images(end, choice):
            found = check(after, files, roots, lost)
            assert promised <= found <= promised + 1, f"height {promised} was committed, {found} found; lost: {lost}"
            seen += 1
    return seen


def test_power_lost_at_any_write_leaves_the_committed_height_or_the_next_one(tmp_path: Path) -> None:
    assert run(tmp_path, heights=5, every=1, checkpoint=8) > 300


@pytest.mark.soak
def test_power_lost_at_any_write_of_a_long_life(tmp_path: Path) -> None:
    assert run(tmp_path, heights=60, every=1, checkpoint=40) > 3000
