"""`trust.json`: the anchor that receipts are verified against, made by each member from the genesis it signed."""

from __future__ import annotations

import json

from gchain.consortium.genesis import read
from gchain.workspace import Workspace
from gchain_node import genesis
from gchain_node.proof.trust import from_genesis

__all__ = ["write_trust"]


def write_trust(workspace: Workspace) -> None:
    """Write `public/trust.json` from the agreed genesis; the same document gives the same file."""
    document = read(workspace)
    trust = from_genesis(document, genesis.digest(document)).to_json()
    workspace.trust.write_text(json.dumps(trust, indent=2, sort_keys=True) + "\n")
