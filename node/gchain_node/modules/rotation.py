"""Rotation: a member's keys give way to new ones without the ledger losing its quorum or its memory.

    governance/rotations      {open: [{member, old, new, height, requested}]}, by member: validator keys on their way
    governance/rotated/<id>   {member, purpose, public_key, status, since, until}: every key that a rotation touched;
                              id is the validator's address or the key id, in hex

Every action needs an officer's signature and the new key's proof of possession. A new consensus key votes first at the
`height` named: two blocks before, the engine is told of both keys at once (old power 0, new power as before), so the
total power never changes, and the member's signer, which knows the height as well, changes keys there. Until a vote of
the new key is seen in a block's last commit the member's power counts as at risk, and a second rotation that would put
a third or more of the power at risk is refused: no rotation that goes wrong may cost the quorum.

A key that was replaced never comes back. The old member key signs transactions up to `until`; officer and receipt keys
change at once. The address of what a validator was called before stays in `governance/rotated`, for evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gchain_node.codes import Code
from gchain_node.errors import NodeError, TransactionError
from gchain_node.keys.possession import verify_possession
from gchain_node.keys.public import (
    PublicKey,
    algorithm_of,
    cometbft_address,
    cometbft_bytes,
    cometbft_type,
    key_id,
    load_public_key,
    public_der,
)
from gchain_node.messages import Block, ValidatorUpdate
from gchain_node.modules import membership
from gchain_node.modules.context import Action, Context, Effect, identifier, required, sealed
from gchain_node.state import State

__all__ = ["ACTIONS", "LONGEST_LEAD", "LONGEST_OVERLAP", "SHORTEST_LEAD", "due"]

OPEN = "governance/rotations"
SHORTEST_LEAD = 3
LONGEST_LEAD = 10_000
LONGEST_OVERLAP = 1_000_000
_ENGINE_LEAD = 2  # what block H tells the engine has effect at H + 2


def due(state: State, block: Block) -> list[ValidatorUpdate]:
    """After a block's transactions: what the engine must be told of rotations whose time has come.

    Rotations of members that are no longer active are dropped, those whose new key has voted are closed.
    """
    open_ = _open(state)
    if not open_:
        return []
    updates: list[ValidatorUpdate] = []
    kept = [entry for entry in open_ if _advance(state, block, entry, updates)]
    if kept != open_:
        state.put(OPEN, {"open": kept})
    return updates


def _advance(state: State, block: Block, entry: dict[str, Any], updates: list[ValidatorUpdate]) -> bool:
    """One rotation at one block; whether it is still open."""
    member = state.get(f"members/{entry['member']}")
    if member["status"] != "active" or not member["power"]:
        _mark(state, entry["new"]["address"], status="dropped", until=block.height)
        return False
    if entry["height"] - _ENGINE_LEAD == block.height:
        _replace(state, member, entry, updates)
    if entry["height"] <= block.height and any(
        v.signed and v.address == entry["new"]["address"] for v in block.last_commit
    ):
        _mark(state, entry["new"]["address"], status="active")
        return False
    return True


def _replace(state: State, member: dict[str, Any], entry: dict[str, Any], updates: list[ValidatorUpdate]) -> None:
    power = member["power"]
    updates.append(membership.validator_update(member, 0))
    member["validator"] = entry["new"]
    updates.append(membership.validator_update(member, power))
    membership.save(state, member)
    _mark(state, entry["old"]["address"], status="retired", until=entry["height"] - 1)


def _rotate_validator_key(context: Context, args: dict[str, Any]) -> Effect:
    """{public_key, pop, height, halt_accepted?}: the consensus key that votes first at `height`."""
    sealed(args, "public_key", "pop", "height", "halt_accepted")
    member = _own(context)
    key = _proved(context, args, "validator")
    new = {"type": _consensus_type(key), "public_key": cometbft_bytes(key), "address": cometbft_address(key)}
    if new["type"] != member["validator"]["type"]:
        raise TransactionError(
            Code.BAD_ARGUMENTS,
            f"the new key is {new['type']}; this consortium's validators are {member['validator']['type']}",
        )
    membership.refuse_shared_validator(context.state, new)
    entry = {"member": member["name"], "old": member["validator"], "new": new, "requested": context.height}
    if member["power"]:
        _schedule(context, entry | {"height": _first_height(context, args)}, accepted=args.get("halt_accepted"))
    else:
        _at_once(context, member, entry)
    data = {"member": member["name"], "address": new["address"], "height": args.get("height", context.height)}
    return Effect(data, {"member": member["name"], "purpose": "validator"})


def _first_height(context: Context, args: dict[str, Any]) -> int:
    height = required(args, "height", int)
    lowest, highest = context.height + SHORTEST_LEAD, context.height + LONGEST_LEAD
    if not lowest <= height <= highest:
        raise TransactionError(Code.BAD_ARGUMENTS, f"height is {height}; {lowest} to {highest} expected in this block")
    return height


def _schedule(context: Context, entry: dict[str, Any], *, accepted: object) -> None:
    open_ = _open(context.state)
    if any(other["member"] == entry["member"] and other["height"] > context.height for other in open_):
        raise TransactionError(
            Code.CONFLICT, f"a rotation of {entry['member']}'s consensus key is under way: wait for it, or cancel it"
        )
    others = [other for other in open_ if other["member"] != entry["member"]]
    if accepted is not True:
        _refuse_losing_the_quorum(context.state, [*others, entry])
    purpose = {"member": entry["member"], "purpose": "validator"}
    _note(context.state, entry["old"], purpose | {"status": "active", "since": 0})
    _note(context.state, entry["new"], purpose | {"status": "scheduled", "since": entry["height"]})
    context.state.put(OPEN, {"open": sorted([*others, entry], key=lambda each: str(each["member"]))})


def _refuse_losing_the_quorum(state: State, rotations: list[dict[str, Any]]) -> None:
    powers = {member["name"]: int(member["power"]) for member in membership.active_members(state)}
    at_risk, total = sum(powers.get(entry["member"], 0) for entry in rotations), sum(powers.values())
    if 3 * at_risk >= total:
        names = ", ".join(entry["member"] for entry in rotations)
        raise TransactionError(
            Code.REFUSED_BY_RULES,
            f"rotations of {names} would put {at_risk} of {total} voting power at risk, less than a third allowed: "
            "wait until the other's new key has voted (halt_accepted: true says that a halt is accepted)",
        )


def _at_once(context: Context, member: dict[str, Any], entry: dict[str, Any]) -> None:
    """Who has no power has no vote to lose: the key changes now."""
    purpose = {"member": member["name"], "purpose": "validator"}
    _note(context.state, entry["old"], purpose | {"status": "retired", "since": 0, "until": context.height})
    _note(context.state, entry["new"], purpose | {"status": "active", "since": context.height})
    member["validator"] = entry["new"]
    membership.save(context.state, member)


def _cancel_rotation(context: Context, args: dict[str, Any]) -> Effect:
    """{}: take back the member's own rotation, as long as the engine has not been told."""
    sealed(args)
    member = _own(context)
    open_ = _open(context.state)
    mine = [e for e in open_ if e["member"] == member["name"] and e["height"] - _ENGINE_LEAD > context.height]
    if not mine:
        raise TransactionError(Code.NOT_FOUND, f"no rotation of {member['name']}'s consensus key can be cancelled now")
    context.state.put(OPEN, {"open": [entry for entry in open_ if entry not in mine]})
    _mark(context.state, mine[0]["new"]["address"], status="cancelled", until=context.height)
    return Effect({"member": member["name"], "height": mine[0]["height"]}, {"member": member["name"]})


def _rotate_member_key(context: Context, args: dict[str, Any]) -> Effect:
    """{public_key, pop, until}: a new key that signs as the member; the old one does so up to height `until`."""
    sealed(args, "public_key", "pop", "until")
    member = _own(context)
    key = _proved(context, args, "member")
    until = required(args, "until", int)
    if not context.height <= until <= context.height + LONGEST_OVERLAP:
        raise TransactionError(
            Code.BAD_ARGUMENTS, f"until is {until}; {context.height} to {context.height + LONGEST_OVERLAP} expected"
        )
    _swap_signing_key(context, member["member_key"], key, None, until)
    member["member_key"] = public_der(key)
    membership.save(context.state, member)
    return _changed(member, "member", key, until)


def _rotate_officer_key(context: Context, args: dict[str, Any]) -> Effect:
    """{name, public_key, pop}: a new key of an officer, signed for by the old one or by a colleague of the agency."""
    sealed(args, "name", "public_key", "pop")
    member, name = _own(context), identifier(args, "name")
    officer = next((o for o in member["officers"] if o["name"] == name), None)
    if officer is None:
        raise TransactionError(Code.NOT_FOUND, f"member {member['name']} has no officer {name}")
    key = _proved(context, args, f"officer/{name}")
    _swap_signing_key(context, officer["public_key"], key, name, context.height)
    officer["public_key"] = public_der(key)
    membership.save(context.state, member)
    return _changed(member, f"officer/{name}", key, context.height)


def _swap_signing_key(context: Context, old: bytes, new: PublicKey, officer: str | None, until: int) -> None:
    """The new key signs from now on, the old one up to `until`."""
    if algorithm_of(new) == "ES256K":
        raise TransactionError(
            Code.ALGORITHM_NOT_ALLOWED, "transactions are signed with P-256 or Ed25519, not secp256k1"
        )
    state, member = context.state, context.signer.member
    membership.register_key(state, public_der(new), member, officer)
    path = f"keys/{key_id(load_public_key(old)).hex()}"
    state.put(path, state.get(path) | {"until": until})


def _rotate_receipt_key(context: Context, args: dict[str, Any]) -> Effect:
    """{public_key, pop}: a new key under the member's receipts."""
    sealed(args, "public_key", "pop")
    member = _own(context)
    key = _proved(context, args, "receipt")
    der = public_der(key)
    membership.refuse_shared_receipt(context.state, der)
    purpose = {"member": member["name"], "purpose": "receipt"}
    old = member["receipt_key"]
    _note(
        context.state,
        {"public_key": old, "address": key_id(load_public_key(old))},
        purpose | {"status": "retired", "since": 0, "until": context.height},
    )
    _note(
        context.state,
        {"public_key": der, "address": key_id(key)},
        purpose | {"status": "active", "since": context.height},
    )
    member["receipt_key"] = der
    membership.save(context.state, member)
    return _changed(member, "receipt", key, context.height)


def _changed(member: Mapping[str, Any], purpose: str, key: PublicKey, until: int) -> Effect:
    data = {"member": member["name"], "purpose": purpose, "key": key_id(key), "old_until": until}
    return Effect(data, {"member": str(member["name"]), "purpose": purpose})


def _own(context: Context) -> dict[str, Any]:
    if context.signer.officer is None:
        raise TransactionError(Code.NOT_AUTHORISED, "a rotation needs an officer's signature; this is the member's key")
    member: dict[str, Any] = context.state.get(f"members/{context.signer.member}")
    return member


def _proved(context: Context, args: dict[str, Any], purpose: str) -> PublicKey:
    text, pop = required(args, "public_key", str), required(args, "pop", str)
    consortium = context.state.get("consortium")["name"]
    try:
        key = load_public_key(text)
        verify_possession(key, pop, consortium=consortium, member=context.signer.member, purpose=purpose)
    except NodeError as error:
        raise TransactionError(Code.BAD_ARGUMENTS, f"the new key does not hold: {error}") from error
    return key


def _consensus_type(key: PublicKey) -> str:
    if algorithm_of(key) == "ES256":
        raise TransactionError(Code.BAD_ARGUMENTS, "a consensus key is ed25519 or secp256k1; this one is P-256")
    return cometbft_type(key)


def _open(state: State) -> list[dict[str, Any]]:
    found = state.get(OPEN)
    return [] if found is None else list(found["open"])


def _note(state: State, key: Mapping[str, Any], what: dict[str, Any]) -> None:
    """Enter a key; what is known of it already stays, but for its status."""
    path = f"governance/rotated/{key['address'].hex()}"
    known = state.get(path) or {}
    state.put(path, {**what, **{"public_key": key["public_key"]}, **({"since": known["since"]} if known else {})})


def _mark(state: State, address: bytes, **changes: Any) -> None:
    path = f"governance/rotated/{address.hex()}"
    state.put(path, state.get(path) | changes)


ACTIONS: dict[str, Action] = {
    "rotate_validator_key": _rotate_validator_key,
    "cancel_rotation": _cancel_rotation,
    "rotate_member_key": _rotate_member_key,
    "rotate_officer_key": _rotate_officer_key,
    "rotate_receipt_key": _rotate_receipt_key,
}
