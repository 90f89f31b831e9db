"""The audit of an export: a true one holds, and whatever is changed in it is found and its block named."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cbor2
import pytest

import gchain.audit
from gchain.audit.auditor import audit
from gchain.audit.findings import AuditError
from gchain.errors import ConfigurationError
from gchain_node import genesis, tx
from gchain_node.api.feed import BlockFeed
from gchain_node.api.view import LedgerView
from gchain_node.app import App
from gchain_node.dev_service import open_ledger
from gchain_node.development import DevelopmentConsortium
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.export import export_items, write_export
from gchain_node.proof.trust import from_genesis
from gchain_node.store import Store
from gchain_node.tlog.log import TransparencyLog

NAMES = ("finance", "interior", "justice", "treasury")
Items = list[Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Items, dict[str, Any]]]:
    """The items of an export of a ledger with some life, and the trust file."""
    home = tmp_path_factory.mktemp("ledger")
    consortium = DevelopmentConsortium.open(home, NAMES)
    store = Store(None)
    app, document = App(store), consortium.genesis
    engine = EmbeddedEngine(app, None, document, [member.keys["validator"] for member in consortium.members])
    view = LedgerView(app, engine, BlockFeed(), chain_id="gchain-dev", member="finance")
    open_ledger(view, engine, consortium)
    member = consortium.members[0]

    def send(call: str, nonce: int, officer: bool = False, **args: Any) -> None:
        module, _, action = call.partition("/")
        signer, key = (member.officer, "officer") if officer else (member.name, "member")
        asked = tx.Tx("gchain-dev", module, action, args, signer, nonce, 1000)
        engine.broadcast(tx.sign(asked, member.keys[key]))

    for number in range(1, 8):
        send("records/commit", number, id=f"r{number}", commitment=hashlib.sha256(b"%d" % number).digest())
        if number % 3 == 0:
            send("records/supersede", 100 + number, id="r1", commitment=hashlib.sha256(b"new").digest())
        engine.make_block()
    out = {"member": "justice"}
    send("governance/propose", 900, officer=True, id="out", kind="member.suspend", args=out)
    engine.make_block()
    for voter in consortium.members[1:]:
        args = {"proposal": "out", "ballot": "yes"}
        vote = tx.Tx("gchain-dev", "governance", "vote", args, voter.officer, 1, 1000)
        engine.broadcast(tx.sign(vote, voter.keys["officer"]))
        engine.make_block()
    for _ in range(4):
        engine.make_block()
    log = TransparencyLog(store, "gchain-dev", lambda: member.keys["receipt"])
    raw = (home / "genesis.json").read_bytes()
    last = app.info().last_block_height - 1
    items = [cbor2.loads(item) for item in export_items(engine.source, raw, 1, last, str(log.checkpoint()))]
    yield items, from_genesis(document, genesis.digest(document)).to_json()
    engine.close()


def written(items: Items, path: Path) -> Path:
    write_export(iter([cbor2.dumps(item) for item in items]), path)
    return path


def test_a_true_export_holds_and_the_report_says_what_was_recomputed(made: Any, tmp_path: Path) -> None:
    items, trust = made
    seen: list[tuple[int, int]] = []
    report = audit(written(items, tmp_path / "export"), trust, lambda done, count: seen.append((done, count)))
    assert report.blocks == len(items) - 2
    assert seen[-1] == (report.blocks, report.blocks)
    assert report.transactions == report.log_size == sum(len(item["txs"]) for item in items[1:-1])
    assert report.validator_changes == 1
    assert report.app_hash == items[-1]["end"]["header"]["app_hash"].lower()
    assert report.checkpoint.endswith("signed by finance")
    json.dumps(report.to_json())


def block_with_transactions(items: Items) -> dict[str, Any]:
    return next(item for item in items[4:-1] if item["txs"])


def flip(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


def change_header(name: str) -> Callable[[Items], None]:
    def change(items: Items) -> None:
        header = items[6]["header"]
        header[name] = flip(header[name])

    return change


def change_signature(items: Items) -> None:
    entry = next(e for e in items[6]["commit"]["signatures"] if e["signature"])
    entry["signature"] = ("B" if entry["signature"][0] == "A" else "A") + entry["signature"][1:]


def drop_signatures(items: Items) -> None:
    absent = {"block_id_flag": 1, "validator_address": "", "timestamp": "0001-01-01T00:00:00Z", "signature": None}
    items[6]["commit"]["signatures"][:2] = [absent, absent]


def change_result(items: Items) -> None:
    block_with_transactions(items)["results"][0][0] = 405


def change_data(items: Items) -> None:
    block_with_transactions(items)["results"][0][1] = b"\xa0"


def change_transaction(items: Items) -> None:
    txs = block_with_transactions(items)["txs"]
    txs[0] = txs[0][:-1] + bytes([txs[0][-1] ^ 1])


def drop_block(items: Items) -> None:
    del items[6]
    items[0]["to"] -= 1


def drop_transaction(items: Items) -> None:
    block = block_with_transactions(items)
    block["txs"].pop(), block["results"].pop()


def cut_off(items: Items) -> None:
    items.pop()


def change_genesis(items: Items) -> None:
    items[0]["genesis"] = items[0]["genesis"].replace(b'"environment": "development"', b'"environment": "sandbox"')


def change_checkpoint(items: Items) -> None:
    end = items[-1]["end"]
    origin, size, *rest = end["checkpoint"].split("\n")
    end["checkpoint"] = "\n".join([origin, str(int(size) - 1), *rest])


def forge_time(items: Items) -> None:
    items[6]["header"]["time"] = "2031-01-01T00:00:00Z"


CHANGES: list[Callable[[Items], None]] = [
    *map(change_header, ("app_hash", "data_hash", "validators_hash", "next_validators_hash", "last_results_hash")),
    *map(change_header, ("consensus_hash", "evidence_hash", "last_commit_hash", "proposer_address", "height")),
    change_signature, drop_signatures, change_result, change_data, change_transaction, drop_block, drop_transaction,
    cut_off, change_genesis, change_checkpoint, forge_time,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__qualname__)
def test_an_export_in_which_something_was_changed_does_not_hold(made: Any, tmp_path: Path, change: Any) -> None:
    items, trust = made
    changed = [cbor2.loads(cbor2.dumps(item)) for item in items]
    change(changed)
    assert changed != items, "the test must change something"
    with pytest.raises(AuditError) as caught:
        audit(written(changed, tmp_path / "export"), trust)
    if change not in (cut_off, change_genesis, change_checkpoint):
        assert caught.value.height is not None
        assert f"block {caught.value.height}: " in str(caught.value)


def test_the_first_block_that_does_not_hold_is_named(made: Any, tmp_path: Path) -> None:
    items, trust = made
    changed = [cbor2.loads(cbor2.dumps(item)) for item in items]
    for item in changed[5:-1]:
        item["header"]["evidence_hash"] = flip(item["header"]["evidence_hash"])
    with pytest.raises(AuditError, match="block 5: "):
        audit(written(changed, tmp_path / "export"), trust)


def test_an_export_of_another_ledger_does_not_hold(made: Any, tmp_path: Path) -> None:
    items, trust = made
    path = written(items, tmp_path / "export")
    with pytest.raises(AuditError, match="genesis"):
        audit(path, trust | {"genesis_digest": "sha256:" + "00" * 32})
    with pytest.raises(AuditError, match="ledger"):
        audit(path, trust | {"chain_id": "gchain-other"})


@pytest.mark.parametrize(
    "content",
    [b"", b"no export", gzip.compress(b"", mtime=0), gzip.compress(cbor2.dumps({"a": 1}), mtime=0)],
    ids=["empty", "no archive", "empty archive", "other content"],
)
def test_a_file_that_is_no_export_is_refused_and_not_called_a_damaged_one(
    made: Any, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "export"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="no ledger export"):
        audit(path, made[1])


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 7},
        {"genesis_digest": None},
        {"validators": [7]},
        {"validators": None},
        {"log_keys": ["x"]},
        {"log_keys": [{"name": "a", "key": "no key"}]},
        {"witness": 7},
    ],
    ids=str,
)
def test_a_malformed_trust_file_is_blamed_and_not_the_export(made: Any, tmp_path: Path, change: dict[str, Any]) -> None:
    items, trust = made
    path = written(items, tmp_path / "export")
    with pytest.raises(ConfigurationError, match="the trust file is malformed"):
        audit(path, trust | change)


@pytest.mark.parametrize("trust", [7, None, "trust", [], {}], ids=repr)
def test_json_that_is_no_trust_file_is_blamed_and_not_the_export(made: Any, tmp_path: Path, trust: Any) -> None:
    with pytest.raises(ConfigurationError, match="the trust file is malformed"):
        audit(written(made[0], tmp_path / "export"), trust)


def test_an_export_that_begins_later_is_not_audited_and_says_what_to_do(made: Any, tmp_path: Path) -> None:
    items, trust = made
    head, *rest = (cbor2.loads(cbor2.dumps(item)) for item in items)
    later = [head | {"from": head["from"] + 2}, *rest[2:]]
    with pytest.raises(
        ConfigurationError, match="begins at block 3; an audit begins at the ledger's first, 1"
    ) as caught:
        audit(written(later, tmp_path / "export"), trust)
    assert "a member that keeps all blocks" in str(caught.value.remedy)


def test_a_damaged_file_is_never_taken_for_a_whole_one(made: Any, tmp_path: Path) -> None:
    path = written(made[0], tmp_path / "export")
    whole = path.read_bytes()
    for place in range(12, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1 :])
        with pytest.raises(AuditError):
            audit(path, made[1])


def test_the_command_needs_no_network(made: Any, tmp_path: Path) -> None:
    path, trust = written(made[0], tmp_path / "export"), tmp_path / "trust.json"
    trust.write_text(json.dumps(made[1]))
    command = [sys.executable, "-m", "gchain.cli", "audit", str(path), "--trust", str(trust), "--json"]
    alone = ["unshare", "--net", *command] if os.geteuid() == 0 else command
    done = subprocess.run(alone, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["holds"] is True
    trust.write_text(json.dumps(made[1] | {"genesis_digest": "sha256:" + "00" * 32}))
    refused = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert refused.returncode == 5
    assert "genesis" in refused.stderr


# What docs/audit.md says is shared: the meaning of actions, and what says in which state they find the ledger.
SHARED = (
    "gchain_node.codes", "gchain_node.errors", "gchain_node.evidence", "gchain_node.genesis", "gchain_node.messages",
    "gchain_node.modules", "gchain_node.state", "gchain_node.validators",
)  # fmt: skip
# The node's own path from a transaction's bytes to the app hash, the proofs of it, and both engines.
NODES_PATH = (
    "gchain_node.api", "gchain_node.app", "gchain_node.client", "gchain_node.delivery", "gchain_node.engine",
    "gchain_node.export", "gchain_node.proof", "gchain_node.replay", "gchain_node.store", "gchain_node.tlog",
    "gchain_node.tree", "gchain_node.verified",
)  # fmt: skip


def _imported(path: Path) -> set[str]:
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "gchain_node"}


def test_the_auditor_shares_with_the_node_what_its_page_says_and_nothing_else() -> None:
    files = sorted(Path(gchain.audit.__file__).parent.glob("*.py"))
    assert "replay.py" in {path.name for path in files}
    strangers = {path.name: {n for n in _imported(path) if not n.startswith(SHARED)} for path in files}
    assert {name: found for name, found in strangers.items() if found} == {}


def test_an_audit_loads_nothing_of_the_nodes_own_path() -> None:
    """Not by way of what is shared either: in a process of its own, since this one has loaded the node."""
    code = "import sys, gchain.audit.cli; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "gchain_node.modules.governance" in loaded
    assert not [name for name in loaded if name in NODES_PATH or name.startswith(tuple(f"{n}." for n in NODES_PATH))]
