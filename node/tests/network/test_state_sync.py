"""State sync on real engines: a fifth node takes a snapshot, also while one of the others lies to it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gchain_node import cbor
from gchain_node.config import DATABASE
from gchain_node.errors import ApiError
from gchain_node.export_cli import fetch_export
from gchain_node.store import Store
from gchain_node.tlog.checking import verify_log

pytestmark = pytest.mark.slow
Ledgers, Ledger, Validator = Any, Any, Any  # of node/tests/network, through the fixture


def running(ledgers: Ledgers, count: int, *, interval: int) -> Ledger:
    ledger = ledgers.start(count, snapshots=(interval, 100))
    ledger.go_live()
    for number in range(3):
        assert ledger.commit_record(ledger.validators[0], f"before-{number}").committed
    return ledger


def snapshot_heights(validator: Validator) -> list[int]:
    directory = validator.home / "node" / "snapshots"
    return sorted(int(path.name) for path in directory.glob("[0-9]*"))


def state_sync(ledger: Ledger) -> dict[str, dict[str, object]]:
    """`[statesync]`: the APIs of two others, and a header that the operator trusts."""
    first = ledger.validators[0]
    trusted = first.ask("commit?height=1")["signed_header"]
    servers = ",".join(f"https://127.0.0.1:{validator.api}/light" for validator in ledger.validators[:2])
    return {
        "statesync": {
            "enable": True,
            "rpc_servers": servers,
            "trust_height": 1,
            "trust_hash": trusted["commit"]["block_id"]["hash"],
            "trust_period": "24h0m0s",
            "discovery_time": "5s",
        }
    }


def joined(ledgers: Ledgers, ledger: Ledger) -> Validator:
    """A fifth node that took a snapshot, not the blocks, and follows from there."""
    late = ledgers.add_observer(ledger, more=state_sync(ledger))
    trusted = late.home / "authorities.pem"  # Go programs take the certificates that they trust from here
    trusted.write_text("".join(validator.authority for validator in ledger.validators))
    late.engine.environment["SSL_CERT_FILE"] = str(trusted)
    late.start()
    ledgers.wait_until(
        "the snapshot to be restored", lambda: late.node.alive() and late.engine.alive() and late.height()
    )
    assert "was restored from a snapshot" in (late.home / "node.log").read_text()
    outcome = ledger.commit_record(ledger.validators[0], "after")
    ledgers.wait_until("the fifth node to follow", lambda: late.has_reached(outcome.height + 1))
    assert late.get("/v1/query/records/before-2")["result"] == "OK"
    assert late.get("/v1/query/records/after")["result"] == "OK"
    earliest = int(late.ask("status")["sync_info"]["earliest_block_height"])
    assert earliest > 1, "it took the blocks after all"
    with pytest.raises(ApiError, match=f"keeps blocks from {earliest} on, and not block 1"):
        fetch_export(f"http://127.0.0.1:{late.status}", late.home / "export")
    assert ledger.app_hash(late, outcome.height) == ledger.app_hash(ledger.validators[0], outcome.height)
    return late


def test_a_fifth_node_joins_by_state_sync_and_agrees(ledgers: Ledgers) -> None:
    ledger = running(ledgers, 4, interval=10)
    ledgers.wait_until("a snapshot everywhere", lambda: all(snapshot_heights(v) for v in ledger.validators))
    late = joined(ledgers, ledger)
    late.stop()
    fill_log(late, ledger.validators[2])
    late.start()
    outcome = ledger.commit_record(ledger.validators[1], "after-its-restart")
    ledgers.wait_until("the fifth node to follow again", lambda: late.has_reached(outcome.height))
    assert late.get("/v1/query/records/after-its-restart")["result"] == "OK"


def fill_log(late: Validator, source: Validator) -> None:
    """What the snapshot did not bring of the log, by the command that an operator uses."""
    command = [sys.executable, "-m", "gchain_node", "log", "fill", "--config", str(late.home / "node.toml")]
    authority = late.home / "authorities.pem"
    command += ["--url", f"https://127.0.0.1:{source.api}", "--ca", str(authority)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "were fetched and agree with the state" in done.stdout
    with closing(Store(late.home / "node" / DATABASE)) as store:
        assert verify_log(store) == store.log.size()
        assert store.log.first() == 0


def forge(directory: Path, chunks: list[bytes], metadata: bytes | None = None) -> None:
    """Put other chunks in a snapshot's place, with their own true digests or given ones."""
    (directory / "metadata").write_bytes(metadata or b"".join(hashlib.sha256(chunk).digest() for chunk in chunks))
    for number, chunk in enumerate(chunks):
        (directory / f"chunk-{number}").write_bytes(chunk)


def test_a_peer_whose_snapshot_is_another_state_is_found_out_and_an_honest_one_is_used(ledgers: Ledgers) -> None:
    """The liar offers a consistent snapshot of a higher height than the honest one: it is preferred, and refused."""
    ledger = running(ledgers, 2, interval=1_000_000)
    honest, liar = ledger.validators
    _start_with_interval(ledgers, honest, 1_000_000, 10)
    ledgers.wait_until("an honest snapshot", lambda: snapshot_heights(honest))
    _start_with_interval(ledgers, honest, 10, 1_000_000)
    source = honest.home / "node" / "snapshots" / str(snapshot_heights(honest)[-1])
    target = liar.home / "node" / "snapshots" / str(int(source.name) + 1)
    ledger.wait_height(int(target.name) + 3)  # the light client wants the headers after it
    target.mkdir(parents=True)
    rows = cbor.decode((source / "chunk-0").read_bytes())
    forge(target, [cbor.encode([*rows, [b"records/forged", b"\x01"]])])
    late = joined(ledgers, ledger)
    said = (late.home / "node.log").read_text()
    assert f"the snapshot of height {target.name} is a lie, told by {liar.node_id}" in said
    assert late.get("/v1/query/records/forged")["result"] == "NOT_FOUND"


LAST_SNAPSHOT = 30
# Many chunks, and an end to snapshots: one that the liar alone has when peers are asked could come from nobody else.
SMALL_CHUNKS = (
    "import gchain_node.snapshots\n"
    "from gchain_node.snapshots import Snapshots\n"
    "gchain_node.snapshots.CHUNK_BYTES = 500\n"
    "due = Snapshots.due\n"
    f"Snapshots.due = lambda self, height: due(self, height) if height <= {LAST_SNAPSHOT} else None\n"
)
LYING = SMALL_CHUNKS + "true = Snapshots.load\n" + "Snapshots.load = lambda *asked: true(*asked)[:-1] + b'!'\n"


def test_a_peer_that_sends_other_chunks_than_it_promised_is_banned_and_others_are_asked(ledgers: Ledgers) -> None:
    """Both offer the same snapshot of many chunks; each chunk is fetched from either, as the engine's chance has it."""
    ledger = ledgers.make(2, snapshots=(10, 100))
    honest, liar = ledger.validators
    honest.run_node_with(SMALL_CHUNKS)
    liar.run_node_with(LYING)
    ledger.start()
    ledger.go_live()
    for number in range(3):
        assert ledger.commit_record(honest, f"before-{number}").committed
    ledgers.wait_until("snapshots", lambda: all(LAST_SNAPSHOT in snapshot_heights(v) for v in ledger.validators))
    late = joined(ledgers, ledger)
    said = (late.home / "node.log").read_text()
    assert f"from {liar.node_id} is not the one of the snapshot's hash" in said
    assert f"from {honest.node_id} is not" not in said


def _start_with_interval(ledgers: Ledgers, validator: Validator, before: int, interval: int) -> None:
    """Start a validator again with another interval of snapshots."""
    validator.stop()
    path = validator.home / "node.toml"
    path.write_text(path.read_text().replace(f"interval = {before}\n", f"interval = {interval}\n"))
    validator.start()
    ledgers.wait_until("the validator to be back", lambda: validator.height())
