"""A consortium report with one of everything: a failure, something unknown, a waived failure."""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from gchain.workspace import Workspace, workspace_of
from gchain_node.development import DevelopmentMember
from policies import waivers
from policies.officers import Officers
from policies.outcomes import Finding, Outcome, Stage
from policies.reports import cli
from policies.reports.formats import plain
from policies.reports.member import sign
from policies.reports.merge import merge
from policies.reports.server import application
from tests.unit.policies.conftest import NAMES, NOW

Envelopes = dict[str, dict[str, Any]]
_SEEN = "sha256:" + "2" * 64


@pytest.fixture(scope="session")
def _mixed(
    make_report: Callable[..., dict[str, Any]], members: dict[str, DevelopmentMember], leak: Finding, officers: Officers
) -> Envelopes:
    """Signed member reports: health leaks, customs has a waived failure, treasury does not know."""
    failing = Finding("HRD-011", "user/platform", Stage.LIVE, Outcome.FAIL, "an access key exists", _SEEN)
    unknown = Finding("HRD-014", "function/f", Stage.LIVE, Outcome.INDETERMINATE, "not listed", _SEEN)
    words = {"reason": "no identity centre in this place", "compensating_control": "the key is rotated daily"}
    draft = waivers.draft("customs", "HRD-011", "user/platform", **words, days=30, now=NOW)
    envelope = waivers.sign(draft, members["customs"].keys["officer"])
    waiver = waivers.verify(envelope, officers, member="customs", now=NOW + timedelta(seconds=1))
    reports = {
        "customs": make_report("customs", failing, waivers=[waiver]),
        "health": make_report("health", leak),
        "registry": make_report("registry"),
        "treasury": make_report("treasury", unknown),
    }
    return {name: sign(reports[name], members[name].keys["officer"]) for name in NAMES}


@pytest.fixture(scope="session")
def _report(_mixed: Envelopes, agreed: dict[str, Any]) -> dict[str, Any]:
    return merge(_mixed, agreed)


@pytest.fixture
def mixed(_mixed: Envelopes) -> Envelopes:
    """A copy of its own for a test that changes it."""
    return copy.deepcopy(_mixed)


@pytest.fixture
def report(_report: dict[str, Any]) -> dict[str, Any]:
    """What the reports of `mixed` merge into, a copy of its own."""
    return copy.deepcopy(_report)


@pytest.fixture
def workspace(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mixed: Envelopes,
    report: dict[str, Any],
    agreed: dict[str, Any],
) -> Workspace:
    """Public files with this report, and the signed reports that it was merged from."""
    monkeypatch.setenv("GCHAIN_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(cli, "_now", lambda: NOW + timedelta(hours=1))
    made = workspace_of("us-gov")
    made.reports.mkdir(parents=True)
    made.genesis.write_text(json.dumps(agreed))
    for name, envelope in mixed.items():
        (made.reports / f"{name}.dsse.json").write_text(json.dumps(envelope))
    (made.public / "consortium-report.json").write_text(plain(report))
    return made


@pytest.fixture
def address(workspace: Workspace) -> Iterator[str]:
    """The officer's pages over this workspace."""
    server = uvicorn.Server(uvicorn.Config(application(workspace), host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 120
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start in 120 s"
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(120)
