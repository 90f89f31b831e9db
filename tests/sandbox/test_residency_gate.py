"""Data that would leave the zone stops the update, the report and go-live; each of them alone would be enough."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gchain.errors import CloudError
from gchain.stacks import stack_file
from gchain.stacks.automation import StackRun
from gchain.stacks.site import site
from gchain.workspace import REPOSITORY
from gchain_node.codes import Code
from policies import signing
from policies.check import look
from policies.reports.cli import merge_reports, verify_report

from .consortium import Consortium

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

MEMBER = "customs"
ABROAD = "us-east-1"
RULE = "RES-010"
_PROGRAM = REPOSITORY / "tests" / "cases" / "programs" / "replicating_out_of_the_zone"


def _stack(forming: Consortium, *, judged: bool = True) -> StackRun:
    pack = forming.rollout.policy_pack if judged else None
    return StackRun(forming.environment, forming.workspace, MEMBER, policy_pack=pack)


@contextmanager
def _bucket_abroad(forming: Consortium) -> Iterator[str]:
    """A bucket of the member's own account in a region out of the zone, made behind the stack's back."""
    s3 = forming.cloud(MEMBER, "s3", ABROAD)
    name = f"gchain-{MEMBER}-abroad-{forming.member(MEMBER).account}"
    s3.create_bucket(Bucket=name)
    try:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        yield name
    finally:
        s3.delete_bucket(Bucket=name)


@pytest.fixture
def bucket_abroad(forming: Consortium) -> Iterator[str]:
    with _bucket_abroad(forming) as name:
        yield name


@contextmanager
def _leak(forming: Consortium, abroad: str) -> Iterator[str]:
    """The member's backups are copied abroad, with the member's own credentials; yields the leaking bucket."""
    s3, bucket = forming.cloud(MEMBER, "s3"), forming.outputs(MEMBER)["buckets"]["backup"]
    rule = {
        "ID": "everything",
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{abroad}"},
    }
    role = f"arn:aws:iam::{forming.member(MEMBER).account}:role/copier"
    s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration={"Role": role, "Rules": [rule]})
    try:
        yield bucket
    finally:
        s3.delete_bucket_replication(Bucket=bucket)


def _judge_anew(forming: Consortium) -> tuple[dict[str, Any], dict[str, Any]]:
    """The member's report, made with its own credentials and signed by its officer; and the merged one."""
    document = look(forming.environment, forming.workspace, MEMBER).report()
    signing.sign_report(forming.environment, forming.workspace, MEMBER, document)
    return document, merge_reports(forming.workspace)


def _outcomes(document: dict[str, Any]) -> dict[str, str]:
    return {row["stage"]: row["outcome"] for row in document["table"] if row["rule"] == RULE}


def _assert_go_live_is_refused(forming: Consortium, merged: dict[str, Any]) -> None:
    """Also with every officer's signature."""
    assert not merged["verdict"]["ok"]
    assert any(reason["rule"] == RULE and reason["member"] == MEMBER for reason in merged["verdict"]["reasons"])
    proposal = forming.proposal(forming.table())
    outcome = forming.go_live(proposal, forming.approvals(proposal.subject))
    assert (outcome.code, forming.phase()) == (Code.RULE_FAILED, "forming"), outcome.log
    assert outcome.log.startswith(merged["verdict"]["reasons"][0]["message"]), (
        "the ledger's own verdict is the report's"
    )


def _assert_ready(forming: Consortium) -> None:
    document, merged = _judge_anew(forming)
    assert _outcomes(document)["live"] in ("pass", "not-applicable")
    assert merged["verdict"]["ok"], merged["verdict"]["reasons"]


def test_a_copy_abroad_that_was_planted_behind_the_stacks_back_stops_go_live_until_it_is_gone(
    forming: Consortium,
) -> None:
    with _bucket_abroad(forming) as abroad, _leak(forming, abroad) as leaking:
        document, merged = _judge_anew(forming)
        assert _outcomes(document)["live"] == "fail"
        findings = document["stages"]["live"]["findings"]
        (found,) = [row for row in findings if row["rule"] == RULE and row["outcome"] == "fail"]
        assert ABROAD in found["message"]
        assert leaking in found["resource"]
        _assert_go_live_is_refused(forming, merged)
    _assert_ready(forming)


def test_a_consortium_report_that_was_edited_is_not_the_merge_of_the_signed_ones(forming: Consortium) -> None:
    verify_report(forming.workspace)
    path = forming.workspace.public / "consortium-report.json"
    kept = path.read_text()
    document = json.loads(kept)
    document["table"][0]["outcome"] = "waived"
    try:
        path.write_text(json.dumps(document))
        with pytest.raises(Exception, match="table differ"):
            verify_report(forming.workspace)
    finally:
        path.write_text(kept)


@pytest.fixture
def leaking_program(forming: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stack's program is one that copies abroad, with the stack's own settings file."""
    program = shutil.copytree(_PROGRAM, tmp_path / "infra")
    own = stack_file.path(site(forming.environment, forming.workspace, MEMBER))
    shutil.copyfile(own, program / own.name)
    with monkeypatch.context() as patched:
        patched.setattr(stack_file, "INFRA", program)
        yield
    _stack(forming).up()


def test_the_engine_refuses_a_program_with_a_leak_and_without_the_pack_go_live_does(
    forming: Consortium, bucket_abroad: str, leaking_program: None
) -> None:
    bucket = forming.outputs(MEMBER)["buckets"]["backup"]
    with pytest.raises(CloudError, match=RULE):
        _stack(forming).up()
    with pytest.raises(ClientError, match="ReplicationConfigurationNotFound"):
        forming.cloud(MEMBER, "s3").get_bucket_replication(Bucket=bucket)
    assert _stack(forming, judged=False).up().by_kind["create"] == 1
    assert forming.cloud(MEMBER, "s3").get_bucket_replication(Bucket=bucket)
    document, merged = _judge_anew(forming)
    assert {stage: _outcomes(document)[stage] for stage in ("state", "live")} == {"state": "fail", "live": "fail"}
    _assert_go_live_is_refused(forming, merged)


def test_without_the_leak_the_verdict_is_good_again_and_the_stack_is_as_it_was(forming: Consortium) -> None:
    """After the tests above: the real program took the leak away."""
    assert _stack(forming).up().none
    _assert_ready(forming)


def test_a_hand_run_preview_shows_what_gchain_shows(forming: Consortium) -> None:
    own = _stack(forming).preview()
    gchain = (
        f"{shlex.quote(sys.executable)} -m gchain.cli env use sandbox --member {MEMBER} --name {forming.sandbox.name}"
    )
    script = f'eval "$({gchain})" && cd infra && pulumi preview --json --non-interactive'
    done = subprocess.run(
        ["bash", "-euc", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/root")},
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    counted = {kind: count for kind, count in json.loads(done.stdout)["changeSummary"].items() if count}
    assert counted == {kind: count for kind, count in own.by_kind.items() if count}
    assert own.none
