"""Anchored reports: only bytes that an officer anchored are kept and shown, exactly as they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from gchain_node.anchored import AnchoredReports
from gchain_node.client import Client
from gchain_node.errors import NotFoundOnLedger, RequestRefused, StateError


def finding(rule: str, outcome: str, member: str = "dev", message: str = "the bucket is abroad") -> dict[str, str]:
    shown = {"rule": rule, "outcome": outcome, "member": member, "message": message}
    return shown | {"stage": "live", "resource": f"arn:bucket/{rule}", "evidence": "sha256:00"}


REPORT: dict[str, Any] = {
    "version": 1,
    "consortium": "development",
    "generated_at": "2026-11-26T16:50:37+00:00",
    "verdict": {"ok": False, "reasons": [{"message": "RES-001 fails for dev"}], "warnings": []},
    "members": [
        {"member": "dev", "generated_at": "x", "signed_by": ["dev/officer"], "outcomes": {"fail": 1, "pass": 2}}
    ],
    "findings": [finding("RES-001", "fail"), finding("HRD-011", "waived", "other", "<script>alert(1)</script>")],
    "waivers": [],
    "rules": {"catalogue_size": 103, "digest": "sha256:11", "enforced": ["RES-001"], "not_enforced": []},
    "zone_digest": "sha256:22",
}
RAW = json.dumps(REPORT).encode()
DIGEST = hashlib.sha256(RAW).hexdigest()


def url(served: Any) -> str:
    return str(served.api.base_url)


def anchor(served: Any, raw: bytes = RAW, verdict: str = "fail", kind: str = "consortium-report") -> None:
    args = {"kind": kind, "digest": hashlib.sha256(raw).digest(), "verdict": verdict}
    with Client(url(served)) as client:
        key = served.member.keys["officer"]
        client.transact("compliance", "anchor", args, key=key, signer=served.member.officer).raise_for_code()


def test_a_report_is_shown_once_it_is_anchored_and_handed_in(served: Any) -> None:
    anchor(served)
    assert "does not have the report" in served.status.get(f"/reports/{DIGEST}").text
    assert served.status.get(f"/v1/reports/{DIGEST}").status_code == 404
    with Client(url(served)) as client:
        client.hand_in_report(RAW)
        client.hand_in_report(RAW)
    assert served.status.get(f"/v1/reports/{DIGEST}").content == RAW
    page = served.status.get(f"/reports/{DIGEST}")
    assert page.status_code == 200
    assert "Not ready to go live" in page.text
    assert "RES-001 fails for dev" in page.text
    assert "<script>alert" not in page.text
    assert served.status.get("/v1/reports").json()["reports"][0]["kept"] is True


def test_findings_are_filtered(served: Any) -> None:
    anchor(served)
    with Client(url(served)) as client:
        client.hand_in_report(RAW)
    page = served.status.get(f"/reports/{DIGEST}", params={"outcome": "fail"}).text
    assert "1 of 2 findings" in page
    assert "arn:bucket/HRD-011" not in page
    assert "No finding passes" in served.status.get(f"/reports/{DIGEST}", params={"rule": "'><b>"}).text


def test_what_is_not_anchored_is_neither_kept_nor_shown(served: Any) -> None:
    with Client(url(served)) as client, pytest.raises(NotFoundOnLedger, match="anchored"):
        client.hand_in_report(RAW)
    assert served.status.get(f"/reports/{DIGEST}").status_code == 404
    assert served.view.reports.get(DIGEST) is None


def test_other_bytes_than_the_anchored_ones_are_refused(served: Any) -> None:
    anchor(served)
    answer = served.api.put(f"/v1/reports/{DIGEST}", content=RAW + b" ")
    assert answer.status_code == 422
    assert served.view.reports.get(DIGEST) is None


def test_a_report_that_was_altered_on_the_disk_is_not_there(served: Any, tmp_path: Path) -> None:
    anchor(served)
    with Client(url(served)) as client:
        client.hand_in_report(RAW)
    (tmp_path / "reports" / DIGEST).write_bytes(RAW.replace(b"false", b"true "))
    assert served.status.get(f"/v1/reports/{DIGEST}").status_code == 404
    assert "does not have the report" in served.status.get(f"/reports/{DIGEST}").text


@pytest.mark.parametrize("name", ["..%2Fgenesis.json", "../genesis.json", DIGEST.upper(), DIGEST[:63], "%2e%2e"])
def test_a_name_that_is_no_digest_leads_nowhere(served: Any, name: str) -> None:
    anchor(served)
    with Client(url(served)) as client:
        client.hand_in_report(RAW)
    for path in (f"/reports/{name}", f"/v1/reports/{name}"):
        assert served.status.get(path).status_code in (404, 405)


def test_a_report_of_another_kind_is_given_as_it_is(served: Any) -> None:
    raw = b'{"anything": ["at all"]}'
    anchor(served, raw, "pass", "attestation")
    with Client(url(served)) as client:
        client.hand_in_report(raw)
    page = served.status.get(f"/reports/{hashlib.sha256(raw).hexdigest()}").text
    assert "no consortium report" in page


def test_the_plain_listener_takes_no_report(served: Any) -> None:
    anchor(served)
    assert served.status.put(f"/v1/reports/{DIGEST}", content=RAW).status_code == 405


def test_a_report_longer_than_a_body_may_be_is_refused(served: Any) -> None:
    raw = b" " * 600_001
    anchor(served, raw)
    with Client(url(served)) as client, pytest.raises(RequestRefused):
        client.hand_in_report(raw)


def test_the_policy_page_says_what_opened_the_ledger_and_how_members_stand(served: Any) -> None:
    anchor(served)
    page = served.status.get("/policy")
    assert page.status_code == 200
    assert "no host has recorded a check" in page.text
    assert DIGEST[:16] in page.text
    assert "not here" in page.text
    assert "dev (officer)" in page.text


def test_only_what_the_ledger_still_names_stays(tmp_path: Path) -> None:
    reports = AnchoredReports(tmp_path / "reports")
    first, second = reports.put(b"1", []), hashlib.sha256(b"2").hexdigest()
    assert reports.put(b"2", [first]) == second
    assert reports.get(first) == b"1"
    reports.put(b"3", [second])
    assert reports.get(first) is None
    assert reports.get(second) == b"2"
    with pytest.raises(StateError, match="keeps no reports"):
        AnchoredReports(None).put(b"1", [])
