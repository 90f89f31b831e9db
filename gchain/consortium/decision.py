"""What officers decide together over an outcome table: go-live, and a change of the zone.

The steps are the same: the convenor puts table and subject among the public files, each member's officer signs the
subject, the convenor submits, the ledger judges. What an officer signs binds the table's digest to the chain, the
membership, the rule set, the zone and a last height (docs/interfaces.md, "The ledger").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gchain.consortium.ledger import Node, open_client
from gchain.consortium.officers import officer_key
from gchain.environment import Environment, Member
from gchain.errors import ConsortiumError
from gchain.workspace import Workspace
from gchain_node.client import Outcome
from gchain_node.modules.judgement import subject_bytes, table_bytes
from gchain_node.officer import approve as sign_approval

__all__ = ["GO_LIVE", "ZONE_CHANGE", "Decision", "Proposal", "consortium_at"]

_OPEN_FOR = 5_000
"""Blocks for which an approval holds: more than an hour at a block a second, so that officers can meet."""


@dataclass(frozen=True)
class Proposal:
    """What is put to the officers: the outcome table and the subject that binds it, both RFC 8785 bytes."""

    table: bytes
    subject: bytes


@dataclass(frozen=True)
class Decision:
    """One kind of decision: the subject's kind, the ledger's action, and the command line that leads through it."""

    kind: str
    action: str
    command: str
    suffix: str

    def propose(
        self,
        workspace: Workspace,
        consortium: dict[str, Any],
        height: int,
        rows: Sequence[dict[str, Any]],
        **extra: str,
    ) -> Proposal:
        """The proposal for the ledger as it is at `height`; also written to `public/<kind>-{table,subject}.json`."""
        table = table_bytes(list(rows))
        subject = subject_bytes(consortium, table, height + _OPEN_FOR, kind=self.kind, **extra)
        table_path, subject_path = self._paths(workspace)
        table_path.write_bytes(table)
        subject_path.write_bytes(subject)
        return Proposal(table, subject)

    def read_proposal(self, workspace: Workspace) -> Proposal:
        """The proposal among the public files. Raises `ConsortiumError` when there is none."""
        try:
            table, subject = (path.read_bytes() for path in self._paths(workspace))
        except OSError as error:
            remedy = f"the convenor makes it: {self.command} propose"
            raise ConsortiumError(f"no proposal: {error}", remedy=remedy) from error
        return Proposal(table, subject)

    def approve(self, workspace: Workspace, member: Member, proposal: Proposal) -> str:
        """Sign the subject with the member's officer key; returns the officer's signer name."""
        with officer_key(workspace, member) as (signer, key):
            signature = sign_approval(proposal.subject, key)
        workspace.approvals.mkdir(parents=True, exist_ok=True)
        self._approval(workspace, member).write_bytes(signature)
        return signer

    def collect_approvals(self, environment: Environment, workspace: Workspace) -> list[bytes]:
        """Every member's approval. Raises `ConsortiumError` that names who is missing."""
        paths = {member.name: self._approval(workspace, member) for member in environment.consortium.members}
        missing = [name for name, path in paths.items() if not path.is_file()]
        if missing:
            raise ConsortiumError(
                f"no approval of {', '.join(missing)}", remedy=f"their officers sign: {self.command} approve"
            )
        return [path.read_bytes() for path in paths.values()]

    def submit(
        self,
        environment: Environment,
        workspace: Workspace,
        node: Node,
        proposal: Proposal,
        approvals: Sequence[bytes],
    ) -> Outcome:
        """Send the transaction, signed by the convenor's officer. A refusal is an `Outcome` with the ledger's code."""
        args = {"table": proposal.table, "subject": proposal.subject, "approvals": list(approvals)}
        with officer_key(workspace, environment.convenor) as (signer, key), open_client(workspace, node) as client:
            return client.transact("governance", self.action, args, key=key, signer=signer)

    def _paths(self, workspace: Workspace) -> tuple[Path, Path]:
        return workspace.public / f"{self.kind}-table.json", workspace.public / f"{self.kind}-subject.json"

    def _approval(self, workspace: Workspace, member: Member) -> Path:
        return workspace.approvals / f"{member.name}{self.suffix}"


GO_LIVE = Decision("go-live", "go_live", "gchain consortium", ".cose")
ZONE_CHANGE = Decision("zone-change", "zone_change", "gchain consortium zone", ".zone-change.cose")


def consortium_at(workspace: Workspace, node: Node) -> tuple[dict[str, Any], int]:
    """What the node's ledger says of the consortium, and its height.

    Raises:
        ConsortiumError: the node knows none.
    """
    with open_client(workspace, node) as client:
        consortium = client.query("consortium").value
        height = int(client.get("/v1/status")["height"])
    if not isinstance(consortium, dict):
        raise ConsortiumError(f"{node.name} knows no consortium", remedy="start the ledger first")
    return consortium, height
