"""Continuous evidence on the ledger: records that expire, anchors of reports, and what bad evidence allows."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from gchain_node.codes import Code
from gchain_node.dsse import sign_dsse
from gchain_node.modules.compliance import WAIVER_TYPE, standing

Ledger = Any  # of conftest.py, which pytest does not let tests import
DIGEST = hashlib.sha256(b"rows").digest()


def record(ledger: Ledger, member: str = "finance", **changes: Any) -> Any:
    args = {"host": "validator-1", "verdict": "pass", "evidence": DIGEST, "failing": [], "blocks": 3} | changes
    return ledger.call(member, "compliance/record", args)


def test_a_record_holds_until_its_height_and_is_stale_after_it(ledger: Ledger) -> None:
    assert record(ledger).code == Code.OK
    entry = ledger.read("compliance/members/finance")
    last = entry["hosts"]["validator-1"]["expires_height"]
    assert last == ledger.height + 3
    assert standing(entry, last) == ("pass", "1 of 1 hosts pass")
    assert standing(entry, last + 1)[0] == "stale"


def test_a_member_that_never_recorded_anything_is_unreported_not_passing(ledger: Ledger) -> None:
    assert standing(ledger.read("compliance/members/justice"), ledger.height)[0] == "unreported"


def test_the_worst_host_speaks_for_the_member(ledger: Ledger) -> None:
    record(ledger, host="validator-1", blocks=1_000)
    record(ledger, host="observer-1", verdict="indeterminate", blocks=1_000)
    assert standing(ledger.read("compliance/members/finance"), ledger.height)[0] == "indeterminate"
    record(ledger, host="observer-1", verdict="fail", failing=["HRD-001", "RES-107"], blocks=1_000)
    verdict, why = standing(ledger.read("compliance/members/finance"), ledger.height)
    assert (verdict, "HRD-001, RES-107" in why) == ("fail", True)


def test_a_failure_does_not_heal_by_growing_old(ledger: Ledger) -> None:
    record(ledger, verdict="fail", failing=["HRD-001"])
    assert standing(ledger.read("compliance/members/finance"), ledger.height + 10_000)[0] == "fail"


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "fine"},
        {"verdict": "fail"},
        {"failing": ["HRD-001"]},
        {"verdict": "fail", "failing": ["RES-002", "HRD-001"]},
        {"verdict": "fail", "failing": ["anything at all"]},
        {"evidence": b"short"},
        {"blocks": 0},
        {"blocks": 200_001},
        {"host": "Validator One"},
        {"extra": 1},
    ],
)
def test_a_malformed_record_writes_nothing(ledger: Ledger, changes: dict[str, Any]) -> None:
    assert record(ledger, **changes).code == Code.BAD_ARGUMENTS
    assert ledger.read("compliance/members/finance") is None


def test_an_officer_takes_a_retired_host_off_the_record_and_the_members_key_may_not(ledger: Ledger) -> None:
    record(ledger)
    assert ledger.call("finance", "compliance/forget", {"host": "validator-1"}).code == Code.NOT_AUTHORISED
    assert ledger.call("finance/officer", "compliance/forget", {"host": "validator-1"}).code == Code.OK
    assert ledger.call("finance/officer", "compliance/forget", {"host": "validator-1"}).code == Code.NOT_FOUND


def test_an_officer_anchors_a_report_once(ledger: Ledger) -> None:
    args = {"kind": "consortium-report", "digest": DIGEST, "verdict": "pass"}
    assert ledger.call("finance", "compliance/anchor", args).code == Code.NOT_AUTHORISED
    assert ledger.call("finance/officer", "compliance/anchor", args).code == Code.OK
    assert ledger.call("justice/officer", "compliance/anchor", args).code == Code.ALREADY_EXISTS
    assert ledger.read(f"compliance/anchors/{DIGEST.hex()}")["officer"] == "officer"
    assert ledger.read("compliance/anchors") == {"latest": [DIGEST.hex()], "count": 1}


def suspend(ledger: Ledger, name: str, by: str = "treasury") -> Any:
    args = {"id": name, "kind": "member.suspend-noncompliant", "args": {"member": "finance"}}
    return ledger.call(f"{by}/officer", "governance/propose", args)


def test_fewer_members_may_suspend_one_whose_evidence_is_bad(constitutional: Ledger) -> None:
    record(constitutional, verdict="fail", failing=["HRD-001"])
    assert suspend(constitutional, "out").code == Code.OK
    assert constitutional.call("justice/officer", "governance/vote", {"proposal": "out", "ballot": "yes"}).code == 0
    assert constitutional.read("members/finance")["status"] == "active"  # two of four are no majority
    done = constitutional.call("interior/officer", "governance/vote", {"proposal": "out", "ballot": "yes"})
    assert done.code == Code.OK
    assert constitutional.read("members/finance")["status"] == "suspended"


def test_good_evidence_is_no_ground_to_suspend_the_short_way(constitutional: Ledger) -> None:
    record(constitutional, blocks=1_000)
    suspend(constitutional, "out")
    constitutional.call("justice/officer", "governance/vote", {"proposal": "out", "ballot": "yes"})
    done = constitutional.call("interior/officer", "governance/vote", {"proposal": "out", "ballot": "yes"})
    assert done.code == Code.REFUSED_BY_RULES
    assert "is pass" in done.log
    assert constitutional.read("members/finance")["status"] == "active"


def test_without_a_threshold_in_genesis_there_is_no_short_way(ledger: Ledger) -> None:
    for number, member in enumerate(("treasury", "justice", "interior")):
        if number == 0:
            suspend(ledger, "out", member)
            continue
        done = ledger.call(f"{member}/officer", "governance/vote", {"proposal": "out", "ballot": "yes"})
    assert done.code == Code.REFUSED_BY_RULES
    assert ledger.read("members/finance")["status"] == "active"


def waiver(ledger: Ledger, member: str = "finance", *signers: str, kind: str = WAIVER_TYPE) -> bytes:
    payload = json.dumps({"member": member, "rule": "HRD-011"}).encode()
    keys = [ledger.members[name].keys["officer"] for name in signers or (member,)]
    return json.dumps(sign_dsse(kind, payload, *keys)).encode()


def waive(ledger: Ledger, envelope: bytes, by: str = "finance/officer") -> Any:
    return ledger.call(by, "compliance/waive", {"envelope": envelope})


def test_a_signed_waiver_stands_on_the_ledger_until_it_is_withdrawn(ledger: Ledger) -> None:
    envelope = waiver(ledger)
    assert waive(ledger, envelope).code == Code.OK
    assert waive(ledger, envelope).code == Code.ALREADY_EXISTS
    digest = hashlib.sha256(envelope)
    assert ledger.read("compliance/waivers/finance")["waivers"][digest.hexdigest()]["envelope"] == envelope
    gone = {"waiver": digest.digest()}
    assert ledger.call("finance/officer", "compliance/withdraw_waiver", gone).code == Code.OK
    assert ledger.read("compliance/waivers/finance") == {"waivers": {}}
    assert ledger.call("finance/officer", "compliance/withdraw_waiver", gone).code == Code.NOT_FOUND


def test_a_waiver_that_its_own_members_officer_did_not_sign_is_refused(ledger: Ledger) -> None:
    assert waive(ledger, waiver(ledger, "finance", "justice")).code == Code.NOT_AUTHORISED
    assert waive(ledger, waiver(ledger, "justice")).code == Code.NOT_AUTHORISED
    assert waive(ledger, waiver(ledger), by="finance").code == Code.NOT_AUTHORISED
    assert waive(ledger, waiver(ledger, "finance", "finance", "justice")).code == Code.OK


@pytest.mark.parametrize("envelope", [b"", b"{}", b"[" * 5_000, b"null", b'{"payload": 1}', b"\xff"])
def test_what_is_no_signed_waiver_is_refused(ledger: Ledger, envelope: bytes) -> None:
    assert waive(ledger, envelope).code == Code.BAD_ARGUMENTS


def test_another_kind_of_signed_document_or_a_changed_one_is_no_waiver(ledger: Ledger) -> None:
    assert waive(ledger, waiver(ledger, kind="application/vnd.gchain.member-report+json")).code == Code.BAD_ARGUMENTS
    document = json.loads(waiver(ledger))
    document["payload"] = "eyJtZW1iZXIiOiJmaW5hbmNlIn0="
    assert waive(ledger, json.dumps(document).encode()).code == Code.BAD_ARGUMENTS
    assert waive(ledger, b" " * 20_000).code == Code.TOO_LARGE
