"""The register of officers that a workspace knows: genesis, and the ledger's proofs among the public files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gchain.consortium.register import proven_officers
from gchain.workspace import Workspace
from policies.errors import ReportError
from policies.officers import Officers

__all__ = ["agreed_genesis", "known_officers"]

_PARTS = {"chain_id": str, "app_state": dict}
_STATE = {"consortium": str, "contributions": list}


def agreed_genesis(path: Path) -> dict[str, Any]:
    """The agreed genesis document; its shape is checked, what it says is not.

    Raises:
        ReportError: there is none, or it is none.
    """
    remedy = "agree on genesis first, or take the file again from another member"
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: {error}", remedy=remedy) from error
    if not (_has(document, _PARTS) and _has(document["app_state"], _STATE)):
        raise ReportError(f"{path}: not a genesis document", remedy=remedy)
    return dict(document)


def _has(document: Any, parts: Mapping[str, type]) -> bool:
    return isinstance(document, dict) and all(isinstance(document.get(name), kind) for name, kind in parts.items())


def known_officers(workspace: Workspace, genesis: Mapping[str, Any]) -> Officers:
    """Whose signature counts on this machine.

    Raises:
        ConsortiumError: a proof does not hold.
        ReportError: a contribution does not verify.
    """
    return Officers.of_genesis(genesis).as_registered(proven_officers(workspace))
