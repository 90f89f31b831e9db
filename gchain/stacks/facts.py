"""Signed public facts: what a member tells the others about its network, and nothing else crosses between stacks.

A fact file is JSON `{facts, public_key, signature}`: an Ed25519 signature over `gchain/facts/v1\\n` and the RFC 8785
form of `facts`, by the member's administrator key. What the consortium's file already says about the member must be
repeated exactly, so a forged file could at most name another VPC of the member's own account. The key is trusted on
first use and remembered in `pins`: another key later is refused.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gchain.environment import Environment
from gchain.errors import ConsortiumError
from gchain.stacks import ssh_key

__all__ = ["PublicFacts", "decode", "encode", "read_all", "write"]

_CONTEXT = b"gchain/facts/v1\n"


class PublicFacts(BaseModel):
    """A member's network, for the other members' round 2.

    `peerings` are its requests, member -> connection id; `hosts` its hosts, private name -> address.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    member: str
    account: str
    region: str
    vpc_id: str = Field(pattern=r"^vpc-[0-9a-f]+$")
    cidrs: tuple[str, ...]
    zone: str
    environment: str
    peerings: dict[str, str] = Field(default_factory=dict)
    hosts: dict[str, IPv4Address] = Field(default_factory=dict)


@dataclass(frozen=True)
class _Signed:
    facts: dict[str, Any]
    public_key: str
    signature: bytes = field(repr=False)


def encode(facts: PublicFacts, key: Ed25519PrivateKey) -> bytes:
    """The signed file."""
    payload = facts.model_dump(mode="json")
    signature = key.sign(_CONTEXT + rfc8785.dumps(payload))
    document = {
        "facts": payload,
        "public_key": ssh_key.public_text(key.public_key()),
        "signature": base64.b64encode(signature).decode("ascii"),
    }
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def decode(raw: bytes, source: str, environment: Environment) -> tuple[PublicFacts, str]:
    """Verify a signed file: the facts and the signer's public key.

    Args:
        source: the file's name, for errors.

    Raises:
        ConsortiumError: not such a file, a wrong signature, or facts that contradict the consortium's file.
    """
    signed = _parse(raw, source)
    try:
        verifier = ssh_key.parse_public(signed.public_key)
        verifier.verify(signed.signature, _CONTEXT + rfc8785.dumps(signed.facts))
        facts = PublicFacts.model_validate(signed.facts)
    except InvalidSignature as error:
        raise ConsortiumError(f"{source}: the signature does not match the facts", remedy=_ASK_AGAIN) from error
    except (ValueError, ValidationError) as error:
        raise ConsortiumError(f"{source}: {error}", remedy=_ASK_AGAIN) from error
    _verify_against(facts, source, environment)
    return facts, signed.public_key


_ASK_AGAIN = "ask the member for its file again, over a channel that you trust"


def _parse(raw: bytes, source: str) -> _Signed:
    try:
        document = json.loads(raw)
        signature = base64.b64decode(document["signature"], validate=True)
        facts, public_key = document["facts"], document["public_key"]
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise ConsortiumError(f"{source}: not a file of signed facts ({error!r})", remedy=_ASK_AGAIN) from error
    if not isinstance(facts, dict) or not isinstance(public_key, str):
        raise ConsortiumError(f"{source}: not a file of signed facts", remedy=_ASK_AGAIN)
    return _Signed(facts, public_key, signature)


def _verify_against(facts: PublicFacts, source: str, environment: Environment) -> None:
    member = environment.consortium.member(facts.member)
    if member is None:
        raise ConsortiumError(f"{source}: {facts.member!r} is not a member of {environment.consortium.name}")
    expected = {
        "account": member.account,
        "region": member.region,
        "cidrs": (str(member.vpc_cidr),),
        "zone": environment.zone.name,
        "environment": environment.name,
    }
    for name, value in expected.items():
        found = getattr(facts, name)
        if found != value:
            raise ConsortiumError(f"{source}: {name} is {found!r}, the environment's files say {value!r}")
    suffix = f".{member.name}.{environment.zone.domain}"
    for host, address in facts.hosts.items():
        if not host.endswith(suffix) or address not in member.vpc_cidr:
            raise ConsortiumError(
                f"{source}: host {host!r} at {address} is not {member.name}'s to name: "
                f"expected a name under {suffix} and an address in {member.vpc_cidr}"
            )


def write(facts: PublicFacts, key: Ed25519PrivateKey, directory: Path) -> Path:
    """Put the signed file where the other members look, replacing the old one in one step."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{facts.member}.json"
    draft = path.with_suffix(".new")
    draft.write_bytes(encode(facts, key))
    draft.replace(path)
    return path


def read_all(directory: Path, environment: Environment, pins: Path | None = None) -> dict[str, PublicFacts]:
    """Every member's verified facts in `directory`, by member.

    Args:
        pins: file of the keys seen before (member -> public key); new members are added to it.

    Raises:
        ConsortiumError: a file does not verify, lies under another member's name, or is signed by another key than
        before.
    """
    found: dict[str, PublicFacts] = {}
    known = _read_pins(pins)
    seen = dict(known)
    for path in sorted(directory.glob("*.json")):
        facts, public_key = decode(path.read_bytes(), str(path), environment)
        if facts.member != path.stem:
            raise ConsortiumError(f"{path}: holds the facts of {facts.member!r}")
        if seen.setdefault(facts.member, public_key) != public_key:
            raise ConsortiumError(
                f"{path}: signed by another key than {facts.member}'s file before",
                remedy=f"if {facts.member} did change its key, ask it, then remove its entry from {pins}",
            )
        found[facts.member] = facts
    if pins and seen != known:
        _write_pins(pins, seen)
    return found


def _read_pins(pins: Path | None) -> dict[str, str]:
    if pins is None or not pins.is_file():
        return {}
    try:
        return {str(name): str(key) for name, key in json.loads(pins.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError) as error:
        raise ConsortiumError(f"{pins}: not a list of members' keys", remedy="restore it from a backup") from error


def _write_pins(pins: Path, keys: dict[str, str]) -> None:
    pins.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = pins.with_suffix(".new")
    draft.write_text(json.dumps(keys, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(pins)
