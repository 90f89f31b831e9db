"""Membership: who takes part, with which keys, and which validators the engine must hear of.

    members        {members: [{name, status, role, power, jurisdiction, site}]}, sorted by name
    members/<m>    {name, status, role, power, jurisdiction, account, site, validator, peer, api, member_key, tls_ca,
                    receipt_key, officers, since, signer?}
    keys/<kid>     {member, officer, public_key, until?}: whose key signs, kid in hex, and up to which height

Members come in and go out by proposals of governance alone, which calls the functions here; what a member may change of
itself (where it is reached, which certificate issues its TLS leaves) are actions.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import rfc8785
from pydantic import ValidationError

from gchain_node import contribution
from gchain_node.codes import Code
from gchain_node.errors import TransactionError, VerificationError
from gchain_node.keys.public import cometbft_address, cometbft_bytes, cometbft_type, load_public_key, public_der
from gchain_node.messages import ValidatorUpdate
from gchain_node.modules.context import Action, Context, Effect, required, sealed
from gchain_node.state import State
from gchain_node.tls import read_authorities

__all__ = [
    "ACTIONS",
    "POWER",
    "active_members",
    "add_officer",
    "admit",
    "membership_digest",
    "promote",
    "refuse_shared_receipt",
    "refuse_shared_validator",
    "register_key",
    "reinstate",
    "remove_officer",
    "suspend",
    "validator_update",
]

POWER = 10
_MAX_CERTIFICATE = 8192
_MAX_OFFICERS = contribution.MAX_OFFICERS
_Form = type[contribution.Endpoint | contribution.Peer]
_ENDPOINTS: dict[str, _Form] = {
    "peer": contribution.Peer,
    "api": contribution.Endpoint,
}


def active_members(state: State) -> list[dict[str, Any]]:
    """The full entries of members that are not suspended, by name."""
    return [state.get(f"members/{row['name']}") for row in _index(state) if row["status"] == "active"]


def membership_digest(members: Iterable[Mapping[str, Any]]) -> str:
    """`sha256:` over RFC 8785 of who is a member, in what role, with which keys; what go-live approvals bind."""
    rows = [
        {
            "member": m["name"],
            "status": m["status"],
            "role": m["role"],
            "jurisdiction": m["jurisdiction"],
            "member_key": _text(m["member_key"]),
            "validator_key": _text(m["validator"]["public_key"]),
            "officers": [{"name": o["name"], "public_key": _text(o["public_key"])} for o in m["officers"]],
        }
        for m in sorted(members, key=lambda m: str(m["name"]))
    ]
    return "sha256:" + hashlib.sha256(rfc8785.dumps(rows)).hexdigest()


def admit(state: State, payload: Mapping[str, Any], height: int, *, role: str) -> dict[str, Any]:
    """Enter a member from the payload of its contribution, whose signatures the caller has verified.

    Raises `TransactionError` if the member, one of its keys or its peer is there already.
    """
    name = payload["member"]
    if state.get(f"members/{name}") is not None:
        raise TransactionError(Code.ALREADY_EXISTS, f"member {name} exists")
    member = _entry(payload, height, role)
    _refuse_shared(state, member)
    register_key(state, member["member_key"], name, None)
    for officer in member["officers"]:
        register_key(state, officer["public_key"], name, officer["name"])
    save(state, member)
    return member


def _entry(payload: Mapping[str, Any], height: int, role: str) -> dict[str, Any]:
    officers = [{"name": o["name"], "public_key": _der(o["public_key"])} for o in payload["officers"]]
    return {
        "name": payload["member"],
        "status": "active",
        "role": role,
        "power": POWER if role == "validator" else 0,
        "jurisdiction": payload["jurisdiction"],
        "account": payload["account"],
        "site": payload["site"],
        "validator": _validator(payload["validator"]["public_key"]),
        "peer": dict(payload["peer"]),
        "api": dict(payload["api"]),
        "member_key": _der(payload["member_key"]),
        "tls_ca": payload["tls_ca"],
        "receipt_key": _der(payload["receipt_key"]),
        "officers": sorted(officers, key=lambda o: str(o["name"])),
        "since": height,
    }


def _refuse_shared(state: State, member: Mapping[str, Any]) -> None:
    _refuse_shared_peer(state, member)
    refuse_shared_validator(state, member["validator"])
    refuse_shared_receipt(state, member["receipt_key"])


def refuse_shared_validator(state: State, validator: Mapping[str, Any]) -> None:
    """Raises `TransactionError` if the consensus key is, was or will be a member's."""
    for row in _index(state):
        if state.get(f"members/{row['name']}")["validator"] == validator:
            raise TransactionError(Code.ALREADY_EXISTS, f"the validator key belongs to {row['name']}")
    rotated = state.get(f"governance/rotated/{validator['address'].hex()}")
    if rotated is not None:
        raise TransactionError(
            Code.ALREADY_EXISTS, f"the validator key is {rotated['member']}'s, {rotated['status']}: make a new one"
        )


def refuse_shared_receipt(state: State, public_key: bytes) -> None:
    """Raises `TransactionError` if a member has this receipt key, or had it."""
    for row in _index(state):
        if state.get(f"members/{row['name']}")["receipt_key"] == public_key:
            raise TransactionError(Code.ALREADY_EXISTS, f"the receipt key belongs to {row['name']}")
    rotated = state.get(f"governance/rotated/{hashlib.sha256(public_key).hexdigest()}")
    if rotated is not None:
        raise TransactionError(
            Code.ALREADY_EXISTS, f"the receipt key is {rotated['member']}'s, {rotated['status']}: make a new one"
        )


def suspend(context: Context, name: str) -> None:
    """Take a member's vote, voice and power; its records and history stay."""
    member = _existing(context.state, name)
    if member["status"] != "active":
        raise TransactionError(Code.CONFLICT, f"member {name} is suspended already")
    rest = [m for m in active_members(context.state) if m["name"] != name]
    if not any(m["power"] for m in rest):
        raise TransactionError(Code.REFUSED_BY_RULES, f"without {name} no validator would be left")
    if member["power"]:
        context.validator_updates.append(validator_update(member, 0))
    member |= {"status": "suspended", "power": 0}
    save(context.state, member)


def reinstate(context: Context, name: str) -> None:
    member = _existing(context.state, name)
    if member["status"] == "active":
        raise TransactionError(Code.CONFLICT, f"member {name} is active")
    member |= {"status": "active", "power": POWER if member["role"] == "validator" else 0}
    if member["power"]:
        context.validator_updates.append(validator_update(member, POWER))
    save(context.state, member)


def promote(context: Context, name: str) -> None:
    """An observer with a validator key becomes a validator, with effect two blocks later."""
    member = _existing(context.state, name)
    if member["status"] != "active" or member["role"] == "validator":
        raise TransactionError(Code.CONFLICT, f"member {name} is not an active observer")
    member |= {"role": "validator", "power": POWER}
    context.validator_updates.append(validator_update(member, POWER))
    save(context.state, member)


def add_officer(state: State, name: str, officer: str, public_key: bytes) -> None:
    """`public_key` is DER; its proof of possession has been verified."""
    member = _existing(state, name)
    if any(o["name"] == officer for o in member["officers"]):
        raise TransactionError(Code.ALREADY_EXISTS, f"member {name} has an officer {officer}")
    if len(member["officers"]) >= _MAX_OFFICERS:
        raise TransactionError(Code.REFUSED_BY_RULES, f"member {name} has {_MAX_OFFICERS} officers, which is the most")
    register_key(state, public_key, name, officer)
    added = [*member["officers"], {"name": officer, "public_key": public_key}]
    member["officers"] = sorted(added, key=lambda o: str(o["name"]))
    save(state, member)


def remove_officer(state: State, name: str, officer: str) -> None:
    member = _existing(state, name)
    gone = [o for o in member["officers"] if o["name"] == officer]
    if not gone:
        raise TransactionError(Code.NOT_FOUND, f"member {name} has no officer {officer}")
    if len(member["officers"]) == 1:
        raise TransactionError(Code.REFUSED_BY_RULES, f"{officer} is the last officer of {name}: add another first")
    state.delete(f"keys/{hashlib.sha256(gone[0]['public_key']).hexdigest()}")
    member["officers"] = [o for o in member["officers"] if o["name"] != officer]
    save(state, member)


def validator_update(member: Mapping[str, Any], power: int) -> ValidatorUpdate:
    return ValidatorUpdate(member["validator"]["type"], member["validator"]["public_key"], power)


def save(state: State, member: Mapping[str, Any]) -> None:
    """Write a member's entry, its row in the index, and the digest that approvals bind."""
    name = member["name"]
    state.put(f"members/{name}", member)
    row = {key: member[key] for key in ("name", "status", "role", "power", "jurisdiction", "site")}
    rows = [r for r in _index(state) if r["name"] != name]
    state.put("members", {"members": sorted([*rows, row], key=lambda r: str(r["name"]))})
    consortium = state.get("consortium")
    members = [state.get(f"members/{r['name']}") for r in _index(state)]
    state.put("consortium", consortium | {"membership_digest": membership_digest(members)})


def _set_endpoints(context: Context, args: dict[str, Any]) -> Effect:
    """{peer: {id, host, port}, api: {host, port}}: where the member's node is reached.

    Other members' engines dial what stands here: it has the form that a contribution's has.
    """
    sealed(args, "peer", "api")
    member = _existing(context.state, context.signer.member)
    if not args:
        raise TransactionError(Code.BAD_ARGUMENTS, "argument peer or api is needed")
    for name, form in _ENDPOINTS.items():
        if name in args:
            member[name] = _endpoint(name, required(args, name, dict), form)
    _refuse_shared_peer(context.state, member)
    save(context.state, member)
    return Effect({"member": member["name"], "peer": member["peer"], "api": member["api"]}, {"member": member["name"]})


def _endpoint(
    name: str, value: dict[str, Any], form: type[contribution.Endpoint | contribution.Peer]
) -> dict[str, Any]:
    try:
        return form.model_validate(value).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([name, *map(str, first["loc"])])
        raise TransactionError(Code.BAD_ARGUMENTS, f"argument {where}: {first['msg']}") from error


def _refuse_shared_peer(state: State, member: Mapping[str, Any]) -> None:
    for other in _others(state, member["name"]):
        if other["peer"]["id"] == member["peer"]["id"]:
            raise TransactionError(Code.ALREADY_EXISTS, f"peer {member['peer']['id']} belongs to {other['name']}")


def _set_tls_ca(context: Context, args: dict[str, Any]) -> Effect:
    """{tls_ca}: the PEM certificate that issues the member's TLS leaves; every node trusts it for this member alone.

    Two certificates, one after the other, while a new issuing key takes over from the old one.
    """
    sealed(args, "tls_ca")
    certificate = required(args, "tls_ca", str)
    if len(certificate) > _MAX_CERTIFICATE:
        raise TransactionError(Code.BAD_ARGUMENTS, f"tls_ca has {len(certificate)} bytes; at most {_MAX_CERTIFICATE}")
    member = _existing(context.state, context.signer.member)
    try:
        read_authorities(certificate, member["name"])
    except (VerificationError, ValueError) as error:
        raise TransactionError(
            Code.BAD_ARGUMENTS, f"tls_ca is not for issuing this member's leaves: {error}"
        ) from error
    member["tls_ca"] = certificate
    save(context.state, member)
    digest = hashlib.sha256(certificate.encode()).digest()
    return Effect({"member": member["name"], "tls_ca_sha256": digest}, {"member": member["name"]})


def _others(state: State, name: str) -> list[dict[str, Any]]:
    return [state.get(f"members/{row['name']}") for row in _index(state) if row["name"] != name]


def _index(state: State) -> list[dict[str, Any]]:
    index = state.get("members")
    return [] if index is None else list(index["members"])


def _existing(state: State, name: str) -> dict[str, Any]:
    member: dict[str, Any] | None = state.get(f"members/{name}")
    if member is None:
        raise TransactionError(Code.NOT_FOUND, f"there is no member {name}")
    return member


def register_key(state: State, public_key: bytes, member: str, officer: str | None) -> None:
    """Let a key (DER) sign as the member or its officer. Raises `TransactionError` if any member has or had it."""
    path = f"keys/{hashlib.sha256(public_key).hexdigest()}"
    owner = state.get(path)
    if owner is not None:
        whose = owner["member"] + (f"/{owner['officer']}" if owner["officer"] else "")
        raise TransactionError(Code.ALREADY_EXISTS, f"a key of {member} belongs to {whose} already")
    state.put(path, {"member": member, "officer": officer, "public_key": public_key})


def _der(text: str) -> bytes:
    try:
        return public_der(load_public_key(text))
    except VerificationError as error:
        raise TransactionError(Code.BAD_ARGUMENTS, str(error)) from error


def _validator(text: str) -> dict[str, Any]:
    key = load_public_key(text)
    return {"type": cometbft_type(key), "public_key": cometbft_bytes(key), "address": cometbft_address(key)}


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


ACTIONS: dict[str, Action] = {"set_endpoints": _set_endpoints, "set_tls_ca": _set_tls_ca}
