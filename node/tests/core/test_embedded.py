"""The embedded engine: blocks that a light client accepts, receipts that verify offline, restarts at any point."""

from __future__ import annotations

import copy
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typer import Typer
from typer.testing import CliRunner

from gchain_node import cli, genesis
from gchain_node.command_tree import compose
from gchain_node.development import DevelopmentConsortium
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.errors import EngineError, NotYetProvable, VerificationError
from gchain_node.keys.file_key import FileKey
from gchain_node.proof.light import LightBlock, Trusted, verify_step
from gchain_node.proof.receipt import build_receipt, verify_receipt
from gchain_node.proof.trust import Trust, from_genesis

Ledger = Any  # of conftest.py, which pytest does not let tests import
DIGEST = hashlib.sha256(b"salted").digest()


class Running:
    """A ledger under the embedded engine; blocks are made by hand."""

    def __init__(
        self, ledger: Ledger, consortium: DevelopmentConsortium, blocks: Path | None, keys: list[FileKey] | None = None
    ) -> None:
        self.ledger = ledger
        self.keys = keys or [member.keys["validator"] for member in consortium.members]
        self.engine = EmbeddedEngine(ledger.app, blocks, ledger.genesis, self.keys)

    def commit(self, *txs: bytes) -> int:
        for raw in txs:
            assert self.engine.broadcast(raw).ok
        return self.engine.make_block().height

    def go_live(self) -> None:
        self.commit(self.ledger.tx("treasury/officer", "governance/go_live", self.ledger.go_live_args()))

    def record(self, name: str) -> bytes:
        return bytes(self.ledger.tx("treasury", "records/commit", {"id": name, "commitment": DIGEST}))

    @property
    def trust(self) -> Trust:
        return from_genesis(self.ledger.genesis, genesis.digest(self.ledger.genesis))


@pytest.fixture
def running(make_ledger: Callable[[], Ledger], consortium: DevelopmentConsortium) -> Iterator[Running]:
    made = Running(make_ledger(), consortium, None)
    yield made
    made.engine.close()


def test_a_light_client_accepts_every_header(running: Running) -> None:
    running.go_live()
    for number in range(3):
        running.commit(running.record(f"r{number}"))
    source = running.engine.source
    chain = [source.signed_header(height) for height in range(1, 5)]
    blocks = [LightBlock(*pair, source.validators(pair[0].height)) for pair in chain if pair]
    known = Trusted(blocks[0].header, source.validators(2))
    for block in blocks[1:]:
        verify_step(known, block, now_ns=block.header.time_ns + 1, period_ns=10**18)
        known = Trusted(block.header, source.validators(block.header.height + 1))
    known = Trusted(blocks[0].header, source.validators(2))
    verify_step(known, blocks[-1], now_ns=blocks[-1].header.time_ns + 1, period_ns=10**18)


def test_a_headers_time_is_that_of_the_commit_in_it(running: Running) -> None:
    for _ in range(3):
        running.commit()
    stored = running.engine._blocks.block(3)
    assert stored is not None
    assert {entry.time_ns for entry in stored.last_commit.signatures} == {stored.header.time_ns}
    assert stored.last_commit.hash() == stored.header.last_commit_hash


def receipt_of(running: Running) -> dict[str, Any]:
    running.go_live()
    height = running.commit(running.record("first"), running.record("second"))
    with pytest.raises(NotYetProvable):
        build_receipt(running.engine.source, height, 1)
    running.commit()
    return build_receipt(running.engine.source, height, 1)


def test_a_receipt_verifies_with_nothing_but_trust(running: Running) -> None:
    receipt = json.loads(json.dumps(receipt_of(running)))
    trust = Trust.from_json(json.loads(json.dumps(running.trust.to_json())))
    proven = verify_receipt(receipt, trust)
    assert proven.attested is not None
    assert (proven.code, proven.data["record"], proven.attested.changes) == (0, "second", 0)
    assert set(proven.attested.names) <= set(running.ledger.members)
    assert "no witness outside the consortium" in proven.sentence()
    assert "records/commit by treasury" in proven.sentence()


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(entry, (*path, key))
    else:
        yield path


def changed(value: Any) -> Any:
    if value is None:
        return 1
    if isinstance(value, str):
        return ("B" if value[:1] != "B" else "C") + value[1:] if value else "00"
    return value + 1


def test_a_receipt_with_any_value_changed_is_refused(running: Running) -> None:
    receipt, trust = receipt_of(running), running.trust
    accepted = []
    for path in leaves(receipt):
        forged = copy.deepcopy(receipt)
        place = forged
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = changed(place[path[-1]])
        try:
            verify_receipt(forged, trust)
        except VerificationError:
            continue
        accepted.append(path)
    assert accepted == []


def test_a_receipt_of_another_ledger_or_under_other_validators_is_refused(running: Running) -> None:
    receipt, trust = receipt_of(running), running.trust.to_json()
    with pytest.raises(VerificationError, match="ledger"):
        verify_receipt(receipt, Trust.from_json(trust | {"chain_id": "gchain-other"}))
    with pytest.raises(VerificationError, match="validator set"):
        verify_receipt(receipt, Trust.from_json(trust | {"validators": trust["validators"][:3]}))


@pytest.mark.parametrize("junk", [None, [], {}, {"version": 1}, "receipt", 7])
def test_junk_is_no_receipt_and_no_trust(running: Running, junk: Any) -> None:
    with pytest.raises(VerificationError):
        verify_receipt(junk, running.trust)
    with pytest.raises(VerificationError):
        Trust.from_json(junk)


def test_a_receipt_after_a_change_of_validators_carries_the_proof_of_the_change(running: Running) -> None:
    running.go_live()
    ledger = running.ledger
    suspend = {"id": "out", "kind": "member.suspend", "args": {"member": "interior"}}
    running.commit(ledger.tx("treasury/officer", "governance/propose", suspend))
    for name in ("justice", "finance"):
        running.commit(ledger.tx(f"{name}/officer", "governance/vote", {"proposal": "out", "ballot": "yes"}))
    running.commit()
    height = running.commit(running.record("after"))
    running.commit()
    running.commit()
    assert len(running.engine.network().validators) == 3
    receipt = build_receipt(running.engine.source, height, 0)
    proven = verify_receipt(receipt, running.trust)
    assert proven.attested is not None
    assert proven.attested.changes == 1
    assert "interior" not in proven.attested.names
    with pytest.raises(VerificationError):
        verify_receipt(receipt | {"changes": []}, running.trust)


def _command(arguments: list[str]) -> Typer:
    return compose(cli._COMMANDS, cli._root, arguments)


def test_the_command_says_in_one_sentence_what_is_proven(running: Running, tmp_path: Path) -> None:
    receipt, trust = tmp_path / "receipt.json", tmp_path / "trust.json"
    receipt.write_text(json.dumps(receipt_of(running)))
    trust.write_text(json.dumps(running.trust.to_json()))
    arguments = ["verify", str(receipt), "--trust", str(trust)]
    shown = CliRunner().invoke(_command(arguments), arguments)
    assert shown.exit_code == 0
    assert shown.stdout.startswith("Proven: transaction ")
    as_json = [*arguments, "--json"]
    assert json.loads(CliRunner().invoke(_command(as_json), as_json).stdout)["data"]["record"] == "second"


@pytest.mark.source
@pytest.mark.parametrize("lost", ["nothing", "state of the last block"])
def test_a_restart_goes_on_from_what_is_on_disk(
    make_ledger: Callable[[Path], Ledger], consortium: DevelopmentConsortium, tmp_path: Path, lost: str
) -> None:
    first = Running(make_ledger(tmp_path / "state.db"), consortium, tmp_path / "blocks.db")
    first.go_live()
    last = first.record("last")
    if lost != "nothing":  # as after a kill between the block's write and the state's
        first.ledger.app.commit = lambda: 0  # type: ignore[method-assign]
    first.commit(last)
    expected = first.engine._blocks.block(2)
    assert expected is not None
    first.engine.close()
    first.ledger.app._store.close()
    second = Running(make_ledger(tmp_path / "state.db"), consortium, tmp_path / "blocks.db")
    assert second.ledger.app.info().last_block_height == 2
    assert second.ledger.app.info().last_block_app_hash == expected.app_hash
    assert second.commit() == 3
    assert verify_receipt(build_receipt(second.engine.source, 2, 0), second.trust).data["record"] == "last"
    second.engine.close()


def test_running_by_itself_it_commits_what_is_sent_and_then_rests(
    make_ledger: Callable[[], Ledger], consortium: DevelopmentConsortium
) -> None:
    seen = threading.Semaphore(0)
    ledger = make_ledger()
    keys = [member.keys["validator"] for member in consortium.members]
    engine = EmbeddedEngine(ledger.app, None, ledger.genesis, keys, on_block=lambda _: seen.release())
    engine.start()
    assert seen.acquire(timeout=120)
    raw = ledger.tx("treasury/officer", "governance/go_live", ledger.go_live_args())
    assert engine.broadcast(raw).ok
    assert seen.acquire(timeout=120)
    assert seen.acquire(timeout=120), "the block that carries the results"
    found = engine.transaction(hashlib.sha256(raw).digest())
    assert found is not None
    assert found.result.ok
    assert engine.block(99) is None
    engine.close()
    assert engine.network().height == found.height + 1


def test_secp256k1_validators_sign_receipts_too(
    make_ledger: Callable[[], Ledger], consortium: DevelopmentConsortium, sign_again: Callable[..., dict[str, Any]]
) -> None:
    keys = [FileKey(ec.generate_private_key(ec.SECP256K1())) for _ in consortium.members]
    pairs = zip(consortium.members, keys, strict=True)
    documents = [sign_again(member, key_validator=key) for member, key in pairs]
    ledger = make_ledger()
    app_state = ledger.genesis["app_state"]
    settings = genesis.Settings(
        consortium="development",
        chain_id="gchain-secp256k1",
        convenor="treasury",
        environment="sandbox",
        zone_digest=app_state["zone_digest"],
        genesis_time="2026-05-01T10:00:00Z",
        validator_key_type="secp256k1",
    )
    ledger.genesis = genesis.build(documents, settings, app_state["rules"])
    running = Running(ledger, consortium, None, keys)
    proven = verify_receipt(receipt_of(running), running.trust)
    assert proven.attested is not None
    assert proven.attested.signers.power == 40
    running.engine.close()


def test_too_few_keys_are_named(make_ledger: Callable[[], Ledger], consortium: DevelopmentConsortium) -> None:
    ledger = make_ledger()
    keys = [member.keys["validator"] for member in consortium.members[:2]]
    with pytest.raises(EngineError, match="20 of 40 voting power"):
        EmbeddedEngine(ledger.app, None, ledger.genesis, keys).make_block()


def test_a_store_ahead_of_its_blocks_is_refused(
    make_ledger: Callable[[Path], Ledger], consortium: DevelopmentConsortium, tmp_path: Path
) -> None:
    first = Running(make_ledger(tmp_path / "state.db"), consortium, tmp_path / "blocks.db")
    first.commit()
    first.engine.close()
    app = first.ledger.app
    app.finalize_block(_next(first.ledger))
    app.commit()
    with pytest.raises(EngineError, match="state is at height 2, the blocks at 1"):
        Running(first.ledger, consortium, tmp_path / "blocks.db")


def _next(ledger: Ledger) -> Any:
    from gchain_node.messages import Block

    return Block(ledger.height + 1, 0, ())


@pytest.mark.source
def test_a_transaction_that_comes_while_a_block_is_committed_still_waits_after_it(running: Running) -> None:
    running.commit()
    running.go_live()
    late = running.record("late")
    commit, started = running.ledger.app.commit, threading.Event()
    adding = threading.Thread(target=lambda: (started.set(), running.engine.broadcast(late)))

    def commit_while_one_comes() -> int:
        retained: int = commit()
        adding.start()
        assert started.wait(120)
        return retained

    running.ledger.app.commit = commit_while_one_comes
    running.commit(running.record("early"))
    running.ledger.app.commit = commit
    adding.join(120)
    assert not adding.is_alive()
    running.commit()
    assert running.ledger.read("records/late")["owner"] == "treasury"
