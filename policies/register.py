"""The register of officers that a workspace knows: genesis, and the ledger's proofs among the public files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gchain.consortium.register import proven_officers
from gchain.workspace import Workspace
from policies.officers import Officers

__all__ = ["known_officers"]


def known_officers(workspace: Workspace, genesis: Mapping[str, Any]) -> Officers:
    """Whose signature counts on this machine.

    Raises:
        ConsortiumError: a proof does not hold.
        ReportError: a contribution does not verify.
    """
    return Officers.of_genesis(genesis).as_registered(proven_officers(workspace))
