"""Forged go-lives: whatever is wrong with table, subject or approvals, the ledger stays closed and says why."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec

from gchain_node.codes import Code
from gchain_node.keys.file_key import FileKey
from gchain_node.tx import sign_sign1

Ledger = Any  # of conftest.py, which pytest does not let tests import


def attempt(ledger: Ledger, args: dict[str, Any]) -> tuple[Code, str]:
    result = ledger.call("treasury/officer", "governance/go_live", args)
    opened = ledger.read("consortium")["phase"] == "live"
    assert opened == (result.code == Code.OK)
    return Code(result.code), result.log


def with_row(rows: list[dict[str, Any]], index: int, **changes: Any) -> list[dict[str, Any]]:
    return [row | changes if number == index else row for number, row in enumerate(rows)]


def find(rows: list[dict[str, Any]], rule: str) -> int:
    return next(number for number, row in enumerate(rows) if row["rule"] == rule)


def test_a_table_in_which_everything_passes_opens_the_ledger_once(ledger: Ledger) -> None:
    assert attempt(ledger, ledger.go_live_args())[0] is Code.OK
    code = ledger.call("treasury/officer", "governance/go_live", ledger.go_live_args()).code
    assert code == Code.ALREADY_LIVE
    assert ledger.read("governance/go-live")["approvals"] == {name: ["officer"] for name in ledger.members}


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ("fail", Code.RULE_FAILED),
        ("error", Code.RULE_ERROR),
        ("indeterminate", Code.RULE_INDETERMINATE),
        ("waived", Code.OK),
        ("not-applicable", Code.OK),
        ("great", Code.BAD_TABLE),
    ],
)
def test_one_outcome_of_a_critical_rule_decides(ledger: Ledger, outcome: str, code: Code) -> None:
    rows = ledger.rows()
    found, log = attempt(ledger, ledger.go_live_args(with_row(rows, find(rows, "RES-001"), outcome=outcome)))
    assert found is code
    if code is Code.RULE_FAILED:
        assert log == "critical rule RES-001 failed for finance at stage live"


def test_a_rule_that_is_not_critical_does_not_block(ledger: Ledger) -> None:
    rows = ledger.rows()
    assert attempt(ledger, ledger.go_live_args(with_row(rows, find(rows, "RES-009"), outcome="fail")))[0] is Code.OK


@pytest.mark.parametrize(
    "without",
    [
        {"rule": "RES-001"},
        {"member": "justice"},
        {"stage": "attest"},
        {"member": "finance", "rule": "LED-001", "stage": "node"},
    ],
)
def test_a_missing_rule_stage_or_member_blocks(ledger: Ledger, without: dict[str, str]) -> None:
    rows = [row for row in ledger.rows() if any(row[key] != value for key, value in without.items())]
    assert attempt(ledger, ledger.go_live_args(rows))[0] is Code.RULE_MISSING


def test_an_empty_table_blocks(ledger: Ledger) -> None:
    assert attempt(ledger, ledger.go_live_args([]))[0] is Code.RULE_MISSING


@pytest.mark.parametrize(
    "change",
    [
        {"member": "elsewhere"},
        {"rule": "RES-099"},
        {"stage": "plan"},
        {"evidence": ""},
        {"evidence": "sha256:00"},
        {"outcome": None},
        {"extra": "x"},
    ],
)
def test_a_row_that_does_not_belong_makes_the_table_bad(ledger: Ledger, change: dict[str, Any]) -> None:
    assert attempt(ledger, ledger.go_live_args(with_row(ledger.rows(), 0, **change)))[0] is Code.BAD_TABLE


def test_a_duplicate_row_makes_the_table_bad_even_if_the_second_passes(ledger: Ledger) -> None:
    rows = ledger.rows()
    failing = rows[0] | {"outcome": "fail"}
    code, log = attempt(ledger, ledger.go_live_args([failing, *rows]))
    assert code is Code.BAD_TABLE
    assert "occurs twice" in log


def raw_args(ledger: Ledger, table: bytes) -> dict[str, Any]:
    from gchain_node.modules.judgement import subject_bytes

    subject = subject_bytes(ledger.read("consortium"), table, ledger.height + 50)
    return {"table": table, "subject": subject, "approvals": ledger.approvals(subject)}


def test_a_table_out_of_order_or_not_canonical_is_bad(ledger: Ledger) -> None:
    rows = ledger.rows()
    assert attempt(ledger, raw_args(ledger, rfc8785.dumps(rows[::-1])))[0] is Code.BAD_TABLE
    assert attempt(ledger, raw_args(ledger, json.dumps(rows).encode()))[0] is Code.BAD_TABLE
    assert attempt(ledger, raw_args(ledger, b"["))[0] is Code.BAD_TABLE
    assert attempt(ledger, raw_args(ledger, b"[" * 100_000))[0] is Code.BAD_TABLE
    assert attempt(ledger, raw_args(ledger, b"{}"))[0] is Code.BAD_TABLE


OTHER = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"chain_id": "gchain-other"}, Code.WRONG_SUBJECT),
        ({"membership_digest": OTHER}, Code.WRONG_MEMBERSHIP_DIGEST),
        ({"rules_digest": OTHER}, Code.WRONG_RULES_DIGEST),
        ({"zone_digest": OTHER}, Code.WRONG_ZONE_DIGEST),
        ({"expires_height": 0}, Code.APPROVAL_EXPIRED),
    ],
)
def test_a_subject_of_something_else_is_refused(ledger: Ledger, change: dict[str, Any], code: Code) -> None:
    assert attempt(ledger, ledger.go_live_args(**change))[0] is code


def test_approvals_of_another_table_are_refused(ledger: Ledger) -> None:
    rows = ledger.rows()
    failing = ledger.go_live_args(with_row(rows, 0, outcome="fail"))
    passing = ledger.go_live_args()
    code, _ = attempt(ledger, {"table": passing["table"], **{k: failing[k] for k in ("subject", "approvals")}})
    assert code is Code.WRONG_TABLE_DIGEST
    code, log = attempt(ledger, passing | {"approvals": failing["approvals"]})
    assert code is Code.BAD_APPROVAL
    assert "approves another subject" in log


def test_a_subject_that_is_no_subject_is_refused(ledger: Ledger) -> None:
    args = ledger.go_live_args()
    document = json.loads(args["subject"])
    for subject in (b"", b"{}", b"null", json.dumps(document).encode(), rfc8785.dumps(document | {"kind": "other"})):
        assert attempt(ledger, args | {"subject": subject})[0] is Code.WRONG_SUBJECT


def test_every_active_member_must_approve(ledger: Ledger) -> None:
    args = ledger.go_live_args()
    three = args | {"approvals": ledger.approvals(args["subject"], "finance", "interior", "justice")}
    code, log = attempt(ledger, three)
    assert code is Code.APPROVAL_MISSING
    assert "missing: treasury" in log


def test_an_approval_that_is_foreign_forged_or_doubled_is_refused(ledger: Ledger) -> None:
    args = ledger.go_live_args()
    subject, good = args["subject"], args["approvals"]
    stranger = sign_sign1(subject, FileKey(ec.generate_private_key(ec.SECP256R1())))
    by_member_key = sign_sign1(subject, ledger.members["treasury"].keys["member"])
    forged = good[3][:-1] + bytes([good[3][-1] ^ 1])
    for bad in (stranger, by_member_key, forged, b"", b"\xd2\x80", good[0]):
        code, log = attempt(ledger, args | {"approvals": [*good[:3], bad]})
        assert code is Code.BAD_APPROVAL
        assert log.startswith("approval 4: ")
    assert attempt(ledger, args | {"approvals": [*good[:3], 7]})[0] is Code.BAD_APPROVAL


def test_a_suspended_member_is_no_longer_needed_and_its_approval_no_longer_counts(ledger: Ledger) -> None:
    before = ledger.go_live_args()
    suspend = {"id": "out", "kind": "member.suspend", "args": {"member": "interior"}}
    ledger.call("treasury/officer", "governance/propose", suspend)
    for name in ("justice", "finance"):
        ledger.call(f"{name}/officer", "governance/vote", {"proposal": "out", "ballot": "yes"})
    assert attempt(ledger, before)[0] is Code.WRONG_MEMBERSHIP_DIGEST
    assert attempt(ledger, ledger.go_live_args())[0] is Code.BAD_APPROVAL
    args = ledger.go_live_args()
    args["approvals"] = ledger.approvals(args["subject"], "finance", "justice", "treasury")
    assert attempt(ledger, args)[0] is Code.OK
