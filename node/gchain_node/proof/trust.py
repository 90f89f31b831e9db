"""Trust anchors: what a verifier must have from elsewhere, in one file.

`trust.json` is `{version, chain_id, genesis_digest, initial_height, validators, changes, witness}`: the validators of
genesis with the members' names, and the changes of the validator set since, each proved by a header that names the next
set and is signed by the set before. A receipt may bring later changes itself. There is no trusting period: a chain of
headers proves that the validators of the time signed, not that nobody used their keys later to write another history.
Only a witness outside the consortium can show that, and `witness` is null until one cosigns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gchain_node.errors import VerificationError
from gchain_node.proof.block import Commit, Header, ValidatorSet
from gchain_node.proof.light import LightBlock, verify_commit, verify_light_block
from gchain_node.proof.rpc_json import (
    commit_from_json,
    commit_to_json,
    header_from_json,
    header_to_json,
    reading,
    validators_from_json,
    validators_to_json,
)

__all__ = ["Change", "Trust", "from_genesis"]

_VERSION = 1
_MAX_CHANGES = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """A header that names `next_validators` for the height after it, and the commit for it."""

    header: Header
    commit: Commit
    next_validators: ValidatorSet

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Change:
        return reading(
            "a validator change",
            lambda: cls(
                header_from_json(value["header"]),
                commit_from_json(value["commit"]),
                validators_from_json(value["next_validators"]),
            ),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "header": header_to_json(self.header),
            "commit": commit_to_json(self.commit),
            "next_validators": validators_to_json(self.next_validators),
        }


@dataclass(frozen=True, slots=True)
class Trust:
    """`names` are the members behind genesis' validators, by address."""

    chain_id: str
    genesis_digest: str
    initial_height: int
    validators: ValidatorSet
    changes: tuple[Change, ...]
    names: Mapping[bytes, str]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Trust:
        """Raises `VerificationError`."""
        return reading("the trust file", lambda: cls._read(value))

    @classmethod
    def _read(cls, value: Mapping[str, Any]) -> Trust:
        if value["version"] != _VERSION or value["witness"] is not None:
            raise VerificationError(
                "the trust file is of a version, or names a witness, that this program cannot check"
            )
        if not isinstance(value["chain_id"], str) or not isinstance(value["genesis_digest"], str):
            raise TypeError("chain_id and genesis_digest must be texts")
        names = {bytes.fromhex(entry["address"]): str(entry["name"]) for entry in value["validators"]}
        changes = tuple(Change.from_json(entry) for entry in value["changes"])
        validators = validators_from_json(value["validators"])
        if not validators.validators:
            raise ValueError("there are no validators")
        return cls(value["chain_id"], value["genesis_digest"], int(value["initial_height"]), validators, changes, names)

    def to_json(self) -> dict[str, Any]:
        entries = validators_to_json(self.validators)
        for entry in entries:
            entry["name"] = self.names.get(bytes.fromhex(entry["address"]), "")
        return {
            "version": _VERSION,
            "chain_id": self.chain_id,
            "genesis_digest": self.genesis_digest,
            "initial_height": self.initial_height,
            "validators": entries,
            "changes": [change.to_json() for change in self.changes],
            "witness": None,
        }

    def validators_at(self, height: int, more: Iterable[Change] = ()) -> tuple[ValidatorSet, int]:
        """The validators of `height`, and how many changes led there.

        Raises `VerificationError` at the first change that its predecessors did not sign.
        `more` are changes from a receipt; those that this file has already are passed over.
        """
        if height < self.initial_height:
            raise VerificationError(f"height {height} is before the ledger's first, {self.initial_height}")
        current, last, count = self.validators, self.initial_height - 1, 0
        for change in (*self.changes, *more):
            if change.header.height <= last:
                continue
            if change.header.height >= height or count >= _MAX_CHANGES:
                break
            block = LightBlock(change.header, change.commit, current)
            verify_light_block(block, self.chain_id)
            verify_commit(self.chain_id, current, change.commit)
            if change.next_validators.hash() != change.header.next_validators_hash:
                raise VerificationError(f"header {change.header.height} names other validators than the change says")
            current, last, count = change.next_validators, change.header.height, count + 1
        return current, count


def from_genesis(document: Mapping[str, Any], digest: str) -> Trust:
    """The anchor that every member can make for itself. `digest` is `gchain_node.genesis.digest(document)`."""
    return Trust.from_json(
        {
            "version": _VERSION,
            "chain_id": document["chain_id"],
            "genesis_digest": digest,
            "initial_height": int(document["initial_height"]),
            "validators": document["validators"],
            "changes": [],
            "witness": None,
        }
    )
