"""Who the members' officers are now: the ledger's own record, proven, for those who verify signatures offline.

Genesis names the officers of the beginning. When an officer's key is replaced, or an officer comes or goes, the member
puts a proof of its record on the ledger (`members/<member>`) among the public files, as `officers/<member>.json`. It is
verified against `trust.json`, so that nobody's word is needed for it; what it cannot show is that it is the newest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from gchain.errors import ConsortiumError
from gchain.workspace import Workspace
from gchain_node.errors import NodeError
from gchain_node.keys import PublicKey, load_public_key
from gchain_node.proof.saved import verify_state
from gchain_node.proof.trust import Trust

__all__ = ["Register", "proven_officers", "publish_officers"]

Register = Mapping[str, Mapping[str, PublicKey]]
"""Member -> officer -> key."""


class _Prover(Protocol):
    def saved_proof(self, path: str) -> dict[str, Any]: ...


def publish_officers(workspace: Workspace, member: str, node: _Prover) -> None:
    """Write `public/officers/<member>.json`, as the node proves it. Raises `NodeError`."""
    proof = node.saved_proof(f"members/{member}")
    workspace.officers.mkdir(parents=True, exist_ok=True)
    path = workspace.officers / f"{member}.json"
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(proof, indent=2, sort_keys=True) + "\n")
    draft.replace(path)


def proven_officers(workspace: Workspace) -> Register:
    """The officers of each member of whom there is a proof; members without one are not in it.

    Raises:
        ConsortiumError: a proof does not hold, or there is no trust file to hold it against.
    """
    paths = sorted(workspace.officers.glob("*.json"))
    trust = _trust(workspace) if paths else None
    return {path.stem: _proven(path, trust) for path in paths if trust is not None}


def _trust(workspace: Workspace) -> Trust:
    try:
        return Trust.from_json(json.loads(workspace.trust.read_text()))
    except (OSError, ValueError, NodeError) as error:
        raise ConsortiumError(
            f"{workspace.trust}: {error}; without it the proofs in {workspace.officers} cannot be verified",
            remedy="make it from the genesis document that you signed: gchain consortium accept",
        ) from error


def _proven(path: Path, trust: Trust) -> dict[str, PublicKey]:
    try:
        _, document = verify_state(json.loads(path.read_text()), trust)
        if document["path"] != f"members/{path.stem}" or document["value"] is None:
            raise ConsortiumError(f"{path}: it proves {document['path']}, not a record of {path.stem}")
        return {str(each["name"]): load_public_key(each["public_key"]) for each in document["value"]["officers"]}
    except (OSError, ValueError, KeyError, TypeError, NodeError) as error:
        raise ConsortiumError(
            f"{path}: no proof of the officers of {path.stem}: {error}",
            remedy=f"let {path.stem} write it again: gchain keys officers --member {path.stem}",
        ) from error
