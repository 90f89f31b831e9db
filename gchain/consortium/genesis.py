"""Agree on genesis: anyone builds the same document from the members' signed contributions; every member checks it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from gchain.consortium.ledger import contribution_of
from gchain.environment import Environment
from gchain.errors import ConsortiumError
from gchain.workspace import Workspace
from gchain_node import genesis
from gchain_node.errors import GenesisError, NodeError
from policies import own_rules
from policies.ruleset import enforced

__all__ = ["accept", "build", "check_signatures", "read"]


def read(workspace: Workspace) -> dict[str, Any]:
    """The consortium's genesis document. Raises `ConsortiumError` if there is none or it is not JSON."""
    try:
        document: dict[str, Any] = json.loads(workspace.genesis.read_text())
    except (OSError, ValueError) as error:
        raise ConsortiumError(
            f"{workspace.genesis}: {error}", remedy="the convenor builds it: gchain consortium genesis"
        ) from error
    return document


def _settings(environment: Environment, time: str) -> genesis.Settings:
    consortium = environment.consortium
    return genesis.Settings(
        consortium=consortium.name,
        chain_id=consortium.chain_id,
        convenor=consortium.convenor,
        environment=environment.name,
        zone_digest=environment.zone_digest,
        genesis_time=time,
        validator_key_type=consortium.validator_key_type,
        go_live_threshold=consortium.thresholds.go_live,
        proposal_threshold=consortium.thresholds.proposal,
        noncompliance_threshold=consortium.thresholds.noncompliance,
    )


def _compute(environment: Environment, workspace: Workspace, time: str) -> dict[str, Any]:
    contributions = [contribution_of(workspace, member.name) for member in environment.consortium.members]
    own_rules.activate(environment.directory / "rules")
    try:
        return genesis.build(contributions, _settings(environment, time), enforced())
    except NodeError as error:
        raise ConsortiumError(f"no genesis from these contributions: {error}", remedy=error.remedy) from error


def build(environment: Environment, workspace: Workspace) -> str:
    """Write `public/genesis.json` unless it is there; returns its digest.

    Raises:
        ConsortiumError: a contribution is missing or does not verify.
    """
    if not workspace.genesis.is_file():
        time = (datetime.now(UTC) - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        document = _compute(environment, workspace, time)
        draft = workspace.genesis.with_name(".genesis.json")
        draft.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
        draft.replace(workspace.genesis)
    return genesis.digest(read(workspace))


def accept(environment: Environment, workspace: Workspace, member: str) -> str:
    """The member's own check: build the document again from its own files, compare, and record the digest.

    The record (`members/<member>/genesis-digest`) is what the member's hosts start from, and nothing else.

    Raises:
        ConsortiumError: the document is not what the contributions, the environment and the rules give.
    """
    document = read(workspace)
    expected = _compute(environment, workspace, str(document.get("genesis_time")))
    found, own = genesis.digest(document), genesis.digest(expected)
    if found != own:
        raise ConsortiumError(
            f"{member} does not accept {workspace.genesis}: its digest is {found}, but contributions, environment and "
            f"rules give {own} (they differ in {', '.join(_differences(document, expected))})",
            remedy="compare the files with the other members; do not start from a document that you cannot rebuild",
        )
    path = workspace.member(member).root / "genesis-digest"
    path.write_text(found + "\n")
    return found


def _differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    state = "app_state"
    keys = [key for key in sorted({*one, *other}) if key != state and one.get(key) != other.get(key)]
    inner, outer = one.get(state) or {}, other.get(state) or {}
    return keys + [f"{state}.{key}" for key in sorted({*inner, *outer}) if inner.get(key) != outer.get(key)]


def check_signatures(workspace: Workspace) -> None:
    """Raise `ConsortiumError` unless every member's signature of the document is in `public/genesis-signatures`."""
    try:
        signatures = [json.loads(path.read_text()) for path in sorted(workspace.genesis_signatures.glob("*.json"))]
        genesis.check_signatures(read(workspace), signatures)
    except (GenesisError, ValueError) as error:
        raise ConsortiumError(f"genesis is not signed by all: {error}") from error
