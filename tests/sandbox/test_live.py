"""An open ledger, as those who rely on it see it: receipts offline, status, pages."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from gchain.sandbox.opening import FIRST_RECORD
from gchain.workspace import REPOSITORY
from gchain_node.codes import Code

from .consortium import Consortium

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


def _gchain(*arguments: str, offline: bool = False) -> subprocess.CompletedProcess[str]:
    """The CLI in a process of its own; offline means in a network namespace that has no interface up."""
    line = [sys.executable, "-m", "gchain.cli", *arguments]
    return subprocess.run(
        ["unshare", "--net", *line] if offline else line,
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        timeout=120,
    )


def _receipt(live: Consortium) -> Path:
    return live.workspace.receipts / f"{FIRST_RECORD}.json"


def test_every_node_says_that_the_ledger_is_live_and_who_opened_it(live: Consortium) -> None:
    for name in live.names:
        assert live.status(name)["phase"] == "live"
        opened = live.query(name, "governance/go-live")
        assert sorted(opened["approvals"]) == sorted(live.names)
        assert opened["table"] == (live.workspace.public / "go-live-table.json").read_bytes()


def test_a_live_ledger_is_not_opened_again(live: Consortium) -> None:
    proposal = live.proposal(live.table())
    assert live.go_live(proposal, live.approvals(proposal.subject)).code == Code.ALREADY_LIVE


def test_every_agency_commits_a_record_at_its_own_node(live: Consortium) -> None:
    for name in live.names:
        committed = live.record(name, live.once(f"record-of-{name}"))
        assert committed.outcome.code == Code.OK
        assert committed.receipt.is_file()


def test_the_receipt_of_the_first_record_verifies_without_a_network(live: Consortium) -> None:
    done = _gchain("verify", str(_receipt(live)), "--trust", str(live.workspace.trust), "--json", offline=True)
    assert done.returncode == 0, done.stderr
    proven = json.loads(done.stdout)
    assert proven["proven"] is True
    assert proven["code"] == 0
    assert len(proven["signers"]) >= 3
    kept = json.loads(
        (live.workspace.member(live.environment.convenor.name).root / "records" / f"{FIRST_RECORD}.json").read_text()
    )
    assert base64.b64decode(kept["document"]) not in _receipt(live).read_bytes()


@pytest.mark.parametrize("part", ["transaction", "result", "commit"])
def test_a_receipt_with_one_byte_flipped_is_refused(live: Consortium, tmp_path: Path, part: str) -> None:
    receipt = json.loads(_receipt(live).read_text())
    place, key = {
        "transaction": (receipt["transaction"], "raw"),
        "result": (receipt["result"], "data"),
        "commit": (next(each for each in receipt["commit"]["signatures"] if each["signature"]), "signature"),
    }[part]
    place[key] = _flipped(place[key])
    (tmp_path / "receipt.json").write_text(json.dumps(receipt))
    done = _gchain("verify", str(tmp_path / "receipt.json"), "--trust", str(live.workspace.trust), offline=True)
    assert done.returncode not in (0, 2)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def _flipped(text: str) -> str:
    """The same base64 with one bit of the value in its middle turned."""
    middle = len(text) // 2
    return text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]


def test_a_receipt_is_refused_under_another_ledgers_trust(live: Consortium, tmp_path: Path) -> None:
    trust = json.loads(live.workspace.trust.read_text()) | {"chain_id": "another-ledger"}
    (tmp_path / "trust.json").write_text(json.dumps(trust))
    done = _gchain("verify", str(_receipt(live)), "--trust", str(tmp_path / "trust.json"), offline=True)
    assert done.returncode not in (0, 2)
    assert "Traceback" not in done.stderr


def test_an_officer_anchors_the_report_and_anyone_verifies_it_without_a_network(live: Consortium) -> None:
    report, sandbox = live.workspace.public / "consortium-report.json", ("--name", live.sandbox.name)
    kept = list(live.workspace.receipts.glob("anchor-*.json"))
    if not kept:  # a digest is anchored once
        done = _gchain("consortium", "anchor", "--member", live.environment.convenor.name, str(report), *sandbox)
        assert done.returncode == 0, done.stderr
    done = _gchain("report", "verify", *sandbox, offline=True)
    assert done.returncode == 0, done.stderr
    assert "the merge of 4 signed member reports" in done.stdout
    assert "(compliance/anchor by " in done.stdout
    other = _gchain("report", "verify", "--anchor", str(_receipt(live)), *sandbox, offline=True)
    assert (other.returncode, "not of an anchor" in other.stderr) == (8, True), other.stderr


def test_status_shows_data_that_moves(live: Consortium) -> None:
    def asked() -> dict[str, Any]:
        done = _gchain("status", "--name", live.sandbox.name, "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    first = asked()
    assert [node["member"] for node in first["nodes"]] == live.names
    assert {node["phase"] for node in first["nodes"]} == {"live"}
    assert sum(node["power"] for node in first["nodes"]) > 0
    assert first["verdict"]["ok"] is True
    live.wait_for_blocks("treasury", 1)
    later = {node["member"]: node["height"] for node in asked()["nodes"]}
    assert all(later[node["member"]] > node["height"] for node in first["nodes"])


def test_status_pages_answer_on_loopback_without_a_certificate_and_take_no_transaction(live: Consortium) -> None:
    for name, node in live.nodes.items():
        page = httpx.get(node.status_url, trust_env=False, follow_redirects=True, timeout=30)
        assert page.status_code == 200
        assert f"<strong>{name}</strong>" in page.text
        sent = httpx.post(f"{node.status_url}/v1/tx", content=b"x", trust_env=False, timeout=30)
        assert sent.status_code in (403, 404, 405)


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("Chromium is missing: apt-get install chromium")
    return found


def _shown(chromium: str, url: str, profile: Path) -> str:
    """The page's document as the browser has it once it is loaded; an event stream would never end by itself."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    flags += ["--timeout=10000", f"--user-data-dir={profile}", "--dump-dom", url]
    done = subprocess.run([chromium, *flags], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-1000:]
    return done.stdout


@pytest.mark.browser
def test_the_report_page_opens_in_a_browser_with_the_verdict_first(
    live: Consortium, chromium: str, tmp_path: Path
) -> None:
    page = _shown(chromium, (live.workspace.public / "consortium-report.html").as_uri(), tmp_path)
    report = json.loads((live.workspace.public / "consortium-report.json").read_text())
    assert report["table_digest"] in page
    for member in live.names:
        assert member in page
    assert page.lower().index("ready to go live") < page.index("RES-")


@pytest.mark.browser
def test_the_status_page_opens_in_a_browser_with_the_ledgers_own_height(
    live: Consortium, chromium: str, tmp_path: Path
) -> None:
    before = live.height("registry")
    page = _shown(chromium, live.nodes["registry"].status_url, tmp_path)
    assert "live" in page
    for member in live.names:
        assert member in page
    heights = [height for height in range(before, live.height("registry") + 1) if f"{height:,}" in page]
    assert heights
