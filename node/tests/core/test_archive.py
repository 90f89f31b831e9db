"""The node's archive: what receipts need of a block outlives the engine's own copy, and damage to it is named."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gchain_node import genesis, tx
from gchain_node.app import App
from gchain_node.archive import Archive, ArchivedBlock, verify_archive
from gchain_node.development import DevelopmentConsortium, go_live_args
from gchain_node.engine.cometbft.archivist import Archivist
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.engine.interface import CommittedBlock
from gchain_node.errors import CorruptStateError, StateError
from gchain_node.messages import TxResult
from gchain_node.proof.receipt import build_receipt, verify_receipt
from gchain_node.proof.trust import from_genesis
from gchain_node.store import Store


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentConsortium:
    return DevelopmentConsortium.open(tmp_path_factory.mktemp("consortium"))


@pytest.fixture(scope="module")
def engine(consortium: DevelopmentConsortium) -> Iterator[EmbeddedEngine]:
    """A ledger whose third block has the go-live transaction, with blocks after it."""
    member = consortium.members[0]
    app = App(Store(None))
    made = EmbeddedEngine(app, None, consortium.genesis, [member.keys["validator"]])
    made.make_block()
    state = app.query("consortium").value
    import cbor2

    args = go_live_args(cbor2.loads(state), consortium.members, 1000)
    asked = tx.Tx(consortium.genesis["chain_id"], "governance", "go_live", args, member.officer, 1, 1000)
    made.make_block()
    assert made.broadcast(tx.sign(asked, member.keys["officer"])).ok
    for _ in range(4):
        made.make_block()
    yield made
    made.close()


def archived(engine: EmbeddedEngine, height: int) -> ArchivedBlock:
    signed, following = engine.source.signed_header(height), engine.source.signed_header(height + 1)
    assert signed is not None
    assert following is not None
    txs, results = engine.source.transactions(height), engine.source.results(height)
    return ArchivedBlock(signed[0], signed[1], tuple(txs), tuple(results), following[0].app_hash)


@pytest.fixture
def path(engine: EmbeddedEngine, tmp_path: Path) -> Path:
    """An archive of blocks 1 to 5."""
    archive = Archive(tmp_path / "archive.db")
    for height in range(1, 6):
        archive.put(archived(engine, height), engine.source.validators(height) if height == 1 else None)
    archive.close()
    return tmp_path / "archive.db"


class FromArchive:
    """A `BlockSource` with nothing but the archive."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive

    def signed_header(self, height: int):  # type: ignore[no-untyped-def]
        block = self.archive.block(height)
        return None if block is None else (block.header, block.commit)

    def transactions(self, height: int):  # type: ignore[no-untyped-def]
        block = self.archive.block(height)
        return block.txs if block else ()

    def results(self, height: int):  # type: ignore[no-untyped-def]
        block = self.archive.block(height)
        return block.results if block else ()

    def validators(self, height: int):  # type: ignore[no-untyped-def]
        return self.archive.validators(height)

    def validator_changes(self) -> tuple[int, ...]:
        return ()


def test_a_receipt_can_be_made_from_the_archive_alone(path: Path, consortium: DevelopmentConsortium) -> None:
    archive = Archive(path)
    raw = next(raw for block in archive.blocks() for raw in block.txs)
    place = archive.locate(hashlib.sha256(raw).digest())
    assert place == (3, 0)
    receipt = build_receipt(FromArchive(archive), *place)
    proven = verify_receipt(receipt, from_genesis(consortium.genesis, genesis.digest(consortium.genesis)))
    assert (proven.height, proven.tx.action, proven.code) == (3, "go_live", 0)
    archive.close()


def test_a_sound_archive_passes_and_says_how_many_blocks_it_has(path: Path) -> None:
    archive = Archive(path)
    assert (verify_archive(archive), archive.first, archive.last) == (5, 1, 5)
    assert archive.block(6) is None
    assert archive.validators(6) is None
    assert archive.locate(bytes(32)) is None
    archive.close()


def test_blocks_come_without_a_gap(path: Path, engine: EmbeddedEngine) -> None:
    archive = Archive(path)
    archive._connection.execute("DELETE FROM block WHERE height = 5")
    archive.close()
    again = Archive(path)
    assert again.last == 4
    with pytest.raises(StateError, match="block 4 cannot follow block 4"):
        again.put(archived(engine, 4), None)
    again.put(archived(engine, 5), None)
    again.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE block SET data = CAST(data || x'00' AS BLOB) WHERE height = 2", "table block, row 2: its checksum"),
        ("DELETE FROM block WHERE height = 2", "table block, row 2: missing"),
        ("DELETE FROM tx", "table tx, row [0-9a-f]{64}: missing, though block 3 has it"),
        ("UPDATE tx SET height = 2", "table tx, row [0-9a-f]{64}: it says block 2, place 0; it is block 3, 0"),
        ("UPDATE tx SET idx = 1", "table tx, row [0-9a-f]{64}: it says block 3, place 1; it is block 3, 0"),
        ("UPDATE tx SET idx = -1", "table tx, row [0-9a-f]{64}: it says block 3, place -1; it is block 3, 0"),
        ("UPDATE validators SET data = CAST(data || x'00' AS BLOB)", "table validators, row 1: its checksum"),
        ("DELETE FROM validators", "table validators: the set of block 1 is not its header's"),
    ],
)
def test_damage_to_the_archive_is_named(path: Path, statement: str, said: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    archive = Archive(path)
    with pytest.raises(CorruptStateError, match=said):
        verify_archive(archive)
    archive.close()


def test_bytes_that_two_blocks_have_are_found_in_the_first(consortium: DevelopmentConsortium, tmp_path: Path) -> None:
    """A proposer may put a transaction into a block again, where it is refused; its receipt is that of the first."""
    member = consortium.members[0]
    engine = EmbeddedEngine(App(Store(None)), None, consortium.genesis, [member.keys["validator"]])
    raw = b"bytes that no transaction is made of"
    archive = Archive(tmp_path / "archive.db")
    for _ in range(4):
        chain = engine._chain
        time_ns = chain.time_ns + (1 if chain.height else 0)
        last_commit = engine._last_commit(time_ns)
        engine._commit_block(chain.header([raw], last_commit, time_ns), [raw], last_commit)
    for height in (1, 2, 3):
        archive.put(archived(engine, height), engine.source.validators(height) if height == 1 else None)
    assert [block.txs for block in archive.blocks()] == [(raw,)] * 3
    assert archive.locate(tx.tx_hash(raw)) == (1, 0)
    assert verify_archive(archive) == 3
    archive.close()
    engine.close()


@pytest.mark.parametrize("part", ["txs", "results", "app_hash"])
def test_a_block_that_is_not_what_its_headers_say_is_refused(engine: EmbeddedEngine, part: str) -> None:
    block, following = archived(engine, 3), engine.source.signed_header(4)
    assert following is not None
    block.check(following[0])
    fields = {name: getattr(block, name) for name in ("header", "commit", "txs", "results", "app_hash")}
    fields[part] = bytes(32) if part == "app_hash" else ()
    with pytest.raises(CorruptStateError, match="table block, row 3: its"):
        ArchivedBlock(**fields).check(following[0])


def test_the_engine_keeps_what_is_not_archived_and_what_is_to_be_retained(path: Path) -> None:
    archive = Archive(path)
    archivist = Archivist(archive, None, None, retain_blocks=10)  # type: ignore[arg-type]  # neither is asked
    assert archivist.retain_height(8) == 0
    assert archivist.retain_height(12) == 3
    assert archivist.retain_height(15) == 6
    assert archivist.retain_height(10_000) == 6, "blocks from 6 on are nowhere else"
    archive.close()


def test_an_empty_archive_lets_the_engine_prune_nothing(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive.db")
    archivist = Archivist(archive, None, None, retain_blocks=10)  # type: ignore[arg-type]  # neither is asked
    assert archivist.retain_height(10_000) == 0
    archive.close()


def test_an_answer_that_nobody_foresaw_does_not_end_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rpc:
        asked = threading.Semaphore(0)

        def status(self) -> dict[str, Any]:
            self.asked.release()
            return {}  # without what is looked for in it

    monkeypatch.setattr("gchain_node.engine.cometbft.archivist._AGAIN", 0.01)
    archive, rpc = Archive(tmp_path / "archive.db"), Rpc()
    archivist = Archivist(archive, rpc, None, retain_blocks=10)  # type: ignore[arg-type]  # as far as it is asked
    archivist.start()
    archivist.committed(5)
    for _ in range(3):
        assert rpc.asked.acquire(timeout=120)
    archivist.close()
    archive.close()


class Without:
    """An engine's source that gives neither transactions nor results."""

    def __init__(self, source: Any) -> None:
        self.signed_header, self.validators = source.signed_header, source.validators

    def transactions(self, height: int) -> Any:
        raise StateError(f"the transactions of block {height} were asked of the engine")


def archived_from_memory(
    engine: EmbeddedEngine, path: Path, recent: Callable[[int], CommittedBlock | None], last: int
) -> Archive:
    """Blocks 1 to `last`, archived while the engine gives headers alone. Raises what the archivist does."""
    archive = Archive(path)
    archive.put(archived(engine, 1), engine.source.validators(1))
    archivist = Archivist(archive, None, Without(engine.source), 10, recent)  # type: ignore[arg-type]  # as far as asked
    for height in range(2, last + 1):
        archivist._archive_next(height)
    return archive


def test_blocks_that_the_node_has_in_memory_are_archived_without_asking_for_their_transactions(
    engine: EmbeddedEngine, tmp_path: Path
) -> None:
    archive = archived_from_memory(engine, tmp_path / "archive.db", engine.block, 5)
    assert [archive.block(height) for height in range(1, 6)] == [archived(engine, height) for height in range(1, 6)]
    assert archive.block(3).txs  # type: ignore[union-attr]  # the go-live transaction
    assert verify_archive(archive) == 5
    archive.close()


@pytest.mark.parametrize("what", ["transactions", "results"])
def test_a_block_in_memory_that_its_headers_contradict_is_not_archived(
    engine: EmbeddedEngine, tmp_path: Path, what: str
) -> None:
    def recent(height: int) -> CommittedBlock | None:
        block = engine.block(height)
        if block is None or height != 3:
            return block
        first = block.txs[0]
        wrong = first._replace(raw=b"other") if what == "transactions" else first._replace(result=TxResult(code=7))
        return replace(block, txs=(wrong,))

    with pytest.raises(CorruptStateError, match=f"row 3: its {what} hashes to"):
        archived_from_memory(engine, tmp_path / "archive.db", recent, 5)
