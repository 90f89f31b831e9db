"""Genesis contributions: what one member brings to genesis, signed by its member key, each key with proof of
possession.

`make` runs on the member's host and needs the member token. The validator's key is in another token with another PIN,
used by another user: `prove_validator` runs as that user, and its result is embedded. `verify` needs neither clock
nor network, so every member checks every contribution alike.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gchain_node.errors import GenesisError, VerificationError
from gchain_node.keys import Key, PublicKey, cometbft_type, encode_public_key, load_public_key, verify_signature
from gchain_node.keys.possession import decode_signature, encode_signature, prove, verify_possession

__all__ = ["MAX_OFFICERS", "Contribution", "Endpoint", "Facts", "Payload", "Peer", "make", "prove_validator", "verify"]

_Label = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")]
_Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.:]{0,253}[A-Za-z0-9])?$")]
_Port = Annotated[int, Field(ge=1, le=65535)]
MAX_OFFICERS = 16
_Role = Literal["validator", "observer"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Validator(_Part):
    type: Literal["ed25519", "secp256k1"]
    public_key: str
    pop: str


class Officer(_Part):
    name: _Label
    public_key: str
    pop: str


class Peer(_Part):
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    host: _Host
    port: _Port


class Endpoint(_Part):
    host: _Host
    port: _Port


class Facts(_Part):
    """What the member states about itself, before keys come in."""

    consortium: _Label
    member: _Label
    jurisdiction: Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,8})?$")]
    account: Annotated[str, Field(pattern=r"^[0-9]{12}$")]
    site: Annotated[str, Field(min_length=1, max_length=64)]
    roles: Annotated[list[_Role], Field(min_length=1)]
    peer: Peer
    api: Endpoint


class Payload(Facts):
    validator: Validator
    member_key: str
    tls_ca: str
    receipt_key: str
    receipt_pop: str
    officers: Annotated[list[Officer], Field(min_length=1, max_length=MAX_OFFICERS)]


class Contribution(_Part):
    payload: Payload
    signature: str


def prove_validator(key: Key, *, consortium: str, member: str) -> dict[str, str]:
    """The validator part of a contribution: type, public key and proof. Runs where the validator's token is."""
    return {
        "type": cometbft_type(key.public_key),
        "public_key": encode_public_key(key.public_key),
        "pop": prove(key, consortium=consortium, member=member, purpose="validator"),
    }


def make(
    facts: Facts,
    *,
    validator: dict[str, str],
    officers: list[dict[str, Any]],
    tls_ca: str,
    member_key: Key,
    receipt_key: Key,
) -> dict[str, Any]:
    """The signed contribution. `officers` are public files of `officer init`; `tls_ca` is the issuing certificate's
    PEM.

    Raises `VerificationError` or `GenesisError` if any part is not what `verify` would accept.
    """
    words = {"consortium": facts.consortium, "member": facts.member}
    payload = facts.model_dump() | {
        "validator": validator,
        "member_key": encode_public_key(member_key.public_key),
        "tls_ca": tls_ca,
        "receipt_key": encode_public_key(receipt_key.public_key),
        "receipt_pop": prove(receipt_key, **words, purpose="receipt"),
        "officers": [{field: officer.get(field) for field in ("name", "public_key", "pop")} for officer in officers],
    }
    contribution = {"payload": payload, "signature": encode_signature(member_key.sign(rfc8785.dumps(payload)))}
    verify(contribution)
    return contribution


def verify(contribution: Any, *, consortium: str | None = None) -> None:
    """Check a contribution: its form, every proof of possession, the TLS issuing certificate, and the member's
    signature.

    `consortium`: the name that it must be for. Raises `GenesisError` for the form, `VerificationError` for the rest.
    """
    try:
        checked = Contribution.model_validate(contribution)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise GenesisError(f"a contribution is malformed: {problems}") from error
    payload = checked.payload
    if consortium is not None and payload.consortium != consortium:
        raise VerificationError(
            f"{payload.member}'s contribution is for consortium {payload.consortium!r}, not {consortium!r}"
        )
    member_key = _p256(payload.member_key, f"{payload.member}'s member key")
    raw = rfc8785.dumps(contribution["payload"])
    try:
        verify_signature(member_key, raw, decode_signature(checked.signature))
    except VerificationError as error:
        raise VerificationError(f"{payload.member}'s contribution: {error}") from error
    _verify_validator(payload)
    _verify_possessions(payload)
    _verify_tls_ca(payload)
    _refuse_shared_keys(payload)


def _verify_validator(payload: Payload) -> None:
    key = load_public_key(payload.validator.public_key)
    if cometbft_type(key) != payload.validator.type:
        raise VerificationError(
            f"{payload.member}'s validator key is {cometbft_type(key)}, not {payload.validator.type}"
        )
    words = {"consortium": payload.consortium, "member": payload.member}
    verify_possession(key, payload.validator.pop, **words, purpose="validator")


def _verify_possessions(payload: Payload) -> None:
    words = {"consortium": payload.consortium, "member": payload.member}
    receipt = _p256(payload.receipt_key, f"{payload.member}'s receipt key")
    verify_possession(receipt, payload.receipt_pop, **words, purpose="receipt")
    for officer in payload.officers:
        key = _p256(officer.public_key, f"officer {officer.name}'s key")
        verify_possession(key, officer.pop, **words, purpose=f"officer/{officer.name}")
    names = [officer.name for officer in payload.officers]
    if len(set(names)) != len(names):
        raise VerificationError(f"{payload.member} names an officer twice: {', '.join(names)}")


def _verify_tls_ca(payload: Payload) -> None:
    from gchain_node.tls import read_authority

    try:
        read_authority(payload.tls_ca, payload.member)
    except VerificationError as error:
        raise VerificationError(f"{payload.member}'s TLS issuing certificate: {error}") from error


def _refuse_shared_keys(payload: Payload) -> None:
    """One key, one purpose: a key that signs receipts must not be able to pass for an officer."""
    from gchain_node.tls import read_authority

    authority = read_authority(payload.tls_ca, payload.member).public_key()
    assert isinstance(authority, ec.EllipticCurvePublicKey)  # noqa: S101 -- read_authority has checked it
    keys = [payload.validator.public_key, payload.member_key, payload.receipt_key, encode_public_key(authority)]
    keys += [officer.public_key for officer in payload.officers]
    if len(set(keys)) != len(keys):
        raise VerificationError(f"{payload.member} uses one key for two purposes")


def _p256(text: str, what: str) -> PublicKey:
    key = load_public_key(text)
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise VerificationError(f"{what} is not on P-256")
    return key
