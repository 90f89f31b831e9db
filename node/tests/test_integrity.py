"""`db verify`: a sound database passes with its figures; a changed value or page is found and named."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gchain_node.api.feed import BlockFeed
from gchain_node.api.view import LedgerView
from gchain_node.app import App
from gchain_node.block_check import verify_blocks
from gchain_node.dev_service import open_ledger
from gchain_node.development import DevelopmentConsortium
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.errors import CorruptStateError, StateError
from gchain_node.integrity import verify_store
from gchain_node.rows import seal
from gchain_node.store import Store


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The database of a ledger that has made three blocks, the second with the go-live, and their blocks beside it."""
    consortium = DevelopmentConsortium.open(tmp_path)
    store = Store(tmp_path / "state.db", waiting=0)  # every height in the tables, where the damage is done
    monkeypatch.setattr("gchain_node.engine.embedded.index.STEP", 1)  # the index in its table, not in memory
    app, keys = App(store), [consortium.members[0].keys["validator"]]
    engine = EmbeddedEngine(app, tmp_path / "blocks.db", consortium.genesis, keys)
    open_ledger(LedgerView(app, engine, BlockFeed(), chain_id="gchain-dev", member="dev"), engine, consortium)
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
    assert (report.height, report.app_hash) == (3, store.app_hash)
    assert report.keys > 5


FLIPPED = (
    "UPDATE {table} SET data = CAST(substr(data, 1, 20) || x'ff' || substr(data, 22) AS BLOB) WHERE {column} = {key}"
)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            FLIPPED.format(table="value", column="key", key="CAST('consortium' AS BLOB)"),
            "table value, row consortium: its checksum is",
        ),
        (FLIPPED.format(table="page", column="path", key="x''"), "table page, row root: its checksum is"),
        (
            "UPDATE value SET data = substr(data, 1, 20) || x'ff' || substr(data, 22) "
            "WHERE key = CAST('rules' AS BLOB)",
            "table value, row rules: its checksum is",
        ),
        ("DELETE FROM value WHERE key = CAST('rules' AS BLOB)", "table value: a row is missing"),
        ("DELETE FROM page WHERE path = (SELECT max(path) FROM page)", "table page, row [0-9a-f]+: missing"),
        ("UPDATE page SET data = x'00' WHERE path = x''", "table page, row root: its checksum is"),
        ("INSERT INTO page VALUES (x'0f0f0f', x'00')", "table page, row 0f0f0f: its checksum is"),
        ("UPDATE meta SET data = zeroblob(32) WHERE name = 'app_hash'", "the app hash is 0000"),
    ],
)
def test_what_was_changed_behind_the_nodes_back_is_found_and_named(database: Path, statement: str, said: str) -> None:
    change(database, statement)
    store = Store(database)
    with pytest.raises(CorruptStateError, match=said):
        verify_store(store)
    store.close()


@pytest.mark.parametrize(
    ("table", "key", "content", "said"),
    [
        ("value", b"consortium", b"\xa0", "table value, row consortium: it hashes to [0-9a-f]+, the tree says"),
        ("value", b"records/none", b"\xa0", "table value, row records/none: the tree has no such key"),
        ("page", b"\x0f\x0f\x0f", bytes(4), "table page, row 0f0f0f: no page above names it"),
        ("page", b"", bytes(4), "table page, row root: it hashes to 0000"),
    ],
)
def test_a_row_with_a_good_checksum_and_wrong_content_is_found(
    database: Path, table: str, key: bytes, content: bytes, said: str
) -> None:
    connection = sqlite3.connect(database)
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (key, seal(table, key, content)))  # noqa: S608
    connection.commit()
    connection.close()
    store = Store(database)
    with pytest.raises(CorruptStateError, match=said):
        verify_store(store)
    store.close()


def test_a_damaged_row_is_named_when_a_running_node_reads_it(database: Path) -> None:
    change(database, FLIPPED.format(table="value", column="key", key="CAST('consortium' AS BLOB)"))
    store = Store(database)
    with pytest.raises(CorruptStateError, match="table value, row consortium"):
        store.get(b"consortium")
    assert store.get(b"rules")
    store.close()


def test_sound_blocks_pass(database: Path) -> None:
    assert verify_blocks(database.with_name("blocks.db")) == 3


TEXT = "UPDATE block SET {0} = replace({0}, '{1}', '{2}') WHERE height = 2"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (TEXT.format("header", '"app_hash": "', '"app_hash": "0'), "table block, row 2: the header is malformed"),
        (TEXT.format("header", "-", "+"), "table block, row 2: the header is malformed"),
        (TEXT.format("seen", '"round": 0', '"round": 1'), "table block, row 2: "),
        (TEXT.format("last", '"round": 0', '"round": 1'), "table block, row 2: the signature of validator"),
        (
            "UPDATE block SET last = (SELECT last FROM block WHERE height = 3) WHERE height = 2",
            "table block, row 2: the commit in it is not the one",
        ),
        ("UPDATE block SET header = (SELECT header FROM block WHERE height = 1) WHERE height = 2", "row 2: its header"),
        ("UPDATE block SET seen = (SELECT seen FROM block WHERE height = 1) WHERE height = 2", "row 2: the commit is"),
        ("UPDATE block SET txs = x'80' WHERE height = 2", "table block, row 2: its transactions are not those"),
        ("UPDATE block SET txs = x'81' WHERE height = 2", "table block, row 2: "),
        ("UPDATE block SET results = x'80' WHERE height = 2", "table block, row 2: its results hashes to"),
        (
            "UPDATE block SET app_hash = zeroblob(32) WHERE height = 1",
            "table block, row 1: its app hash hashes to 0000",
        ),
        ("DELETE FROM block WHERE height = 2", "table block, row 2: missing"),
        ("UPDATE tx SET idx = 1", "table tx, row [0-9a-f]{64}: it says block 2, place 1; it is block 2, 0"),
        ("DELETE FROM tx", "table tx, row [0-9a-f]{64}: missing, though block 2 has it"),
        (
            "UPDATE validators SET data = replace(data, '\"10\"', '\"11\"')",
            "table block, row 1: the validator set is not the one",
        ),
        ("UPDATE validators SET data = '{'", "table validators, of block 1: the row is malformed"),
    ],
)
def test_what_was_changed_in_the_embedded_engines_blocks_is_found_and_named(
    database: Path, statement: str, said: str
) -> None:
    blocks = database.with_name("blocks.db")
    change(blocks, statement)
    with pytest.raises(StateError, match=said):
        verify_blocks(blocks)


def test_damage_to_what_the_index_reads_at_the_start_is_found_too(database: Path) -> None:
    blocks = database.with_name("blocks.db")
    change(blocks, "UPDATE block SET txs = x'81' WHERE height = 3")
    with pytest.raises(CorruptStateError, match="table block: the transactions of a late block are damaged"):
        verify_blocks(blocks)


def test_the_command_ends_with_a_status_of_its_own(database: Path) -> None:
    command = [sys.executable, "-m", "gchain_node", "db", "verify", "--database", str(database)]
    sound = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (sound.returncode, "pages of the tree agree" in sound.stdout) == (0, True)
    assert "blocks.db: 3 blocks agree with their headers" in sound.stdout
    change(database, FLIPPED.format(table="value", column="key", key="CAST('consortium' AS BLOB)"))
    damaged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert damaged.returncode == StateError.exit_code
    assert "table value, row consortium" in damaged.stderr
