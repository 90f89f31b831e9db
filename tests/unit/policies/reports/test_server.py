"""The officer's served pages: evidence whose digest is computed again, and a form whose file can be signed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gchain.workspace import Workspace
from policies import waivers
from policies.errors import WaiverError
from policies.reports import history

Report = dict[str, Any]
FORM = {
    "member": "health",
    "rule": "HRD-014",
    "resource": "function/f",
    "reason": "the function is retired next week",
    "control": "nobody can call it: its policy denies all",
    "days": "14",
}


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False, timeout=120) as made:
        yield made


def test_the_report_is_served_with_links_to_the_evidence(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "Not ready to go live" in answer.text
    assert 'href="/evidence/health/RES-010/state"' in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_evidence_is_what_the_officer_signed_and_its_digest_agrees(client: httpx.Client) -> None:
    page = client.get("/evidence/health/RES-010/state").text
    assert "the same" in page
    assert "health/officer" in page
    assert "us-east-1" in page


def test_evidence_that_was_exchanged_is_not_the_same(
    client: httpx.Client, workspace: Workspace, report: Report
) -> None:
    for row in report["table"]:
        if (row["member"], row["rule"], row["stage"]) == ("health", "RES-010", "state"):
            row["evidence"] = "sha256:" + "3" * 64
    (workspace.public / "consortium-report.json").write_text(json.dumps(report))
    assert "NOT the same" in client.get("/evidence/health/RES-010/state").text


def test_a_member_report_with_a_broken_signature_is_no_evidence(client: httpx.Client, workspace: Workspace) -> None:
    path = workspace.reports / "health.dsse.json"
    envelope = json.loads(path.read_text())
    envelope["signatures"][0]["sig"] = "AAAA" + envelope["signatures"][0]["sig"][4:]
    path.write_text(json.dumps(envelope))
    answer = client.get("/evidence/health/RES-010/state")
    assert answer.status_code == 404
    assert "no registered officer" in answer.text


def test_the_form_gives_a_file_that_can_be_signed(client: httpx.Client, tmp_path: Path) -> None:
    answer = client.post("/waiver", data=FORM)
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="waiver-health-HRD-014.json"'
    path = tmp_path / "waiver.json"
    path.write_bytes(answer.content)
    assert waivers.read_draft(path, "health")["resource"] == "function/f"
    with pytest.raises(WaiverError, match="it is health's, not customs's"):
        waivers.read_draft(path, "customs")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"resource": "function/*"}, "over-broad"),
        ({"resource": "stage"}, "over-broad"),
        ({"reason": "because"}, "says too little"),
        ({"control": ""}, "compensating_control is empty"),
        ({"rule": "RES-999"}, "no rule"),
        ({"member": "nobody"}, "no member"),
        ({"days": "0"}, "1 to 366"),
        ({"days": "1e9"}, "1 to 366"),
        ({"resource": "<script>x</script>"}, None),
    ],
)
def test_the_form_says_what_is_wrong_and_keeps_what_was_typed(
    client: httpx.Client, change: dict[str, str], said: str | None
) -> None:
    answer = client.post("/waiver", data=FORM | change)
    if said is None:  # odd, but one resource all the same
        assert answer.status_code == 200
        return
    assert answer.status_code == 422
    assert said in answer.text
    assert "the function is retired next week" in answer.text or "reason" in change


def test_a_form_that_is_too_large_is_refused(client: httpx.Client) -> None:
    assert client.post("/waiver", data=FORM | {"reason": "x" * 20_000}).status_code == 404


def test_an_earlier_report_is_compared_and_one_that_is_not_there_is_refused(
    client: httpx.Client, workspace: Workspace, report: Report
) -> None:
    assert "No earlier report" in client.get("/compare").text
    history.keep(workspace, report | {"table_digest": "sha256:" + "0" * 64})
    assert "0 new, 0 fixed, 2 unchanged" in client.get("/compare").text
    assert client.get("/compare", params={"old": "../../genesis"}).status_code == 404


def test_another_name_in_the_host_header_gets_nothing(client: httpx.Client) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


def test_without_a_report_the_page_says_what_to_do(client: httpx.Client, workspace: Workspace) -> None:
    (workspace.public / "consortium-report.json").unlink()
    answer = client.get("/")
    assert answer.status_code == 404
    assert "gchain report merge" in answer.text
