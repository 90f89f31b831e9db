"""Power lost at every write of a commit, whatever the disk did with what was not synced: a whole height is there."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gchain_node.api.feed import BlockFeed
from gchain_node.api.view import LedgerView
from gchain_node.app import App
from gchain_node.archive import Archive, ArchivedBlock, verify_archive
from gchain_node.block_check import verify_blocks
from gchain_node.dev_service import open_ledger
from gchain_node.development import DevelopmentConsortium
from gchain_node.engine.embedded.engine import EmbeddedEngine
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


_WAITING = 60  # rows: a height or two wait in the journal, and the next puts them into the tables


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
    store = Store(directory / "state.db", waiting=_WAITING)
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
        store = Store(live / "state.db", waiting=_WAITING)
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


Live = Callable[[Path, Any, dict[int, int]], None]
Check = Callable[[Path, int], None]


def survive(tmp_path: Path, live: Live, check: Check, *, every: int) -> int:
    """Record what `live` does, which notes after how many events each height was told; lose power at every `every`-th
    event, and let `check` look at each disk, with the height that was promised. How many disks there were.
    """
    before, after, choice = tmp_path / "live", tmp_path / "after", random.Random(5)  # noqa: S311 -- what a disk loses
    before.mkdir()
    after.mkdir()
    told = {0: 0}
    with load_disk().recording() as disk:
        live(before, disk, told)
    seen = 0
    for end in range(0, len(disk.log) + 1, every):
        for _, files in disk.images(end, choice):
            for old in after.iterdir():
                old.unlink()
            for name, content in files.items():
                (after / name).write_bytes(content)
            check(after, max(height for events, height in told.items() if events <= end))
            seen += 1
    return seen


def embedded_engine_survives(tmp_path: Path, every: int) -> int:
    """Blocks and state are two files, written one after the other: whichever had the power, they go on together."""
    consortium = DevelopmentConsortium.open(tmp_path / "consortium")
    keys = [consortium.members[0].keys["validator"]]

    def engine_of(store: Store, directory: Path) -> tuple[App, EmbeddedEngine]:
        app = App(store)
        return app, EmbeddedEngine(app, directory / "blocks.db", consortium.genesis, keys)

    def live(directory: Path, disk: Any, told: dict[int, int]) -> None:
        with closing(Store(directory / "state.db")) as store:
            app, engine = engine_of(store, directory)
            open_ledger(LedgerView(app, engine, BlockFeed(), chain_id="gchain-dev", member="dev"), engine, consortium)
            told[len(disk.log)] = app.info().last_block_height
            for _ in range(3):
                engine.make_block()
                told[len(disk.log)] = app.info().last_block_height
            engine.close()

    def check(directory: Path, promised: int) -> None:
        with closing(Store(directory / "state.db")) as store:
            app, engine = engine_of(store, directory)
            height = app.info().last_block_height
            assert height >= promised
            engine.make_block()
            engine.close()
            verify_store(store)
        assert verify_blocks(directory / "blocks.db") == height + 1

    return survive(tmp_path, live, check, every=every)


def test_power_lost_at_any_write_of_the_embedded_engine_leaves_a_ledger_that_goes_on(tmp_path: Path) -> None:
    assert embedded_engine_survives(tmp_path, every=12) > 30


@pytest.mark.soak
def test_power_lost_at_every_write_of_the_embedded_engine_leaves_a_ledger_that_goes_on(tmp_path: Path) -> None:
    assert embedded_engine_survives(tmp_path, every=1) > 400


def test_power_lost_at_any_write_of_the_archive_leaves_every_block_that_the_engine_may_prune(
    tmp_path: Path,
) -> None:
    consortium = DevelopmentConsortium.open(tmp_path / "consortium")
    engine = EmbeddedEngine(App(Store(None)), None, consortium.genesis, [consortium.members[0].keys["validator"]])
    for _ in range(5):
        engine.make_block()
    blocks = []
    for height in range(1, 5):
        signed, following = engine.source.signed_header(height), engine.source.signed_header(height + 1)
        assert signed is not None
        assert following is not None
        blocks.append(ArchivedBlock(*signed, (), (), following[0].app_hash))

    def live(directory: Path, disk: Any, told: dict[int, int]) -> None:
        with closing(Archive(directory / "archive.db")) as archive:
            for block in blocks:
                archive.put(block, engine.source.validators(1) if block.header.height == 1 else None)
                told[len(disk.log)] = archive.last

    def check(directory: Path, promised: int) -> None:
        with closing(Archive(directory / "archive.db")) as archive:
            assert archive.last in (promised, promised + 1)
            assert verify_archive(archive) == archive.last

    assert survive(tmp_path, live, check, every=1) > 60
    engine.close()
