"""What is broken, of another ledger, or signed by nobody who counts: `gchain report` says so, and gives no verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gchain.workspace import Workspace
from gchain_node.development import DevelopmentMember
from gchain_node.dsse import sign_dsse
from policies.canonical import canonical_json
from policies.errors import PolicyError
from policies.reports import cli
from policies.reports.cli import app
from policies.reports.member import PAYLOAD_TYPE, sign
from tests.unit.policies.conftest import NOW

Document = dict[str, Any]
Change = Callable[[Document], object]


def run(*arguments: str) -> str:
    """The command's output; its error is the test's."""
    done = CliRunner().invoke(app, [*arguments, "-e", "us-gov"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def changed(path: Path, change: Change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_sound_files_verify(workspace: Workspace) -> None:
    assert "the merge of 4 signed member reports" in run("verify")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["verdict"].update(ok=True, reasons=[]), "verdict differ"),
        (lambda d: d["table"][0].update(outcome="pass", evidence="sha256:" + "0" * 64), "table differ"),
        (lambda d: d["findings"].clear(), "findings differ"),
        (lambda d: d.update(chain_id="another-ledger"), "chain_id differ"),
        (lambda d: d.pop("table"), "table"),
        (lambda d: d.clear(), "consortium-report.json"),
    ],
)
def test_a_changed_report_is_refused_by_what_differs(workspace: Workspace, change: Change, said: str) -> None:
    changed(workspace.public / "consortium-report.json", change)
    with pytest.raises(PolicyError, match=said):
        run("verify")


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e.update(payload="e30="),
        lambda e: e.update(payloadType="application/json"),
        lambda e: e["signatures"].clear(),
        lambda e: e["signatures"][0].update(sig="AAAA"),
        lambda e: e["signatures"][0].update(keyid="00" * 32),
        lambda e: e.pop("signatures"),
        lambda e: e.clear(),
    ],
)
@pytest.mark.parametrize("command", ["merge", "verify"])
def test_a_tampered_envelope_is_never_merged(workspace: Workspace, command: str, change: Change) -> None:
    changed(workspace.reports / "health.dsse.json", change)
    with pytest.raises(PolicyError, match="no registered officer's signature holds"):
        run(command)


@pytest.mark.parametrize("text", ["", "{", "[]", '"report"', "null"])
@pytest.mark.parametrize("command", ["merge", "verify"])
def test_an_envelope_that_is_none_is_named(workspace: Workspace, command: str, text: str) -> None:
    (workspace.reports / "health.dsse.json").write_text(text)
    with pytest.raises(PolicyError, match=r"health\.dsse\.json: not a signed envelope"):
        run(command)


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1}'])
@pytest.mark.parametrize("command", [("verify",), ("export", "-f", "sarif")])
def test_a_report_that_is_none_is_named(workspace: Workspace, command: tuple[str, ...], text: str) -> None:
    (workspace.public / "consortium-report.json").write_text(text)
    with pytest.raises(PolicyError, match=r"consortium-report\.json"):
        run(*command)


@pytest.mark.parametrize(
    ("key", "value"),
    [("chain_id", "another-ledger"), ("zone_digest", "sha256:" + "9" * 64), ("environment", "elsewhere")],
)
def test_a_report_of_another_consortium_is_refused_though_an_officer_signed_it(
    workspace: Workspace,
    make_report: Callable[..., Document],
    members: dict[str, DevelopmentMember],
    key: str,
    value: str,
) -> None:
    envelope = sign(make_report("health") | {key: value}, members["health"].keys["officer"])
    (workspace.reports / "health.dsse.json").write_text(json.dumps(envelope))
    with pytest.raises(PolicyError, match=f"the report of health is of another {key.replace('_', ' ')}"):
        run("merge")


def test_a_key_that_is_no_officers_signs_no_report(
    workspace: Workspace, make_report: Callable[..., Document], members: dict[str, DevelopmentMember]
) -> None:
    envelope = sign_dsse(PAYLOAD_TYPE, canonical_json(make_report("health")), members["health"].keys["member"])
    (workspace.reports / "health.dsse.json").write_text(json.dumps(envelope))
    with pytest.raises(PolicyError, match="no registered officer's signature holds"):
        run("merge")


@pytest.mark.parametrize("command", ["merge", "verify"])
def test_a_report_from_the_future_is_neither_merged_nor_verified(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(cli, "_now", lambda: NOW - timedelta(minutes=6))
    with pytest.raises(PolicyError, match=r"the report of customs is dated .*, after now"):
        run(command)


def test_a_clock_that_is_a_little_ahead_is_no_fault(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_now", lambda: NOW - timedelta(minutes=4))
    assert "the merge of 4 signed member reports" in run("verify")


def test_old_reports_are_verified_for_ever_and_make_no_new_consortium_report(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_now", lambda: NOW + timedelta(days=32))
    assert "the merge of 4 signed member reports" in run("verify")
    with pytest.raises(PolicyError, match=r"the report of customs is of .*, older than 31 days"):
        run("merge")


@pytest.mark.parametrize("time", ["", "yesterday", "2026-11-23T06:00:00", None, 1])
def test_a_report_that_does_not_say_when_it_was_made_is_refused(
    workspace: Workspace, make_report: Callable[..., Document], members: dict[str, DevelopmentMember], time: Any
) -> None:
    envelope = sign(make_report("health") | {"generated_at": time}, members["health"].keys["officer"])
    (workspace.reports / "health.dsse.json").write_text(json.dumps(envelope))
    with pytest.raises(PolicyError, match="the report of health does not say when it was made"):
        run("merge")


def test_a_report_under_another_members_name_is_refused(workspace: Workspace) -> None:
    (workspace.reports / "health.dsse.json").write_text((workspace.reports / "customs.dsse.json").read_text())
    with pytest.raises(PolicyError, match="not one that an officer of health signed"):
        run("merge")
