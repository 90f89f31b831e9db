"""The journal: a store that lets changes wait there answers as one that writes each height into its tables at once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchain_node.errors import CorruptStateError
from gchain_node.integrity import verify_store
from gchain_node.store import FORMAT, Batch, Store
from gchain_node.tree import Tree, pack

KEYS = [f"{kind}/{number}".encode() for kind in ("members", "nonces", "records") for number in range(12)]
CHANGES = st.dictionaries(st.sampled_from(KEYS), st.none() | st.binary(min_size=1, max_size=4), min_size=1, max_size=9)


def write(store: Store, changes: dict[bytes, bytes | None]) -> None:
    change = Tree(store.page).update(changes)
    store.commit(Batch(store.height + 1, change.root, changes, change.pages))


def written(path: Path, heights: int = 3) -> None:
    """A store of so many heights, all of them in the journal."""
    with closing(Store(path)) as store:
        for height in range(1, heights + 1):
            write(store, {b"records/%d-%d" % (height, n): b"v" for n in range(5)})


def rows(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 -- names of a test


@settings(max_examples=40, deadline=None)
@given(st.lists(CHANGES, min_size=1, max_size=10), st.integers(1, 40), st.sets(st.integers(0, 9), max_size=3))
def test_whatever_waits_a_store_answers_alike(
    tmp_path_factory: pytest.TempPathFactory, history: list[dict[bytes, bytes | None]], waiting: int, starts: set[int]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "state.db"
    store, plain = Store(path, waiting=waiting), Store(None, waiting=0)
    for number, changes in enumerate(history):
        if number in starts:
            store.close()
            store = Store(path, waiting=waiting)
        write(store, changes)
        write(plain, changes)
        assert (store.height, store.app_hash) == (plain.height, plain.app_hash)
        assert [store.get(key) for key in KEYS] == [plain.get(key) for key in KEYS]
        for prefix in (b"", b"records/", b"records/1", b"nothing/"):
            assert store.scan(prefix) == plain.scan(prefix)
        for start in (b"", KEYS[3], b"nonces/", KEYS[-1]):
            for limit in (1, 4, 100):
                assert store.rows_after(start, limit) == plain.rows_after(start, limit)
        assert store.pages() == plain.pages()
        for page, data in plain.pages():
            found = store.page(page)
            assert found is not None
            assert pack(found) == data
        verify_store(store)
    store.close()


def test_heights_wait_in_the_journal_until_there_is_enough_of_them(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(Store(path, waiting=20)) as store:
        for height in range(1, 4):
            write(store, {b"records/%d-%d" % (height, n): b"v" for n in range(5)})
            store.close()
            assert (rows(path, "journal"), rows(path, "value")) == [(1, 0), (2, 0), (0, 15)][height - 1]
            store = Store(path, waiting=20)
        store.close()


def test_a_height_that_changes_nothing_has_no_row(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(Store(path)) as store:
        store.commit(Batch(1, bytes(32), {}, {}))
    assert rows(path, "journal") == 0
    with closing(Store(path)) as store:
        assert store.height == 1


def test_what_is_put_in_place_of_everything_leaves_nothing_in_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    written(path)
    other: dict[bytes, bytes | None] = {b"members/x": b"only"}
    change = Tree(lambda _: None).update(other)
    with closing(Store(path)) as store:
        store.replace_all(Batch(9, change.root, other, change.pages))
        assert store.scan(b"") == [(b"members/x", b"only")]
        verify_store(store)
    assert rows(path, "journal") == 0
    with closing(Store(path)) as store:
        assert (store.height, store.scan(b"")) == (9, [(b"members/x", b"only")])
        verify_store(store)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE journal SET data = substr(data, 1, 20) || X'00' || substr(data, 22)", "table journal, row height 1"),
        ("UPDATE journal SET data = X'00' WHERE height = 2", "table journal, row height 2: its checksum is"),
        ("DELETE FROM journal WHERE height = 2", "table journal: with its changes the tree has"),
        ("DELETE FROM journal", "table page, row root: it hashes to"),
    ],
)
def test_a_damaged_journal_is_named(tmp_path: Path, statement: str, what: str) -> None:
    path = tmp_path / "state.db"
    written(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    with pytest.raises(CorruptStateError, match=what) as caught:
        verify_store(Store(path))
    assert "state.db" in str(caught.value)
    assert caught.value.remedy


def test_a_database_from_before_the_journal_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(Store(path, waiting=0)) as store:
        write(store, {b"records/1": b"v"})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE journal")
        connection.execute("UPDATE meta SET data = X'33' WHERE name = 'format'")
        connection.commit()
    with closing(Store(path)) as store:
        assert store.get(b"records/1") == b"v"
        assert store.meta("format") == FORMAT
        write(store, {b"records/2": b"w"})
    with closing(Store(path)) as store:
        assert store.get(b"records/2") == b"w"
        verify_store(store)
