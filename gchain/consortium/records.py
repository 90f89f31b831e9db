"""Business on the ledger, as an agency does it: a record's salted commitment, and the receipt that proves it."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gchain.consortium.ledger import Node, nodes, open_client
from gchain.consortium.officers import officer_key
from gchain.environment import Environment, Member
from gchain.errors import ConsortiumError
from gchain.workspace import Workspace
from gchain_node.client import Client, Outcome
from gchain_node.errors import ApiError, NodeError
from gchain_node.modules.records import commitment
from gchain_node.proof.receipt import verify_receipt
from gchain_node.proof.trust import Trust

__all__ = ["Committed", "commit_record", "save_receipt", "show_report"]

_SALT_BYTES = 32
_NEXT_BLOCK_SECONDS = 30
"""A receipt exists once the block after the transaction's has its commit."""


@dataclass(frozen=True)
class Committed:
    """A record on the ledger: its id, the outcome, and where its receipt lies."""

    record: str
    outcome: Outcome
    receipt: Path


def commit_record(workspace: Workspace, member: Member, node: Node, name: str, document: bytes) -> Committed:
    """Commit to `document`, keep it and its salt in the member's own store, read back with proof, save the receipt.

    Raises:
        ConsortiumError: the ledger refused, or what it answers is not what was committed.
    """
    salt = secrets.token_bytes(_SALT_BYTES)
    value = commitment(salt, document)
    _keep(workspace, member, name, salt, document)
    with officer_key(workspace, member) as (signer, key), open_client(workspace, node) as client:
        args = {"id": name, "commitment": value}
        outcome = client.transact("records", "commit", args, key=key, signer=signer)
        if outcome.code != 0 or not outcome.committed:
            raise ConsortiumError(f"the ledger refused record {name}: code {outcome.code}: {outcome.log}")
        _read_back(client, name, value)
        return Committed(name, outcome, save_receipt(workspace, client, name, outcome))


def _keep(workspace: Workspace, member: Member, name: str, salt: bytes, document: bytes) -> None:
    store = workspace.member(member.name).root / "records"
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {"salt": base64.b64encode(salt).decode(), "document": base64.b64encode(document).decode()}
    path = store / f"{name}.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(kept))


def _read_back(client: Client, name: str, value: bytes) -> None:
    answer = client.query(f"records/{name}", prove=True)
    found: Any = answer.value
    if not isinstance(found, dict) or found.get("commitment") != value or answer.proof is None:
        raise ConsortiumError(f"the ledger answers {found!r} for record {name}, which is not what was committed")


def save_receipt(workspace: Workspace, client: Client, name: str, outcome: Outcome) -> Path:
    """Fetch the receipt once the next block has sealed the result, verify it, write it as `receipts/<name>.json`."""
    receipt = _await_receipt(client, outcome)
    verify_receipt(receipt, Trust.from_json(json.loads(workspace.trust.read_text())))
    workspace.receipts.mkdir(parents=True, exist_ok=True)
    path = workspace.receipts / f"{name}.json"
    path.write_text(json.dumps(receipt, indent=2, sort_keys=True) + "\n")
    return path


def _await_receipt(client: Client, outcome: Outcome) -> dict[str, Any]:
    deadline = time.monotonic() + _NEXT_BLOCK_SECONDS
    while True:
        try:
            return client.receipt(outcome.hash, verified=False)  # by the caller
        except ApiError as error:
            if time.monotonic() > deadline:
                raise ConsortiumError(f"no receipt of {outcome.hash.hex()}: {error}") from error
        time.sleep(0.3)


def show_report(loaded: Environment, workspace: Workspace, raw: bytes) -> Iterator[tuple[Node, str]]:
    """Give an anchored report to every node that can be reached, each with what went wrong, or nothing."""
    for node in nodes(loaded, workspace):
        try:
            with open_client(workspace, node) as client:
                client.hand_in_report(raw)
        except (NodeError, ConsortiumError, OSError) as error:
            yield node, f"does not have it: {error}"
        else:
            yield node, ""
