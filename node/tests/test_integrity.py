"""`db verify`: a sound database passes with its figures; a changed value or page is found and named."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gchain_node.app import App
from gchain_node.development import DevelopmentConsortium
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.errors import CorruptStateError
from gchain_node.integrity import verify_store
from gchain_node.store import Store


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The database of a ledger that has made two blocks."""
    consortium = DevelopmentConsortium.open(tmp_path)
    store = Store(tmp_path / "state.db")
    engine = EmbeddedEngine(App(store), None, consortium.genesis, [consortium.members[0].keys["validator"]])
    engine.make_block()
    engine.make_block()
    engine.close()
    store.close()
    return tmp_path / "state.db"


def change(database: Path, statement: str) -> None:
    connection = sqlite3.connect(database)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_sound_database_passes_with_its_figures(database: Path) -> None:
    store = Store(database)
    report = verify_store(store)
    store.close()
    assert (report.height, report.app_hash) == (2, store.app_hash)
    assert report.keys > 5


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE value SET data = x'a0' WHERE key = CAST('consortium' AS BLOB)", "the values hash to"),
        ("DELETE FROM value WHERE key = CAST('rules' AS BLOB)", "the values hash to"),
        ("UPDATE page SET data = x'00' WHERE path = x''", "page root of the tree"),
        ("INSERT INTO page VALUES (x'0f0f0f', x'00')", "page 0f0f0f of the tree"),
    ],
)
def test_what_was_changed_behind_the_nodes_back_is_found(database: Path, statement: str, said: str) -> None:
    change(database, statement)
    store = Store(database)
    with pytest.raises(CorruptStateError, match=said):
        verify_store(store)
    store.close()
