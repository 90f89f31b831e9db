"""What a token must offer for each key type, and whether it does: learned before a key is made or used, not at go-live.

Only bare mechanisms are needed (PKCS#11 v3.0, sections 2.3.4 and 2.3.14 of the current mechanisms): hashing is done
outside. AWS CloudHSM has no Ed25519, for one.
"""

from __future__ import annotations

from typing import Any, Literal

from pkcs11 import KeyType, Mechanism

from gchain_node.errors import KeyAccessError

__all__ = ["KEY_TYPES", "TYPE_OF_ALGORITHM", "KeyTypeName", "check_mechanisms", "is_listed"]

KeyTypeName = Literal["p256", "ed25519", "secp256k1"]
KEY_TYPES: dict[KeyTypeName, tuple[str, KeyType, Mechanism, Mechanism]] = {
    "p256": ("1.2.840.10045.3.1.7", KeyType.EC, Mechanism.EC_KEY_PAIR_GEN, Mechanism.ECDSA),
    "secp256k1": ("1.3.132.0.10", KeyType.EC, Mechanism.EC_KEY_PAIR_GEN, Mechanism.ECDSA),
    "ed25519": ("1.3.101.112", KeyType.EC_EDWARDS, Mechanism.EC_EDWARDS_KEY_PAIR_GEN, Mechanism.EDDSA),
}
"""Object identifier of the curve, type of key, mechanism that makes it, mechanism that signs."""

TYPE_OF_ALGORITHM: dict[str, KeyTypeName] = {"ES256": "p256", "ES256K": "secp256k1", "EdDSA": "ed25519"}


def is_listed(listed: set[Any], key_type: KeyTypeName) -> bool:
    """Whether the token's mechanism list has what makes and what signs with such a key."""
    return not _missing(listed, key_type, making=True)


def check_mechanisms(token: Any, key_type: KeyTypeName, *, making: bool) -> None:
    """Compare C_GetMechanismList of the token with what a key of `key_type` needs (with `making`, also to be made).

    Raises:
        KeyAccessError: a mechanism is missing; the message is a table of what this HSM can do.
    """
    listed = token.slot.get_mechanisms()
    if not _missing(listed, key_type, making=making):
        return
    lines = [f"  {'key type':<12}{'needs':<54}this HSM"]
    for name in KEY_TYPES:
        missing = _missing(listed, name, making=making)
        needs = ", ".join(f"CKM_{each.name}" for each in _needed(name, making=making))
        lines.append(f"  {name:<12}{needs:<54}{'lacks ' + ', '.join(missing) if missing else 'offers it'}")
    table = "\n".join(lines)
    raise KeyAccessError(
        f"token {token.label!r} ({token.manufacturer_id} {token.model}) cannot do what a key of type {key_type} "
        f"needs:\n{table}",
        remedy="before genesis choose a validator_key_type that this HSM offers, or use another HSM; on a live ledger "
        "the key type is settled: use another HSM",
    )


def _needed(key_type: KeyTypeName, *, making: bool) -> list[Mechanism]:
    _, _, generating, signing = KEY_TYPES[key_type]
    return [generating, signing] if making else [signing]


def _missing(listed: set[Any], key_type: KeyTypeName, *, making: bool) -> list[str]:
    return [f"CKM_{each.name}" for each in _needed(key_type, making=making) if each not in listed]
