"""Zone change: another zone holds only after the same judgement as go-live, over a table of the new zone."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from gchain_node.codes import Code
from gchain_node.modules.judgement import subject_bytes, table_bytes

Ledger = Any  # of conftest.py, which pytest does not let tests import
NEW = "sha256:" + hashlib.sha256(b"wider zone").hexdigest()


def change(
    ledger: Ledger, rows: Any = None, *, by: tuple[str, ...] = (), kind: str = "zone-change", **extra: Any
) -> Any:
    table = table_bytes(ledger.rows() if rows is None else rows)
    fields = {"new_zone_digest": NEW} | extra
    subject = subject_bytes(ledger.read("consortium"), table, ledger.height + 50, kind=kind, **fields)
    args = {"table": table, "subject": subject, "approvals": ledger.approvals(subject, *by)}
    return ledger.call("treasury/officer", "governance/zone_change", args)


def test_every_members_officers_put_another_zone_in_force(live: Ledger) -> None:
    old = live.read("consortium")["zone_digest"]
    assert change(live).code == Code.OK
    assert live.read("consortium")["zone_digest"] == NEW
    changes = live.read("governance/zone-changes")["changes"]
    assert changes == [{"height": live.height, "from": old, "to": NEW}]
    assert live.read(f"governance/zone-changes/{live.height}-{NEW[7:23]}")["approvals"].keys() == live.members.keys()


def test_the_zone_in_force_cannot_be_changed_to_itself_or_twice_by_the_same_approvals(live: Ledger) -> None:
    same = live.read("consortium")["zone_digest"]
    assert change(live, new_zone_digest=same).code == Code.CONFLICT
    assert change(live).code == Code.OK
    assert change(live).code == Code.CONFLICT


def test_a_critical_failure_in_the_new_zone_keeps_the_old_one(live: Ledger) -> None:
    rows = live.rows()
    rows[0] |= {"outcome": "fail"}
    old = live.read("consortium")["zone_digest"]
    assert change(live, rows).code == Code.RULE_FAILED
    assert live.read("consortium")["zone_digest"] == old


def test_a_member_that_did_not_approve_keeps_the_old_zone(live: Ledger) -> None:
    assert change(live, by=("treasury", "justice", "interior")).code == Code.APPROVAL_MISSING


@pytest.mark.parametrize("new", ["", "sha256:00", NEW.upper()])
def test_a_zone_that_is_no_digest_is_refused(live: Ledger, new: str) -> None:
    assert change(live, new_zone_digest=new).code == Code.WRONG_SUBJECT


def test_approvals_of_go_live_do_not_change_the_zone(live: Ledger) -> None:
    assert change(live, kind="go-live").code == Code.WRONG_SUBJECT


def test_approvals_of_a_zone_change_do_not_open_the_ledger(ledger: Ledger) -> None:
    table = table_bytes(ledger.rows())
    words = {"kind": "zone-change", "new_zone_digest": NEW}
    subject = subject_bytes(ledger.read("consortium"), table, ledger.height + 50, **words)
    args = {"table": table, "subject": subject, "approvals": ledger.approvals(subject)}
    assert ledger.call("treasury/officer", "governance/go_live", args).code == Code.WRONG_SUBJECT
