"""Go-live: the ledger's own judgement whether the consortium may open (`judgement.py`)."""

from __future__ import annotations

from typing import Any

from gchain_node.codes import Code
from gchain_node.errors import TransactionError
from gchain_node.modules.context import Context, Effect, sealed
from gchain_node.modules.judgement import judge

__all__ = ["go_live"]


def go_live(context: Context, args: dict[str, Any]) -> Effect:
    """{table, subject, approvals}: open the ledger to business transactions."""
    sealed(args, "table", "subject", "approvals")
    consortium = context.state.get("consortium")
    if consortium["phase"] == "live":
        raise TransactionError(Code.ALREADY_LIVE, f"the ledger is live since height {consortium['live_height']}")
    judged = judge(context, args, "go-live")
    data = {"phase": "live", **judged.evidence(context.height)}
    context.state.put("governance/go-live", data | {"table": judged.table, "subject": judged.subject})
    context.state.put("consortium", consortium | {"phase": "live", "live_height": context.height})
    return Effect(data, {"phase": "live"})
