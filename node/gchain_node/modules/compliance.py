"""Compliance: what members' re-checks found, and which reports stand behind it.

    compliance/anchors/<sha256>   {kind, digest, member, officer, verdict, height, time_ns}: an officer vouches for it
    compliance/anchors            {latest: [hex, newest first], count}
    compliance/waivers/<m>        {waivers: {<sha256>: {envelope, height}}}: the member's signed waivers, for all to see
    compliance/members/<m>        {member, hosts: {<host>: {verdict, evidence, failing, height, expires_height,
                                  time_ns}}}

A record of a host holds until its `expires_height`; past it the record is *stale*, which counts as not known. So nobody
has to write that a member fell silent: `standing` tells it of any height, and it is what a query's reader, the status
of a node and the suspension of governance ask.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from gchain_node.codes import Code
from gchain_node.dsse import verify_dsse
from gchain_node.errors import NodeError, TransactionError
from gchain_node.keys.public import load_public_key
from gchain_node.modules.context import Action, Context, Effect, choice, identifier, officers_only, required, sealed
from gchain_node.modules.membership import active_members
from gchain_node.state import State

__all__ = [
    "ACTIONS",
    "KINDS",
    "MAX_VALIDITY",
    "SUSPENDABLE",
    "VERDICTS",
    "WAIVER_TYPE",
    "Standing",
    "member_standing",
    "standing",
]

VERDICTS = ("pass", "fail", "indeterminate")
KINDS = ("member-report", "consortium-report", "attestation", "waiver", "ceremony")
SUSPENDABLE = ("fail", "stale", "unreported")
MAX_VALIDITY = 200_000
"""Blocks for which a host's record may hold: more than a day at two blocks a second."""
_MAX_HOSTS = 32
_MAX_FAILING = 128
_LATEST = 64
_MAX_WAIVERS = 256
_MAX_WAIVER = 16_384
WAIVER_TYPE = "application/vnd.gchain.waiver+json"
_RULE = re.compile(r"[A-Z]{2,8}-[0-9]{1,4}")

Standing = tuple[str, str]
"""`(verdict, sentence)`: one of `VERDICTS` or `stale` or `unreported`, and why."""


def standing(entry: Mapping[str, Any] | None, height: int) -> Standing:
    """What a member's own re-checks say at `height`; the worst of its hosts.

    `entry` is the value of `compliance/members/<m>`, None where the member never recorded anything.
    """
    if not entry or not entry["hosts"]:
        return "unreported", "no host has recorded a check"
    hosts = sorted(entry["hosts"].items())
    for name, found in hosts:
        if found["verdict"] == "fail":
            return "fail", f"{name} fails {', '.join(found['failing']) or 'its check'} since height {found['height']}"
    for name, found in hosts:
        if found["expires_height"] < height:
            return "stale", f"the record of {name} ended at height {found['expires_height']}"
    for name, found in hosts:
        if found["verdict"] != "pass":
            return "indeterminate", f"{name} could not tell since height {found['height']}"
    return "pass", f"{len(hosts)} of {len(hosts)} hosts pass"


def _record(context: Context, args: dict[str, Any]) -> Effect:
    """{host, verdict, evidence, failing, blocks}: what a host found of itself; signed by the member's key.

    `evidence` is the SHA-256 of the outcome rows, `failing` the rules that fail, `blocks` how long the record holds.
    """
    sealed(args, "host", "verdict", "evidence", "failing", "blocks")
    host, verdict = identifier(args, "host"), choice(args, "verdict", VERDICTS)
    blocks = required(args, "blocks", int)
    if not 0 < blocks <= MAX_VALIDITY:
        raise TransactionError(Code.BAD_ARGUMENTS, f"blocks is {blocks}; 1 to {MAX_VALIDITY} expected")
    failing = _rules(required(args, "failing", list))
    if bool(failing) != (verdict == "fail"):
        raise TransactionError(Code.BAD_ARGUMENTS, "failing names rules exactly when the verdict is fail")
    member = context.signer.member
    path = f"compliance/members/{member}"
    entry = context.state.get(path) or {"member": member, "hosts": {}}
    found = {
        "verdict": verdict,
        "evidence": _digest(args, "evidence"),
        "failing": failing,
        "height": context.height,
        "expires_height": context.height + blocks,
        "time_ns": context.time_ns,
    }
    hosts = {**entry["hosts"], host: found}
    if len(hosts) > _MAX_HOSTS:
        raise TransactionError(Code.REFUSED_BY_RULES, f"{member} has {_MAX_HOSTS} hosts on record: forget one first")
    context.state.put(path, entry | {"hosts": hosts})
    return Effect({"member": member, "host": host, **found}, {"member": member, "host": host, "verdict": verdict})


def _forget(context: Context, args: dict[str, Any]) -> Effect:
    """{host}: a host that was taken out of service no longer speaks for the member; an officer says so."""
    sealed(args, "host")
    officers_only(context)
    host, path = identifier(args, "host"), f"compliance/members/{context.signer.member}"
    entry = context.state.get(path)
    if entry is None or host not in entry["hosts"]:
        raise TransactionError(Code.NOT_FOUND, f"{context.signer.member} has no record of host {host}")
    context.state.put(path, entry | {"hosts": {name: v for name, v in entry["hosts"].items() if name != host}})
    return Effect({"member": context.signer.member, "host": host, "height": context.height}, {"host": host})


def _waive(context: Context, args: dict[str, Any]) -> Effect:
    """{envelope}: a signed waiver (DSSE, JSON) of the officer's member. Each reader judges anew what it is worth."""
    sealed(args, "envelope")
    officers_only(context)
    raw = required(args, "envelope", bytes)
    _check_waiver(context, raw)
    digest, path = hashlib.sha256(raw).hexdigest(), f"compliance/waivers/{context.signer.member}"
    waivers = (context.state.get(path) or {"waivers": {}})["waivers"]
    if digest in waivers:
        raise TransactionError(Code.ALREADY_EXISTS, f"waiver {digest} is on the ledger")
    if len(waivers) >= _MAX_WAIVERS:
        raise TransactionError(Code.REFUSED_BY_RULES, f"{_MAX_WAIVERS} waivers are on record: withdraw some first")
    context.state.put(path, {"waivers": {**waivers, digest: {"envelope": raw, "height": context.height}}})
    data = {"member": context.signer.member, "waiver": bytes.fromhex(digest), "height": context.height}
    return Effect(data, {"member": context.signer.member, "waiver": digest})


def _check_waiver(context: Context, raw: bytes) -> None:
    if len(raw) > _MAX_WAIVER:
        raise TransactionError(Code.TOO_LARGE, f"the envelope has {len(raw)} bytes; at most {_MAX_WAIVER} pass")
    officers = {
        hashlib.sha256(o["public_key"]).hexdigest(): (m["name"], o["public_key"])
        for m in active_members(context.state)
        for o in m["officers"]
    }
    keys = {keyid: load_public_key(public_key) for keyid, (_, public_key) in officers.items()}
    try:
        payload, signers = verify_dsse(json.loads(raw), WAIVER_TYPE, keys)
        member = json.loads(payload)["member"]
    except (NodeError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise TransactionError(Code.BAD_ARGUMENTS, f"not a signed waiver: {str(error)[:200]}") from error
    if member != context.signer.member or all(officers[keyid][0] != member for keyid in signers):
        raise TransactionError(
            Code.NOT_AUTHORISED,
            f"the waiver is of {str(member)[:60]!r}, or no officer of {context.signer.member} signed it",
        )


def _withdraw_waiver(context: Context, args: dict[str, Any]) -> Effect:
    """{waiver}: its SHA-256; it has no effect for whoever reads the ledger from now on."""
    sealed(args, "waiver")
    officers_only(context)
    digest, path = _digest(args, "waiver").hex(), f"compliance/waivers/{context.signer.member}"
    waivers = (context.state.get(path) or {"waivers": {}})["waivers"]
    if digest not in waivers:
        raise TransactionError(Code.NOT_FOUND, f"{context.signer.member} has no waiver {digest} on the ledger")
    context.state.put(path, {"waivers": {key: value for key, value in waivers.items() if key != digest}})
    return Effect({"member": context.signer.member, "waiver": bytes.fromhex(digest)}, {"waiver": digest})


def _anchor(context: Context, args: dict[str, Any]) -> Effect:
    """{kind, digest, verdict}: an officer vouches for a report, by the SHA-256 of its bytes; once a digest."""
    sealed(args, "kind", "digest", "verdict")
    officers_only(context)
    digest = _digest(args, "digest")
    path = f"compliance/anchors/{digest.hex()}"
    if context.state.get(path) is not None:
        raise TransactionError(Code.ALREADY_EXISTS, f"{digest.hex()} is anchored")
    entry: dict[str, Any] = {
        "kind": choice(args, "kind", KINDS),
        "digest": digest,
        "member": context.signer.member,
        "officer": context.signer.officer,
        "verdict": choice(args, "verdict", VERDICTS),
        "height": context.height,
        "time_ns": context.time_ns,
    }
    context.state.put(path, entry)
    index = context.state.get("compliance/anchors") or {"latest": [], "count": 0}
    latest = [digest.hex(), *index["latest"]][:_LATEST]
    context.state.put("compliance/anchors", {"latest": latest, "count": index["count"] + 1})
    return Effect(entry, {"kind": entry["kind"], "member": entry["member"], "digest": digest.hex()})


def member_standing(state: State, member: str, height: int) -> Standing:
    """`standing` of a member as the state has it."""
    return standing(state.get(f"compliance/members/{member}"), height)


def _digest(args: Mapping[str, Any], name: str) -> bytes:
    value = required(args, name, bytes)
    if len(value) != 32:
        raise TransactionError(Code.BAD_ARGUMENTS, f"{name} has {len(value)} bytes; a SHA-256 digest has 32")
    return value


def _rules(values: list[Any]) -> list[str]:
    if len(values) > _MAX_FAILING or any(type(v) is not str or not _RULE.fullmatch(v) for v in values):
        raise TransactionError(Code.BAD_ARGUMENTS, f"failing must be at most {_MAX_FAILING} rule ids such as RES-040")
    if values != sorted(set(values)):
        raise TransactionError(Code.BAD_ARGUMENTS, "failing must be sorted, each rule once")
    return values


ACTIONS: dict[str, Action] = {
    "record": _record,
    "forget": _forget,
    "anchor": _anchor,
    "waive": _waive,
    "withdraw_waiver": _withdraw_waiver,
}
