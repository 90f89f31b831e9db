"""Genesis: a CometBFT genesis document built from the members' signed contributions, the same at every member.

Same contributions, settings and rules give the same document byte for byte (RFC 8785), whatever the order they are
given in. Every member checks the document against its own files and signs its digest before it starts a node; a node
checks it again when the engine hands it over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785

from gchain_node import contribution, validators
from gchain_node.errors import GenesisError, NodeError, VerificationError
from gchain_node.keys.public import load_public_key, verify_signature
from gchain_node.messages import InitChain
from gchain_node.modules import membership
from gchain_node.state import Nothing, State
from gchain_node.tx import SigningKey

__all__ = [
    "SEVERITIES",
    "THRESHOLDS",
    "VERSION",
    "Settings",
    "build",
    "check",
    "check_signatures",
    "digest",
    "initial_state",
    "sign",
]

VERSION = 1
THRESHOLDS = ("all", "two-thirds", "majority")
_THRESHOLD_NAMES = {"go_live", "proposal", "noncompliance"}
SEVERITIES = ("critical", "high", "medium", "low")
_STAGES = ("preflight", "plan", "state", "live", "node", "attest")
_PURPOSE = b"gchain/genesis/v1\n"
_KEY_JSON = {"ed25519": "tendermint/PubKeyEd25519", "secp256k1": "tendermint/PubKeySecp256k1"}
_APP_STATE = {
    "version", "consortium", "convenor", "environment", "zone_digest", "thresholds", "rules", "contributions",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """What the consortium has agreed on. `genesis_time` is RFC 3339 in UTC with `Z`; digests are `sha256:<hex>`."""

    consortium: str
    chain_id: str
    convenor: str
    environment: str
    zone_digest: str
    genesis_time: str
    validator_key_type: str = "ed25519"
    go_live_threshold: str = "all"
    proposal_threshold: str = "two-thirds"
    noncompliance_threshold: str | None = None


def build(contributions: Iterable[Mapping[str, Any]], settings: Settings, rules: Mapping[str, Any]) -> dict[str, Any]:
    """The genesis document.

    Args:
        contributions: the members' contribution documents `{payload, signature}`, in any order.
        rules: `{digest, enforced: [{id, severity, stages}]}`.

    Raises:
        GenesisError: a contribution does not verify, or two members share a name, key or peer; or the settings or
            rules cannot make a ledger.
    """
    ordered = sorted((dict(c) for c in contributions), key=lambda c: str(c.get("payload", {}).get("member")))
    document: dict[str, Any] = {
        "genesis_time": settings.genesis_time,
        "chain_id": settings.chain_id,
        "initial_height": "1",
        "consensus_params": _consensus_params(settings.validator_key_type),
        "validators": [],
        "app_hash": "",
        "app_state": {
            "version": VERSION,
            "consortium": settings.consortium,
            "convenor": settings.convenor,
            "environment": settings.environment,
            "zone_digest": settings.zone_digest,
            "thresholds": _thresholds(settings),
            "rules": {name: rules.get(name) for name in ("digest", "enforced")},
            "contributions": ordered,
        },
    }
    members = _members(document["app_state"], settings.chain_id)
    document["validators"] = [_validator_json(member) for member in members if member["power"]]
    check(document)
    return document


def _thresholds(settings: Settings) -> dict[str, str]:
    found = {"go_live": settings.go_live_threshold, "proposal": settings.proposal_threshold}
    if settings.noncompliance_threshold is not None:
        found["noncompliance"] = settings.noncompliance_threshold
    return found


def _consensus_params(key_type: str) -> dict[str, Any]:
    """Numbers are texts, as the engine writes 64-bit ones. Evidence is kept for two days or 100,000 blocks."""
    if key_type not in _KEY_JSON:
        raise GenesisError(f"validator_key_type is {key_type!r}; one of {', '.join(_KEY_JSON)} expected")
    return {
        "block": {"max_bytes": "4194304", "max_gas": "-1"},
        "evidence": {"max_age_num_blocks": "100000", "max_age_duration": "172800000000000", "max_bytes": "1048576"},
        "validator": {"pub_key_types": [key_type]},
        "version": {"app": "1"},
        "abci": {"vote_extensions_enable_height": "0"},
    }


def digest(document: Mapping[str, Any]) -> str:
    """`sha256:` over RFC 8785 of the whole document. Raises `GenesisError` for numbers that have no such form."""
    return _digest("genesis", dict(document))


def _digest(what: str, value: Any) -> str:
    try:
        return "sha256:" + hashlib.sha256(rfc8785.dumps(value)).hexdigest()
    except rfc8785.CanonicalizationError as error:
        raise GenesisError(f"{what} has no canonical form: {error}") from error


def check(document: Mapping[str, Any]) -> None:
    """Raises `GenesisError` unless a ledger can start from this document, and it says nothing but its contributions."""
    try:
        members = _members(document["app_state"], document["chain_id"])
        expected = [_validator_json(member) for member in members if member["power"]]
        if document["validators"] != expected:
            raise GenesisError("the validators are not those of the contributions")
        types = document["consensus_params"]["validator"]["pub_key_types"]
    except (KeyError, TypeError) as error:
        raise GenesisError(f"genesis lacks {error}") from error
    for entry in expected:
        if entry["pub_key"]["type"] not in [_KEY_JSON.get(name) for name in types]:
            raise GenesisError(
                f"the validator key of {entry['name']} is {entry['pub_key']['type']}; genesis allows {types}"
            )


def sign(document: Mapping[str, Any], member: str, key: SigningKey) -> dict[str, str]:
    """`{digest, member, signature}`: the member starts from this document. `key` is its member key."""
    name = digest(document)
    signature = base64.urlsafe_b64encode(key.sign(_PURPOSE + name.encode())).rstrip(b"=").decode()
    return {"digest": name, "member": member, "signature": signature}


def check_signatures(document: Mapping[str, Any], signatures: Iterable[Mapping[str, str]]) -> None:
    """Raises `GenesisError` unless every member of the document signed its digest, and nobody else."""
    name = digest(document)
    keys = {c["payload"]["member"]: c["payload"]["member_key"] for c in document["app_state"]["contributions"]}
    for entry in signatures:
        member = entry.get("member", "")
        key = keys.pop(member, None)
        if key is None:
            raise GenesisError(f"a signature is by {member!r}, which is no member of genesis or has signed already")
        if entry.get("digest") != name:
            raise GenesisError(f"{member} signed {entry.get('digest')}; this genesis is {name}")
        try:
            raw = base64.urlsafe_b64decode(entry.get("signature", "") + "==")
            verify_signature(load_public_key(key), _PURPOSE + name.encode(), raw)
        except (binascii.Error, ValueError, VerificationError) as error:
            raise GenesisError(f"the signature of {member} on genesis does not verify: {error}") from error
    if keys:
        raise GenesisError(f"genesis is not signed by {', '.join(sorted(keys))}")


def initial_state(state: State, request: InitChain) -> None:
    """Write the state of height 0. Raises `GenesisError` if the engine started with others than its members."""
    try:
        app_state = json.loads(request.app_state)
    except ValueError as error:
        raise GenesisError(f"the genesis app_state is not JSON: {error}") from error
    members = _enter(state, app_state, request.chain_id)
    expected = {membership.validator_update(member, member["power"]) for member in members if member["power"]}
    if set(request.validators) != expected:
        raise GenesisError("the engine's validators are not those of the genesis contributions")
    allowed = request.consensus_params.get("validator", {}).get("pub_key_types", ())
    validators.begin(state, request.validators, allowed)


def _members(app_state: Mapping[str, Any], chain_id: str) -> list[dict[str, Any]]:
    return _enter(State(Nothing()), app_state, chain_id)


def _enter(state: State, app_state: Mapping[str, Any], chain_id: str) -> list[dict[str, Any]]:
    _check_app_state(app_state, chain_id)
    state.put("consortium", _consortium(app_state, chain_id))
    state.put("rules", {"digest": app_state["rules"]["digest"], "enforced": app_state["rules"]["enforced"]})
    members = []
    for document in app_state["contributions"]:
        name = document.get("payload", {}).get("member", "?") if isinstance(document, dict) else "?"
        try:
            contribution.verify(document, consortium=app_state["consortium"])
            payload = document["payload"]
            role = "validator" if "validator" in payload["roles"] else "observer"
            members.append(membership.admit(state, payload, 0, role=role))
        except (NodeError, KeyError, TypeError) as error:
            words = str(error) if isinstance(error, NodeError) else f"it lacks {error}"
            raise GenesisError(f"the contribution of {name} cannot be used: {words}") from error
    _check_members(app_state, members)
    return members


def _consortium(app_state: Mapping[str, Any], chain_id: str) -> dict[str, Any]:
    return {
        "name": app_state["consortium"],
        "chain_id": chain_id,
        "convenor": app_state["convenor"],
        "environment": app_state["environment"],
        "phase": "forming",
        "live_height": 0,
        "zone_digest": app_state["zone_digest"],
        "rules_digest": app_state["rules"]["digest"],
        "membership_digest": "",
        "thresholds": app_state["thresholds"],
    }


def _check_app_state(app_state: Any, chain_id: str) -> None:
    if not isinstance(app_state, dict) or set(app_state) != _APP_STATE:
        raise GenesisError(f"the genesis app_state must hold exactly {', '.join(sorted(_APP_STATE))}")
    if app_state["version"] != VERSION:
        raise GenesisError(f"genesis has version {app_state['version']!r}; this node reads {VERSION}")
    if not isinstance(chain_id, str) or not 0 < len(chain_id) <= 50:
        raise GenesisError("the chain id must have 1 to 50 characters")
    thresholds = app_state["thresholds"]
    if not isinstance(thresholds, dict) or not {"go_live", "proposal"} <= set(thresholds) <= _THRESHOLD_NAMES:
        raise GenesisError(f"thresholds must be go_live and proposal, and may have noncompliance; found {thresholds}")
    for name in sorted(thresholds):
        if thresholds[name] not in THRESHOLDS:
            raise GenesisError(f"threshold {name} is {thresholds[name]!r}; one of {', '.join(THRESHOLDS)}")
    _check_rules(app_state["rules"])


def _check_rules(rules: Any) -> None:
    if not isinstance(rules, dict) or set(rules) != {"digest", "enforced"} or not rules["enforced"]:
        raise GenesisError("the rules of genesis must be {digest, enforced}, with at least one rule enforced")
    if not isinstance(rules["enforced"], list) or not all(isinstance(rule, dict) for rule in rules["enforced"]):
        raise GenesisError("the enforced rules of genesis must be a list of {id, severity, stages}")
    found = _digest("the rule set", rules["enforced"])
    if found != rules["digest"]:
        raise GenesisError(f"the rule set's digest is {rules['digest']}, its rules make {found}")
    names = [rule.get("id") for rule in rules["enforced"]]
    if len(set(names)) != len(names):
        raise GenesisError("a rule is enforced twice")
    for rule in rules["enforced"]:
        stages: Sequence[str] = rule.get("stages") or ()
        if set(rule) != {"id", "severity", "stages"} or rule["severity"] not in SEVERITIES:
            raise GenesisError(
                f"rule {rule.get('id')} must be {{id, severity, stages}}, severity one of {', '.join(SEVERITIES)}"
            )
        if not stages or len(set(stages)) != len(stages) or not set(stages) <= set(_STAGES):
            raise GenesisError(f"rule {rule['id']} has stages {stages}; one or more of {', '.join(_STAGES)} expected")


def _check_members(app_state: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> None:
    names = [str(member["name"]) for member in members]
    if names != sorted(names):
        raise GenesisError("the contributions are not sorted by member")
    if app_state["convenor"] not in names:
        raise GenesisError(f"the convenor {app_state['convenor']} has made no contribution")
    if not any(member["power"] for member in members):
        raise GenesisError("no member is a validator")


def _validator_json(member: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of `validators` (CometBFT v0.38 types/genesis.go)."""
    validator = member["validator"]
    return {
        "address": validator["address"].hex().upper(),
        "pub_key": {
            "type": _KEY_JSON[validator["type"]],
            "value": base64.b64encode(validator["public_key"]).decode(),
        },
        "power": str(member["power"]),
        "name": member["name"],
    }
