"""Go-live: officers approve the verdict's table, the convenor submits it, the ledger decides (`decision.py`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gchain.consortium.decision import GO_LIVE, Proposal, consortium_at
from gchain.consortium.ledger import Node
from gchain.errors import ConsortiumError
from gchain.workspace import Workspace

__all__ = ["Proposal", "approve", "collect_approvals", "propose", "read_proposal", "read_table", "submit"]

approve = GO_LIVE.approve
collect_approvals = GO_LIVE.collect_approvals
read_proposal = GO_LIVE.read_proposal
submit = GO_LIVE.submit


def propose(workspace: Workspace, node: Node, rows: Sequence[dict[str, Any]]) -> Proposal:
    """The proposal for the ledger as it is now; also written to `public/go-live-{table,subject}.json`."""
    consortium, height = consortium_at(workspace, node)
    return GO_LIVE.propose(workspace, consortium, height, rows)


def read_table(workspace: Workspace) -> list[dict[str, Any]]:
    """The outcome table of the consortium report. Raises `ConsortiumError` when there is no report."""
    path = workspace.public / "consortium-report.json"
    try:
        table: list[dict[str, Any]] = json.loads(path.read_text())["table"]
    except (OSError, ValueError, KeyError) as error:
        raise ConsortiumError(f"{path}: {error!r}", remedy="merge the member reports: gchain report merge") from error
    return table
