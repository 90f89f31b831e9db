"""A report's anchor: the ledger's receipt that an officer vouched for exactly these bytes, verified offline.

The anchor names the SHA-256 of the report's file and its verdict (`compliance/anchor`, node/gchain_node/modules/
compliance.py). The verdict is that of the report; nobody can anchor a report that is not ready as one that passes
without `check` finding it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from gchain_node.errors import NodeError
from gchain_node.proof.proven import Proven
from gchain_node.proof.receipt import verify_receipt
from gchain_node.proof.trust import Trust
from policies.errors import ReportError
from policies.reports import schemas

__all__ = ["KIND", "check", "receipt_name", "verdict_of"]

KIND = "consortium-report"
_FAILING = ("RULE_FAILED", "RULE_ERROR")


def receipt_name(raw: bytes) -> str:
    """The file among the public receipts that the anchor of these bytes is kept in."""
    return f"anchor-{hashlib.sha256(raw).hexdigest()[:16]}.json"


def verdict_of(raw: bytes) -> str:
    """`pass`, `fail` or `indeterminate`: what a consortium report says, as an anchor puts it.

    Raises:
        ReportError: the bytes are no consortium report.
    """
    try:
        report = json.loads(raw)
    except ValueError as error:
        raise ReportError(f"not a consortium report: {error}") from error
    schemas.check_consortium(report, "the report")
    if report["verdict"]["ok"]:
        return "pass"
    names = {reason["name"] for reason in report["verdict"]["reasons"]}
    return "fail" if names & {*_FAILING} else "indeterminate"


def check(raw: bytes, receipt: Mapping[str, Any], trust: Mapping[str, Any]) -> Proven:
    """What the receipt proves: that the report `raw` was anchored, by whom and at which height.

    Raises:
        ReportError: it does not verify under `trust`, or is of something else than this report; the message says what.
    """
    try:
        proven = verify_receipt(receipt, Trust.from_json(trust))
    except NodeError as error:
        raise ReportError(f"the anchor's receipt does not hold: {error}") from error
    if proven.code != 0 or (proven.tx.module, proven.tx.action) != ("compliance", "anchor"):
        raise ReportError(
            f"the receipt is of {proven.tx.module}/{proven.tx.action} with code {proven.code}, not of an anchor"
        )
    _check_entry(raw, proven.data)
    return proven


def _check_entry(raw: bytes, entry: Mapping[str, Any]) -> None:
    found = hashlib.sha256(raw).digest()
    if entry["digest"] != found:
        raise ReportError(
            f"the anchor is of sha256:{entry['digest'].hex()}, the report is sha256:{found.hex()}",
            remedy="find the file that was anchored, or anchor this one: gchain consortium anchor",
        )
    said = (entry["kind"], entry["verdict"])
    if said != (KIND, verdict_of(raw)):
        raise ReportError(f"it was anchored as {said[0]} with verdict {said[1]}; it is {KIND} with {verdict_of(raw)}")
