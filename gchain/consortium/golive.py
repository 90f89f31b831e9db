"""Go-live: officers approve the verdict's table, the convenor submits it, the ledger decides.

The table comes from the consortium report; nothing here judges. What an officer signs binds the table's digest to the
chain, the membership, the rule set, the zone and a last height (docs/interfaces.md, "Go-live").
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gchain.consortium.ledger import Node, open_client
from gchain.consortium.officers import officer_key
from gchain.environment import Environment, Member
from gchain.errors import ConsortiumError
from gchain.workspace import Workspace
from gchain_node.client import Outcome
from gchain_node.modules.judgement import subject_bytes, table_bytes
from gchain_node.officer import approve as sign_approval

__all__ = ["Proposal", "approve", "collect_approvals", "propose", "read_proposal", "read_table", "submit"]

_OPEN_FOR = 5_000
"""Blocks for which an approval holds: more than an hour at a block a second, so that officers can meet."""


@dataclass(frozen=True)
class Proposal:
    """What is put to the officers: the outcome table and the subject that binds it, both RFC 8785 bytes."""

    table: bytes
    subject: bytes


def propose(workspace: Workspace, node: Node, rows: Sequence[dict[str, Any]]) -> Proposal:
    """The proposal for the ledger as it is now; also written to `public/go-live-{table,subject}.json`."""
    with open_client(workspace, node) as client:
        consortium = client.query("consortium").value
        height = int(client.get("/v1/status")["height"])
    if not isinstance(consortium, dict):
        raise ConsortiumError(f"{node.name} knows no consortium", remedy="start the ledger first")
    table = table_bytes(list(rows))
    proposal = Proposal(table, subject_bytes(consortium, table, height + _OPEN_FOR))
    (workspace.public / "go-live-table.json").write_bytes(proposal.table)
    (workspace.public / "go-live-subject.json").write_bytes(proposal.subject)
    return proposal


def read_proposal(workspace: Workspace) -> Proposal:
    """The proposal among the public files. Raises `ConsortiumError` when there is none."""
    try:
        table = (workspace.public / "go-live-table.json").read_bytes()
        return Proposal(table, (workspace.public / "go-live-subject.json").read_bytes())
    except OSError as error:
        raise ConsortiumError(
            f"no proposal: {error}", remedy="the convenor makes it: gchain consortium propose"
        ) from error


def approve(workspace: Workspace, member: Member, proposal: Proposal) -> str:
    """Sign the subject with the member's officer key; returns the officer's signer name."""
    with officer_key(workspace, member) as (signer, key):
        signature = sign_approval(proposal.subject, key)
    workspace.approvals.mkdir(parents=True, exist_ok=True)
    (workspace.approvals / f"{member.name}.cose").write_bytes(signature)
    return signer


def collect_approvals(environment: Environment, workspace: Workspace) -> list[bytes]:
    """Every member's approval. Raises `ConsortiumError` that names who is missing."""
    paths = {m.name: workspace.approvals / f"{m.name}.cose" for m in environment.consortium.members}
    missing = [name for name, path in paths.items() if not path.is_file()]
    if missing:
        raise ConsortiumError(
            f"no approval of {', '.join(missing)}", remedy="their officers sign: gchain consortium approve"
        )
    return [path.read_bytes() for path in paths.values()]


def submit(
    environment: Environment, workspace: Workspace, node: Node, proposal: Proposal, approvals: Sequence[bytes]
) -> Outcome:
    """Send the transaction, signed by the convenor's officer. A refusal is an `Outcome` with the ledger's code."""
    args = {"table": proposal.table, "subject": proposal.subject, "approvals": list(approvals)}
    with officer_key(workspace, environment.convenor) as (signer, key), open_client(workspace, node) as client:
        return client.transact("governance", "go_live", args, key=key, signer=signer)


def read_table(workspace: Workspace) -> list[dict[str, Any]]:
    """The outcome table of the consortium report. Raises `ConsortiumError` when there is no report."""
    path = workspace.public / "consortium-report.json"
    try:
        table: list[dict[str, Any]] = json.loads(path.read_text())["table"]
    except (OSError, ValueError, KeyError) as error:
        raise ConsortiumError(f"{path}: {error!r}", remedy="merge the member reports: gchain report merge") from error
    return table
