"""The transparency log of a live consortium: one log at all nodes, and an export that an outsider can recompute."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from gchain.sandbox.opening import FIRST_RECORD
from gchain.workspace import REPOSITORY
from gchain_node.export_cli import fetch_export
from gchain_node.proof import merkle
from gchain_node.proof.trust import Trust
from gchain_node.tlog.checkpoint import Checkpoint, origin_of, verify_checkpoint
from gchain_node.tlog.note import Note

from .consortium import Consortium

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


def _read(live: Consortium, member: str, path: str, **params: Any) -> httpx.Response:
    answer = httpx.get(f"{live.nodes[member].status_url}{path}", params=params, timeout=30, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer


def _trust(live: Consortium) -> Trust:
    return Trust.from_json(json.loads(live.workspace.trust.read_text()))


def test_every_member_signs_checkpoints_of_one_and_the_same_log(live: Consortium) -> None:
    trust, seen = _trust(live), []
    for name in live.names:
        note = Note.parse(_read(live, name, "/checkpoint").text)
        keys = [key for _, key in trust.log.log_keys]
        signers = verify_checkpoint(note, origin_of(trust.chain_id), keys)
        named = {key: member for member, key in trust.log.log_keys}
        assert [named[entry.key] for entry in signers.log] == [name]
        seen.append(signers.checkpoint)
    newest = max(seen, key=lambda checkpoint: checkpoint.size)
    for checkpoint in seen:
        _check_prefix(live, checkpoint, newest)


def _check_prefix(live: Consortium, old: Checkpoint, new: Checkpoint) -> None:
    answer = _read(live, live.names[-1], "/v1/log/consistency", old=old.size, new=new.size).json()
    path = [base64.urlsafe_b64decode(step + "=" * (-len(step) % 4)) for step in answer["path"]]
    merkle.verify_consistency(old.size, new.size, path, old.root, new.root)


def test_the_first_records_receipt_says_where_in_the_log_it_stands(live: Consortium) -> None:
    receipt = json.loads((live.workspace.receipts / f"{FIRST_RECORD}.json").read_text())
    assert receipt["log"] is not None
    assert receipt["log"]["checkpoint"].startswith(f"{origin_of(receipt['chain_id'])}\n")


def test_the_exported_ledger_is_recomputed_without_a_network(live: Consortium, tmp_path: Path) -> None:
    export = tmp_path / "ledger.export"
    fetch_export(live.nodes[live.names[0]].status_url, export)
    line = [sys.executable, "-m", "gchain.cli", "audit", str(export), "--trust", str(live.workspace.trust), "--json"]
    done = subprocess.run(
        ["unshare", "--net", *line], capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=300
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["holds"] is True
    assert report["transactions"] == report["log_size"] > 0
    assert "signed by" in report["checkpoint"]
