"""Which process signs with a member's consensus key, where several hosts can reach the key (one clustered HSM).

    members/<m>.signer  {id, epoch, height}: the signer that took the key over last, and the block that says so

A member that never registered a signer is at epoch 0. Every registration counts one up, so that of two operators who
take over at once one is refused. What a signer makes of it: `gchain_node/signer/fence.py`.
"""

from __future__ import annotations

from typing import Any

from gchain_node.codes import Code
from gchain_node.errors import TransactionError
from gchain_node.modules import membership
from gchain_node.modules.context import Action, Context, Effect, identifier, officers_only, required, sealed

__all__ = ["ACTIONS"]


def _register_signer(context: Context, args: dict[str, Any]) -> Effect:
    """{id, epoch}: from the next block on, the signer `id` alone signs with the member's consensus key.

    An officer signs it: a host that signs must not be able to take the key from another.
    """
    sealed(args, "id", "epoch")
    officers_only(context)
    member: dict[str, Any] = context.state.get(f"members/{context.signer.member}")
    name, epoch = identifier(args, "id"), required(args, "epoch", int)
    known = member.get("signer", {}).get("epoch", 0)
    if epoch != known + 1:
        raise TransactionError(
            Code.CONFLICT,
            f"epoch is {epoch}, {known + 1} expected: the signer of {member['name']} is at epoch {known}",
        )
    member["signer"] = {"id": name, "epoch": epoch, "height": context.height}
    membership.save(context.state, member)
    return Effect({"member": member["name"]} | member["signer"], {"member": member["name"], "signer": name})


ACTIONS: dict[str, Action] = {"register_signer": _register_signer}
