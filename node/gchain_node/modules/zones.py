"""Zone change: where data may lie is what the members agreed on; another zone is judged like go-live (`judgement.py`).

    governance/zone-changes       {changes: [{height, from, to}]}
    governance/zone-changes/<h>   {from, to, table, subject, and the evidence of the judgement}

The subject names the zone that holds (`zone_digest`) and the one that shall hold (`new_zone_digest`); the outcome table
is of every member's estate judged by the new zone file. A wider zone needs the same officers as the first one did.
"""

from __future__ import annotations

import re
from typing import Any

from gchain_node.codes import Code
from gchain_node.errors import TransactionError
from gchain_node.modules.context import Context, Effect, sealed
from gchain_node.modules.judgement import judge

__all__ = ["CHANGES", "zone_change"]

CHANGES = "governance/zone-changes"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def zone_change(context: Context, args: dict[str, Any]) -> Effect:
    """{table, subject, approvals}: put another zone file in force."""
    sealed(args, "table", "subject", "approvals")
    judged = judge(context, args, "zone-change", "new_zone_digest")
    consortium = context.state.get("consortium")
    old, new = consortium["zone_digest"], judged.document["new_zone_digest"]
    if type(new) is not str or not _DIGEST.fullmatch(new):
        raise TransactionError(Code.WRONG_SUBJECT, "new_zone_digest must be sha256: and 64 hexadecimal digits")
    if new == old:
        raise TransactionError(Code.CONFLICT, f"{new} is the zone in force")
    data = {"from": old, "to": new, **judged.evidence(context.height)}
    context.state.put("consortium", consortium | {"zone_digest": new})
    past = (context.state.get(CHANGES) or {"changes": []})["changes"]
    context.state.put(CHANGES, {"changes": [*past, {"height": context.height, "from": old, "to": new}]})
    context.state.put(
        f"{CHANGES}/{context.height}-{new[7:23]}", data | {"table": judged.table, "subject": judged.subject}
    )
    return Effect(data, {"zone": new})
