"""What an officer signs with the key in the officer's own token: statements, waivers, the member report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from gchain.consortium.ledger import nodes, open_client
from gchain.consortium.officers import label, officer_key
from gchain.environment import Environment
from gchain.workspace import Workspace
from gchain_node.keys import Key
from gchain_node.officer import open_officer
from policies import waivers
from policies.canonical import digest
from policies.errors import WaiverError
from policies.reports import member as member_report
from policies.sources import attestations
from policies.zone import ZonePolicy

__all__ = ["attest", "record_waiver", "sign_report", "waive", "write_json"]


@contextmanager
def _keys(environment: Environment, workspace: Workspace, member: str, officers: Sequence[str]) -> Iterator[list[Key]]:
    """The keys of the named officers of one member; of its first officer where none is named."""
    names = officers or [environment.member(member).officers[0].name]
    with ExitStack() as stack:
        opened = [open_officer(workspace.member(member).officer, label(name)) for name in names]
        for key in opened:
            stack.callback(key.close)
        yield opened


def attest(
    environment: Environment, workspace: Workspace, member: str, *, days: int = 30, now: datetime | None = None
) -> list[Path]:
    """Sign what the zone file declares of the member's operators and pipeline, and keep it as evidence.

    The officer vouches for it: read `policies.sources.attestations.drafts` first.
    """
    drafts = attestations.drafts(ZonePolicy.of(environment), member, days=days, now=now)
    directory = workspace.member(member).evidence / "attestations"
    with _keys(environment, workspace, member, ()) as keys:
        return [
            write_json(directory / f"{kind}.dsse.json", attestations.sign(statement, *keys))
            for kind, statement in drafts.items()
        ]


def waive(
    environment: Environment,
    workspace: Workspace,
    member: str,
    drafts: Sequence[Mapping[str, Any]],
    *,
    officers: Sequence[str] = (),
) -> list[Path]:
    """Sign waivers (`policies.waivers.draft`) with one or more officers of the member, and keep them as evidence."""
    directory = workspace.member(member).evidence / "waivers"
    with _keys(environment, workspace, member, officers) as keys:
        return [
            write_json(directory / f"{each['rule']}-{digest(dict(each))[7:15]}.dsse.json", waivers.sign(each, *keys))
            for each in drafts
        ]


def record_waiver(environment: Environment, workspace: Workspace, member: str, path: Path) -> int:
    """Put a signed waiver on the ledger through the member's own node; the height where it stands.

    Raises:
        WaiverError: the ledger refused it.
    """
    node = next(node for node in nodes(environment, workspace) if node.member == member)
    args = {"envelope": path.read_bytes()}
    with officer_key(workspace, environment.member(member)) as (signer, key), open_client(workspace, node) as client:
        outcome = client.transact("compliance", "waive", args, key=key, signer=signer)
    if outcome.code != 0:
        raise WaiverError(f"the ledger refused the waiver: code {outcome.code}: {outcome.log}")
    return int(outcome.height or 0)


def sign_report(environment: Environment, workspace: Workspace, member: str, document: Mapping[str, Any]) -> Path:
    """Keep the report with the member, and its envelope under the officer's key among the public files."""
    with _keys(environment, workspace, member, ()) as keys:
        envelope = member_report.sign(document, keys[0])
    write_json(workspace.member(member).report, document)
    return write_json(workspace.reports / f"{member}.dsse.json", envelope)


def write_json(path: Path, content: Any) -> Path:
    """Write whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    draft.replace(path)
    return path
