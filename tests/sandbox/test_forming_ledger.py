"""A ledger that is forming does no business, and no client can talk it into opening."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gchain_node.client import Outcome
from gchain_node.codes import Code
from gchain_node.keys.file_key import FileKey
from gchain_node.modules.records import commitment
from gchain_node.officer import approve
from policies.ruleset import enforced

from .consortium import Consortium

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

Row = dict[str, Any]


def _refused(forming: Consortium, outcome: Outcome, code: Code) -> None:
    """The refusal has its own code, and the ledger is as it was."""
    assert outcome.code == code, outcome.log
    assert forming.query("treasury", "consortium")["phase"] == "forming"
    assert forming.query("treasury", "governance/go-live") is None


def _critical(rows: list[Row]) -> Row:
    """One row of a critical rule that passes."""
    critical = {rule["id"] for rule in enforced()["enforced"] if rule["severity"] == "critical"}
    return next(row for row in rows if row["rule"] in critical and row["outcome"] == "pass")


def _changed(rows: list[Row], one: Row, outcome: str) -> list[Row]:
    return [{**row, "outcome": outcome} if row == one else row for row in rows]


def test_business_is_refused_with_a_code_that_says_the_consortium_is_forming(forming: Consortium) -> None:
    args = {"id": "too-early", "commitment": commitment(bytes(32), b"too early")}
    outcome = forming.transact("health", "records", "commit", args)
    assert outcome.code == Code.FORMING
    assert "forming" in outcome.log
    assert forming.query("health", "records/too-early") is None


def test_the_real_table_passes_the_verdict_and_only_signatures_are_missing(forming: Consortium) -> None:
    proposal = forming.proposal(forming.table())
    _refused(forming, forming.go_live(proposal, []), Code.APPROVAL_MISSING)


def test_one_officer_less_than_all_members_is_not_enough(forming: Consortium) -> None:
    proposal = forming.proposal(forming.table())
    outcome = forming.go_live(proposal, forming.approvals(proposal.subject, forming.names[:-1]))
    _refused(forming, outcome, Code.APPROVAL_MISSING)
    assert forming.names[-1] in outcome.log


def test_a_failing_row_turned_to_pass_is_not_the_table_that_officers_approved(forming: Consortium) -> None:
    honest = _changed(forming.table(), _critical(forming.table()), "fail")
    signed = forming.proposal(honest)
    approvals = forming.approvals(signed.subject)
    forged = forming.proposal(forming.table())
    forging = type(signed)(forged.table, signed.subject)
    _refused(forming, forming.go_live(forging, approvals), Code.WRONG_TABLE_DIGEST)
    _refused(forming, forming.go_live(forged, approvals), Code.BAD_APPROVAL)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ("fail", Code.RULE_FAILED),
        ("error", Code.RULE_ERROR),
        ("indeterminate", Code.RULE_INDETERMINATE),
        ("splendid", Code.BAD_TABLE),
    ],
)
def test_a_critical_rule_that_does_not_pass_stops_go_live_with_every_officers_approval(
    forming: Consortium, outcome: str, code: Code
) -> None:
    rows = forming.table()
    proposal = forming.proposal(_changed(rows, _critical(rows), outcome))
    _refused(forming, forming.go_live(proposal, forming.approvals(proposal.subject)), code)


@pytest.mark.parametrize("missing", ["stage", "rule", "member"])
def test_what_the_table_leaves_out_counts_against_it(forming: Consortium, missing: str) -> None:
    rows = forming.table()
    one = _critical(rows)
    fields = {"stage": ("member", "rule", "stage"), "rule": ("rule",), "member": ("member",)}[missing]
    kept = [row for row in rows if any(row[name] != one[name] for name in fields)]
    assert len(kept) < len(rows)
    proposal = forming.proposal(kept)
    outcome = forming.go_live(proposal, forming.approvals(proposal.subject))
    _refused(forming, outcome, Code.RULE_MISSING)
    assert one["member"] in outcome.log


def test_a_pass_without_evidence_is_no_row(forming: Consortium) -> None:
    rows = forming.table()
    one = _critical(rows)
    proposal = forming.proposal([{**row, "evidence": ""} if row == one else row for row in rows])
    _refused(forming, forming.go_live(proposal, forming.approvals(proposal.subject)), Code.BAD_TABLE)


def test_a_key_that_is_no_members_officer_approves_nothing(forming: Consortium) -> None:
    proposal = forming.proposal(forming.table())
    approvals = forming.approvals(proposal.subject, forming.names[:-1])
    approvals.append(approve(proposal.subject, FileKey(ec.generate_private_key(ec.SECP256R1()))))
    _refused(forming, forming.go_live(proposal, approvals), Code.BAD_APPROVAL)


def test_approvals_end_with_the_height_that_they_name(forming: Consortium) -> None:
    proposal = forming.proposal(forming.table(), expires_height=1)
    _refused(forming, forming.go_live(proposal, forming.approvals(proposal.subject)), Code.APPROVAL_EXPIRED)


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("membership_digest", Code.WRONG_MEMBERSHIP_DIGEST),
        ("rules_digest", Code.WRONG_RULES_DIGEST),
        ("zone_digest", Code.WRONG_ZONE_DIGEST),
        ("chain_id", Code.WRONG_SUBJECT),
    ],
)
def test_approvals_of_another_membership_rule_set_zone_or_ledger_are_refused(
    forming: Consortium, field: str, code: Code
) -> None:
    proposal = forming.proposal(forming.table(), **{field: "sha256:" + "0" * 64})
    _refused(forming, forming.go_live(proposal, forming.approvals(proposal.subject)), code)
