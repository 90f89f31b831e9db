"""Who signed each block: validator sets from genesis on, and their commits. No code of the node."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gchain.audit import wire
from gchain.audit.findings import AuditError, expect

__all__ = ["Validators", "check_commit", "votes"]

_KEY_TYPES = {"tendermint/PubKeyEd25519": "ed25519", "tendermint/PubKeySecp256k1": "secp256k1"}
_TYPE_OF_KEY = {kind: name for name, kind in _KEY_TYPES.items()}
_HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2
_ABSENT, _COMMIT, _NIL = 1, 2, 3


@dataclass(frozen=True)
class Validators:
    """A set as `(kind, key, power)`, in the engine's order: power descending, address ascending."""

    rows: tuple[tuple[str, bytes, int], ...]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, bytes, int]]) -> Validators:
        return cls(tuple(sorted(rows, key=lambda row: (-row[2], wire.address_of(row[0], row[1])))))

    @classmethod
    def from_json(cls, entries: Iterable[Mapping[str, Any]]) -> Validators:
        """Of genesis (`power`) or of the RPC (`voting_power`)."""
        return cls.of(
            (
                _KEY_TYPES[entry["pub_key"]["type"]],
                base64.b64decode(entry["pub_key"]["value"]),
                int(entry.get("voting_power") or entry["power"]),
            )
            for entry in entries
        )

    def changed(self, updates: Iterable[tuple[str, bytes, int]]) -> Validators:
        powers = {(kind, key): power for kind, key, power in self.rows}
        powers.update({(kind, key): power for kind, key, power in updates})
        return Validators.of((kind, key, power) for (kind, key), power in powers.items() if power)

    def hash(self) -> bytes:
        entries = [
            {"pub_key": {"type": _TYPE_OF_KEY[kind], "value": base64.b64encode(key)}, "voting_power": power}
            for kind, key, power in self.rows
        ]
        return wire.validators_hash(entries)


def check_commit(chain_id: str, height: int, block_hash: bytes, commit: Mapping[str, Any], signers: Validators) -> int:
    """More than two thirds of `signers` signed the block; how many signatures were verified. Raises `AuditError`."""
    entries: Sequence[Mapping[str, Any]] = commit["signatures"]
    expect("the height of its commit", int(commit["height"]), height, height)
    expect("the block that its commit is for", bytes.fromhex(commit["block_id"]["hash"]), block_hash, height)
    expect("the number of places in its commit", len(entries), len(signers.rows), height)
    power = verified = 0
    for place, (entry, (kind, key, weight)) in enumerate(zip(entries, signers.rows, strict=True)):
        flag = entry["block_id_flag"]
        if flag == _ABSENT and not entry["signature"] and not entry["validator_address"]:
            continue
        if flag not in (_COMMIT, _NIL):
            raise AuditError(f"place {place} of its commit is neither signed nor absent", height=height)
        address = bytes.fromhex(entry["validator_address"])
        expect(f"the validator in place {place} of its commit", address, wire.address_of(kind, key), height)
        message = wire.vote_message(chain_id, commit, entry)
        _check_signature(kind, key, message, base64.b64decode(entry["signature"] or ""), height, address)
        verified += 1
        power += weight if flag == _COMMIT else 0
    total = sum(row[2] for row in signers.rows)
    if power * 3 <= total * 2:
        raise AuditError(f"{power} of {total} voting power signed it; more than two thirds are needed", height=height)
    return verified


def votes(commit: Mapping[str, Any], signers: Validators) -> list[tuple[bytes, int, bool]]:
    """Address, power, and whether it signed the block, of each place."""
    rows = zip(commit["signatures"] or [], signers.rows, strict=False)
    return [(wire.address_of(k, key), power, entry["block_id_flag"] == _COMMIT) for entry, (k, key, power) in rows]


def _check_signature(kind: str, key: bytes, message: bytes, signature: bytes, height: int, address: bytes) -> None:
    try:
        if kind == "ed25519":
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
            return
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if len(signature) != 64 or s > _HALF_ORDER:
            raise InvalidSignature
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), key)
        point.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        raise AuditError(f"the signature of validator {address.hex()} does not verify", height=height) from None
