"""Governance: proposals and ballots by which members decide together; go-live (`golive.py`), zone change (`zones.py`).

    governance/proposals        {open: [id], closed: n}
    governance/proposals/<id>   {id, kind, args, proposer, height, closes_height, ballots: {member: yes|no}, status}
    governance/misbehavior      what the engine reported of validators, for members to act on (`evidence.py`)
    governance/validators       the validator set as the engine has been told it (`validators.py`)

Every active member has one ballot, cast by any of its officers; proposing is voting yes. A proposal that reaches the
threshold of genesis takes effect in the same transaction, one that no longer can is rejected, and one that is past
`closes_height` takes no ballots.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import rfc8785

from gchain_node import contribution
from gchain_node.codes import Code
from gchain_node.errors import NodeError, TransactionError
from gchain_node.keys.possession import verify_possession
from gchain_node.keys.public import load_public_key, public_der
from gchain_node.modules import compliance, membership
from gchain_node.modules.context import (
    Action,
    Context,
    Effect,
    choice,
    identifier,
    officers_only,
    optional,
    required,
    sealed,
)
from gchain_node.modules.golive import go_live
from gchain_node.modules.judgement import needed
from gchain_node.modules.zones import zone_change

__all__ = ["ACTIONS", "DEFAULT_OPEN_BLOCKS", "KINDS", "MAX_OPEN", "MAX_OPEN_PER_MEMBER"]

MAX_OPEN = 64
MAX_OPEN_PER_MEMBER = 8
DEFAULT_OPEN_BLOCKS = 100_000


def _member_add(context: Context, args: dict[str, Any]) -> None:
    """{contribution}: a new agency joins as an observer, until `member.promote` makes it a validator."""
    payload = _contribution(context, args)
    membership.admit(context.state, payload, context.height, role="observer")


def _contribution(context: Context, args: dict[str, Any]) -> dict[str, Any]:
    sealed(args, "contribution")
    raw = required(args, "contribution", bytes)
    try:
        document = json.loads(raw)
        if rfc8785.dumps(document) != raw:
            raise TransactionError(Code.BAD_ARGUMENTS, "the contribution is not canonical JSON (RFC 8785)")
        contribution.verify(document, consortium=context.state.get("consortium")["name"])
    except (ValueError, RecursionError) as error:
        raise TransactionError(Code.BAD_ARGUMENTS, f"the contribution is not JSON: {str(error)[:100]}") from error
    except NodeError as error:
        raise TransactionError(Code.BAD_ARGUMENTS, f"the contribution does not hold: {error}") from error
    payload: dict[str, Any] = document["payload"]
    return payload


def _member_suspend(context: Context, args: dict[str, Any]) -> None:
    sealed(args, "member")
    membership.suspend(context, identifier(args, "member"))


def _member_suspend_noncompliant(context: Context, args: dict[str, Any]) -> None:
    """{member}: the shorter way that genesis may give (threshold `noncompliance`), while the evidence is bad."""
    sealed(args, "member")
    name = identifier(args, "member")
    if "noncompliance" not in context.state.get("consortium")["thresholds"]:
        raise TransactionError(
            Code.REFUSED_BY_RULES, "this consortium's genesis has no threshold for noncompliance: use member.suspend"
        )
    verdict, why = compliance.member_standing(context.state, name, context.height)
    if verdict not in compliance.SUSPENDABLE:
        raise TransactionError(
            Code.REFUSED_BY_RULES, f"the evidence of {name} is {verdict} ({why}): no ground to suspend"
        )
    membership.suspend(context, name)


def _member_reinstate(context: Context, args: dict[str, Any]) -> None:
    sealed(args, "member")
    membership.reinstate(context, identifier(args, "member"))


def _member_promote(context: Context, args: dict[str, Any]) -> None:
    sealed(args, "member")
    membership.promote(context, identifier(args, "member"))


def _officer_add(context: Context, args: dict[str, Any]) -> None:
    """{member, name, public_key, pop}: the public file of `officer init` without its consortium."""
    sealed(args, "member", "name", "public_key", "pop")
    member, name = identifier(args, "member"), identifier(args, "name")
    text, pop = required(args, "public_key", str), required(args, "pop", str)
    consortium = context.state.get("consortium")["name"]
    try:
        key = load_public_key(text)
        verify_possession(key, pop, consortium=consortium, member=member, purpose=f"officer/{name}")
    except NodeError as error:
        raise TransactionError(Code.BAD_ARGUMENTS, f"the officer's key does not hold: {error}") from error
    membership.add_officer(context.state, member, name, public_der(key))


def _officer_remove(context: Context, args: dict[str, Any]) -> None:
    sealed(args, "member", "name")
    membership.remove_officer(context.state, identifier(args, "member"), identifier(args, "name"))


KINDS: dict[str, Callable[[Context, dict[str, Any]], None]] = {
    "member.add": _member_add,
    "member.suspend": _member_suspend,
    "member.suspend-noncompliant": _member_suspend_noncompliant,
    "member.reinstate": _member_reinstate,
    "member.promote": _member_promote,
    "officer.add": _officer_add,
    "officer.remove": _officer_remove,
}


def _propose(context: Context, args: dict[str, Any]) -> Effect:
    """{id, kind, args, closes_height?}: put a change to the members' vote."""
    sealed(args, "id", "kind", "args", "closes_height")
    officers_only(context)
    name, kind = identifier(args, "id"), choice(args, "kind", tuple(KINDS))
    closes = optional(args, "closes_height", int) or context.height + DEFAULT_OPEN_BLOCKS
    if context.state.get(f"governance/proposals/{name}") is not None:
        raise TransactionError(Code.ALREADY_EXISTS, f"proposal {name} exists")
    if closes < context.height:
        raise TransactionError(Code.BAD_ARGUMENTS, f"closes_height {closes} is below this block's {context.height}")
    index = context.state.get("governance/proposals") or {"open": [], "closed": 0}
    _refuse_too_many(context, index["open"])
    proposal = {
        "id": name,
        "kind": kind,
        "args": required(args, "args", dict),
        "proposer": context.signer.name,
        "height": context.height,
        "closes_height": closes,
        "ballots": {},
        "status": "open",
    }
    context.state.put("governance/proposals", index | {"open": sorted([*index["open"], name])})
    return _count(context, proposal, "yes")


def _refuse_too_many(context: Context, open_ones: list[str]) -> None:
    """No member can keep the others from proposing by proposals of its own."""
    if len(open_ones) >= MAX_OPEN:
        raise TransactionError(Code.CONFLICT, f"{MAX_OPEN} proposals are open, which is the most: vote on them first")
    proposers = [context.state.get(f"governance/proposals/{name}")["proposer"] for name in open_ones]
    own = [who for who in proposers if who.partition("/")[0] == context.signer.member]
    if len(own) >= MAX_OPEN_PER_MEMBER:
        raise TransactionError(
            Code.CONFLICT, f"{context.signer.member} has {MAX_OPEN_PER_MEMBER} proposals open, the most of one member"
        )


def _vote(context: Context, args: dict[str, Any]) -> Effect:
    """{proposal, ballot}: the member's ballot, yes or no; the last one counts while the proposal is open."""
    sealed(args, "proposal", "ballot")
    officers_only(context)
    name, ballot = identifier(args, "proposal"), choice(args, "ballot", ("yes", "no"))
    proposal = context.state.get(f"governance/proposals/{name}")
    if proposal is None:
        raise TransactionError(Code.NOT_FOUND, f"there is no proposal {name}")
    if proposal["status"] != "open" or proposal["closes_height"] < context.height:
        status = "closed" if proposal["status"] == "open" else proposal["status"]
        raise TransactionError(Code.CONFLICT, f"proposal {name} is {status}")
    return _count(context, proposal, ballot)


def _count(context: Context, proposal: dict[str, Any], ballot: str) -> Effect:
    """Enter the ballot, and close the proposal if that decides it. What the proposal does may still be refused."""
    proposal["ballots"][context.signer.member] = ballot
    active = [m["name"] for m in membership.active_members(context.state)]
    votes = [proposal["ballots"].get(name) for name in active]
    enough = needed(_threshold(context, proposal["kind"]), len(active))
    if votes.count("yes") >= enough:
        proposal["status"] = "accepted"
        KINDS[proposal["kind"]](context, proposal["args"])
    elif len(active) - votes.count("no") < enough:
        proposal["status"] = "rejected"
    if proposal["status"] != "open":
        _close(context, proposal["id"])
    context.state.put(f"governance/proposals/{proposal['id']}", proposal)
    data = {
        "proposal": proposal["id"],
        "kind": proposal["kind"],
        "status": proposal["status"],
        "ballots": proposal["ballots"],
        "needed": enough,
        "height": context.height,
    }
    return Effect(data, {"proposal": proposal["id"], "status": proposal["status"]})


def _threshold(context: Context, kind: str) -> str:
    """What genesis demands for a proposal of this kind."""
    thresholds: dict[str, str] = context.state.get("consortium")["thresholds"]
    name = "noncompliance" if kind == "member.suspend-noncompliant" else "proposal"
    return thresholds.get(name, thresholds["proposal"])


def _close(context: Context, name: str) -> None:
    index = context.state.get("governance/proposals")
    still = [entry for entry in index["open"] if entry != name]
    context.state.put("governance/proposals", {"open": still, "closed": index["closed"] + 1})


def _withdraw(context: Context, args: dict[str, Any]) -> Effect:
    """{proposal}: the proposing member takes it back; anyone may clear away one that is past its closing height."""
    sealed(args, "proposal")
    officers_only(context)
    name = identifier(args, "proposal")
    proposal = context.state.get(f"governance/proposals/{name}")
    if proposal is None:
        raise TransactionError(Code.NOT_FOUND, f"there is no proposal {name}")
    if proposal["status"] != "open":
        raise TransactionError(Code.CONFLICT, f"proposal {name} is {proposal['status']}")
    expired = proposal["closes_height"] < context.height
    if not expired and proposal["proposer"].partition("/")[0] != context.signer.member:
        raise TransactionError(Code.NOT_AUTHORISED, f"proposal {name} is {proposal['proposer']}'s to withdraw")
    proposal["status"] = "expired" if expired else "withdrawn"
    context.state.put(f"governance/proposals/{name}", proposal)
    _close(context, name)
    return Effect({"proposal": name, "status": proposal["status"], "height": context.height}, {"proposal": name})


ACTIONS: dict[str, Action] = {
    "propose": _propose,
    "vote": _vote,
    "withdraw": _withdraw,
    "go_live": go_live,
    "zone_change": zone_change,
}
