"""`trust.json`: the anchor that receipts are verified against, made by each member from the genesis it signed.

What genesis cannot know, log keys that rotations brought and witnesses, is added to the file and stays in it.
"""

from __future__ import annotations

import json
from typing import Any

from gchain.consortium.genesis import read
from gchain.errors import ConsortiumError
from gchain.workspace import Workspace
from gchain_node import genesis
from gchain_node.errors import VerificationError
from gchain_node.keys import PublicKey
from gchain_node.proof.trust import Trust, from_genesis
from gchain_node.tlog.checkpoint import origin_of
from gchain_node.tlog.signing import log_key

__all__ = ["trust_log_key", "write_trust"]


def write_trust(workspace: Workspace) -> None:
    """Write `public/trust.json` from the agreed genesis, with what was added to the file that is there.

    Raises:
        ConsortiumError: the file that is there is no trust file.
    """
    document = read(workspace)
    made = from_genesis(document, genesis.digest(document)).to_json()
    known = _known(workspace)
    if known is not None and known["genesis_digest"] == made["genesis_digest"]:
        made["witness"] = known["witness"]
        made["log_keys"] += [entry for entry in known["log_keys"] if entry not in made["log_keys"]]
    _write(workspace, made)


def trust_log_key(workspace: Workspace, member: str, receipt_key: PublicKey) -> bool:
    """Let checkpoints of the log count that this receipt key signs, beside those of the member's earlier keys.

    Returns whether the file was changed: not if it has the key, or the workspace has no trust file.
    """
    known = _known(workspace)
    if known is None:
        return False
    entry = {"name": member, "key": str(log_key(origin_of(known["chain_id"]), receipt_key))}
    if entry in known["log_keys"]:
        return False
    _write(workspace, known | {"log_keys": [*known["log_keys"], entry]})
    return True


def _known(workspace: Workspace) -> dict[str, Any] | None:
    if not workspace.trust.is_file():
        return None
    try:
        return Trust.from_json(json.loads(workspace.trust.read_text())).to_json()
    except (OSError, ValueError, VerificationError) as error:
        raise ConsortiumError(
            f"{workspace.trust}: not a trust file: {error}",
            remedy="remove it, then run `gchain consortium accept` again",
        ) from error


def _write(workspace: Workspace, document: dict[str, Any]) -> None:
    draft = workspace.trust.with_name(f".{workspace.trust.name}.new")
    draft.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    draft.replace(workspace.trust)
