"""A report's anchor, on a ledger with real signatures: it proves these bytes with their own verdict, nothing else."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from gchain.consortium.cli import _said
from gchain.errors import ConsortiumError
from gchain.workspace import Workspace
from gchain_node import genesis, tx
from gchain_node.api.feed import BlockFeed
from gchain_node.api.view import LedgerView
from gchain_node.app import App
from gchain_node.dev_service import open_ledger
from gchain_node.development import DevelopmentConsortium
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.proof.receipt import build_receipt
from gchain_node.proof.trust import from_genesis
from gchain_node.store import Store
from policies.errors import ReportError
from policies.reports import anchoring
from policies.reports.cli import app

Report = dict[str, Any]
_different = itertools.count(1)


@dataclass
class Ledger:
    """A live ledger of one member; `anchor` gives the receipt of an anchor that its officer made."""

    consortium: DevelopmentConsortium
    engine: EmbeddedEngine
    nonce: int = 1000

    @property
    def trust(self) -> dict[str, Any]:
        document = self.consortium.genesis
        return from_genesis(document, genesis.digest(document)).to_json()

    def receipt(self, call: str, **args: Any) -> dict[str, Any]:
        member, (module, _, action) = self.consortium.members[0], call.partition("/")
        self.nonce += 1
        asked = tx.Tx("gchain-dev", module, action, args, member.officer, self.nonce, 1000)
        taken = self.engine.broadcast(tx.sign(asked, member.keys["officer"]))
        assert taken.ok, taken
        height = self.engine.make_block().height
        self.engine.make_block()
        return build_receipt(self.engine.source, height, 0)

    def anchor(self, raw: bytes, verdict: str = "fail", kind: str = anchoring.KIND) -> dict[str, Any]:
        digest = hashlib.sha256(raw).digest()
        return self.receipt("compliance/anchor", kind=kind, digest=digest, verdict=verdict)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    consortium = DevelopmentConsortium.open(tmp_path_factory.mktemp("anchors"))
    app_ = App(Store(None))
    engine = EmbeddedEngine(app_, None, consortium.genesis, [consortium.members[0].keys["validator"]])
    open_ledger(LedgerView(app_, engine, BlockFeed(), chain_id="gchain-dev", member="dev"), engine, consortium)
    yield Ledger(consortium, engine)
    engine.close()


@pytest.fixture
def raw(workspace: Workspace) -> bytes:
    """The report's bytes, another digest for each test: a digest is anchored once."""
    path = workspace.public / "consortium-report.json"
    path.write_text(path.read_text() + " " * next(_different))
    return path.read_bytes()


def test_an_anchor_proves_the_report_by_whom_and_when(ledger: Ledger, raw: bytes) -> None:
    proven = anchoring.check(raw, ledger.anchor(raw), ledger.trust)
    assert "compliance/anchor by dev/" in proven.sentence()
    assert proven.data["verdict"] == "fail"


def test_another_report_is_not_the_one_that_was_anchored(ledger: Ledger, raw: bytes) -> None:
    receipt = ledger.anchor(raw)
    with pytest.raises(ReportError, match=r"the anchor is of sha256:.* the report is sha256:"):
        anchoring.check(raw + b"\n", receipt, ledger.trust)


def test_a_report_that_fails_cannot_stand_as_one_that_passes(ledger: Ledger, raw: bytes) -> None:
    with pytest.raises(ReportError, match=r"anchored as consortium-report with verdict pass; it is .* with fail"):
        anchoring.check(raw, ledger.anchor(raw, "pass"), ledger.trust)


def test_a_receipt_of_another_transaction_or_one_that_was_refused_anchors_nothing(
    ledger: Ledger, raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = ledger.receipt("records/commit", id="a-record", commitment=hashlib.sha256(raw).digest())
    with pytest.raises(ReportError, match="of records/commit with code 0, not of an anchor"):
        anchoring.check(raw, record, ledger.trust)
    refused = dataclasses.replace(anchoring.check(raw, receipt := ledger.anchor(raw), ledger.trust), code=404)
    monkeypatch.setattr(anchoring, "verify_receipt", lambda *_: refused)
    with pytest.raises(ReportError, match="of compliance/anchor with code 404"):
        anchoring.check(raw, receipt, ledger.trust)


def _of_another_ledger(receipt: Report) -> None:
    receipt["chain_id"] = "gchain-other"


def _with_another_result(receipt: Report) -> None:
    receipt["result"]["code"] = 0
    receipt["result"]["gas_used"] += 1


def _unsigned(receipt: Report) -> None:
    receipt["commit"]["signatures"][0]["signature"] = receipt["commit"]["block_id"]["hash"]


@pytest.mark.parametrize("change", [_of_another_ledger, _with_another_result, _unsigned, dict.clear])
def test_a_tampered_receipt_does_not_hold(ledger: Ledger, raw: bytes, change: Callable[[Report], None]) -> None:
    receipt = copy.deepcopy(ledger.anchor(raw))
    change(receipt)
    with pytest.raises(ReportError, match="the anchor's receipt does not hold"):
        anchoring.check(raw, receipt, ledger.trust)


def test_the_command_says_whether_the_report_is_anchored_and_fails_on_an_anchor_that_is_not_its(
    ledger: Ledger, raw: bytes, workspace: Workspace
) -> None:
    command = ["verify", "-e", "us-gov"]
    bare = CliRunner().invoke(app, command, catch_exceptions=False)
    assert (bare.exit_code, "not anchored" in bare.stdout) == (0, True)
    workspace.receipts.mkdir(parents=True)
    workspace.trust.write_text(json.dumps(ledger.trust))
    path = workspace.receipts / anchoring.receipt_name(raw)
    path.write_text(json.dumps(ledger.anchor(raw)))
    anchored = CliRunner().invoke(app, command, catch_exceptions=False)
    assert (anchored.exit_code, "Proven: transaction" in anchored.stdout) == (0, True)
    path.write_text(json.dumps(ledger.anchor(raw + b" ")))
    with pytest.raises(ReportError, match="the anchor is of"):
        CliRunner().invoke(app, command, catch_exceptions=False)


def test_the_verdict_that_is_anchored_is_the_reports_own(raw: bytes) -> None:
    assert _said(raw, anchoring.KIND, None) == "fail"
    assert _said(raw, "member-report", "pass") == "pass"
    with pytest.raises(ConsortiumError, match="the report says fail, not pass"):
        _said(raw, anchoring.KIND, "pass")
    with pytest.raises(ConsortiumError, match="no verdict that is known"):
        _said(raw, "member-report", None)


@pytest.mark.parametrize(
    ("names", "verdict"), [([], "indeterminate"), (["RULE_INDETERMINATE"], "indeterminate"), (["RULE_ERROR"], "fail")]
)
def test_what_is_only_unknown_is_anchored_as_unknown(report: Report, names: list[str], verdict: str) -> None:
    changed = copy.deepcopy(report)
    reason = changed["verdict"]["reasons"][0]
    changed["verdict"]["reasons"] = [reason | {"name": name} for name in names]
    assert anchoring.verdict_of(json.dumps(changed).encode()) == verdict


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"verdict": {"ok": true}}', b"\xff"])
def test_what_is_no_report_has_no_verdict(text: bytes) -> None:
    with pytest.raises(ReportError):
        anchoring.verdict_of(text)
