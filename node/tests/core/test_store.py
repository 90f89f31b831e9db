"""The database: atomic heights, a kill at any moment, a full disk, damage that is named."""

from __future__ import annotations

import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gchain_node.errors import CorruptStateError, StateError
from gchain_node.integrity import verify_store
from gchain_node.store import JOURNAL, Batch, Store
from gchain_node.tree import Tree


def write(store: Store, height: int, count: int = 20) -> bytes:
    values: dict[bytes, bytes | None] = {b"records/%d-%d" % (height, n): b"v%d" % height for n in range(count)}
    change = Tree(store.page).update(values)
    store.commit(Batch(height, change.root, values, change.pages))
    return change.root


def test_a_height_is_there_after_opening_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    root = write(store, 1)
    store.close()
    again = Store(tmp_path / "state.db")
    assert (again.height, again.app_hash) == (1, root)
    assert again.get(b"records/1-3") == b"v1"
    assert [key for key, _ in again.scan(b"records/1-1")][:2] == [b"records/1-1", b"records/1-10"]
    verify_store(again)


WRITER = """
import sys
from pathlib import Path
from gchain_node.store import Store
sys.path.insert(0, sys.argv[2])
from test_store import write
store = Store(Path(sys.argv[1]))
height = store.height
while True:
    height += 1
    write(store, height)
    print(height, flush=True)
"""


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_whole_heights(tmp_path: Path) -> None:
    path, moments = tmp_path / "state.db", random.Random(7)  # noqa: S311 -- moments to kill at
    for _ in range(8):
        command = [sys.executable, "-c", WRITER, str(path), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            told = 0
            for _ in range(moments.randrange(1, 25)):
                told = int(writer.stdout.readline())
            writer.kill()
            told = max([told, *(int(line) for line in writer.stdout.read().splitlines())])
        store = Store(path)
        assert store.height >= told
        assert store.get(b"records/%d-0" % store.height) is not None
        assert store.get(b"records/%d-0" % (store.height + 1)) is None
        verify_store(store)
        store.close()


def test_power_lost_at_any_byte_of_the_log_leaves_a_whole_height(tmp_path: Path) -> None:
    """The write-ahead log cut at many places stands for a disk that wrote only so far."""
    source, target = tmp_path / "live", tmp_path / "cut"
    source.mkdir()
    store = Store(source / "state.db")
    roots = {0: b""} | {height: write(store, height) for height in range(1, 6)}
    log = (source / "state.db-wal").read_bytes()
    for length in range(0, len(log), max(1, len(log) // 40)):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        shutil.copy(source / "state.db", target / "state.db")
        (target / "state.db-wal").write_bytes(log[:length])
        after = Store(target / "state.db")
        assert after.app_hash == roots[after.height]
        if after.height:
            verify_store(after)
        after.close()
    store.close()


@pytest.mark.parametrize("waiting", [0, 100, JOURNAL])  # into the tables, with what waited, into the journal
def test_a_full_disk_refuses_the_height_and_keeps_the_one_before(tmp_path: Path, waiting: int) -> None:
    path = tmp_path / "state.db"
    store = Store(path, waiting=waiting)
    root = write(store, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = path.with_name("state.db-wal").stat().st_size
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (log + 4096, before[1]))  # SIGXFSZ is ignored by Python
        with pytest.raises(StateError, match=r"state\.db"):
            write(store, 2, count=2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (store.height, store.app_hash) == (1, root)
    assert store.get(b"records/2-0") is None
    root = write(store, 2)
    verify_store(store)
    store.close()
    again = Store(path)
    assert (again.height, again.app_hash) == (2, root)
    verify_store(again)
    again.close()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    with pytest.raises(StateError, match="another process"):
        Store(tmp_path / "state.db")
    store.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(CorruptStateError, match=r"state\.db"):
        Store(path)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE meta SET data = X'39' WHERE name = 'format'", "has format"),
        ("UPDATE meta SET data = zeroblob(32) WHERE name = 'app_hash'", "the tree has"),
        ("UPDATE journal SET data = X'00'", "journal"),
        ("ALTER TABLE journal RENAME COLUMN data TO other", "no such column"),
    ],
)
def test_a_store_that_cannot_be_opened_lets_go_of_the_file(tmp_path: Path, statement: str, words: str) -> None:
    path = tmp_path / "state.db"
    store = Store(path)
    write(store, 1)
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)
    with pytest.raises(StateError, match=words) as caught:
        Store(path)
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
    assert caught.tb is not None  # what the error leads to is still held: closing did not wait for its end


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE value SET data = X'00' WHERE key = CAST('records/1-3' AS BLOB)",
        "DELETE FROM value WHERE key = CAST('records/1-3' AS BLOB)",
        "INSERT INTO value VALUES (CAST('records/9-9' AS BLOB), X'00')",
    ],
)
def test_a_value_that_the_tree_does_not_vouch_for_is_found(tmp_path: Path, statement: str) -> None:
    store = Store(tmp_path / "state.db", waiting=0)
    write(store, 1)
    verify_store(store)
    store._connection.execute(statement)
    with pytest.raises(CorruptStateError, match="table value"):
        verify_store(store)
    store.close()


def test_damaged_pages_of_the_file_are_found(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(path, waiting=100)
    for height in range(1, 30):
        write(store, height)
    store.close()
    data = bytearray(path.read_bytes())
    for at in range(4096 * 8, len(data), 4096):
        data[at : at + 64] = b"\xff" * 64
    path.write_bytes(data)
    with pytest.raises(CorruptStateError, match=r"(?s)state\.db.*Page \d+"):
        verify_store(Store(path))
