"""The modules of the state machine: one file a domain, each a table of actions.

To add an action, write it and name it in its module's `ACTIONS`; to add a module, name it in `MODULES`.
"""

from __future__ import annotations

from collections.abc import Mapping

from gchain_node.modules import compliance, governance, membership, records, rotation, signers
from gchain_node.modules.context import Action

__all__ = ["MODULES", "OPEN_WHILE_FORMING"]

MODULES: dict[str, Mapping[str, Action]] = {
    "membership": {**membership.ACTIONS, **rotation.ACTIONS, **signers.ACTIONS},
    "governance": governance.ACTIONS,
    "compliance": compliance.ACTIONS,
    "records": records.ACTIONS,
}

OPEN_WHILE_FORMING = frozenset({"membership", "governance", "compliance"})
