"""Trust anchors: what a verifier must have from elsewhere, in one file.

`trust.json` is `{version, chain_id, genesis_digest, initial_height, validators, changes, log_keys, witness}`: the
validators of genesis with the members' names, the changes of the validator set since, each proved by a header that
names the next set and is signed by the set before, the members' log keys, and witnesses of the log. A receipt may bring
later changes itself. There is no trusting period: a chain of headers proves that the validators of the time signed, not
that nobody used their keys later to write another history. Only a witness outside the consortium can show that:
`witness` is null, or `{keys, threshold, checkpoint}`. With a witness, `validators` may be empty: then receipts are
verified by the witnessed log alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gchain_node.errors import VerificationError
from gchain_node.keys.public import load_public_key
from gchain_node.proof.block import Commit, Header, ValidatorSet
from gchain_node.proof.light import LightBlock, verify_commit, verify_light_block
from gchain_node.proof.logged import LogTrust
from gchain_node.proof.rpc_json import (
    commit_from_json,
    commit_to_json,
    header_from_json,
    header_to_json,
    reading,
    validators_from_json,
    validators_to_json,
)
from gchain_node.tlog.checkpoint import origin_of
from gchain_node.tlog.signing import log_key

__all__ = ["Change", "Trust", "from_genesis"]

_VERSION = 2
_READ = (1, 2)  # 1: without log_keys, and witness always null
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
    log: LogTrust = field(default_factory=LogTrust)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Trust:
        """Raises `VerificationError`."""
        return reading("the trust file", lambda: cls._read(value))

    @classmethod
    def _read(cls, value: Mapping[str, Any]) -> Trust:
        if value["version"] not in _READ or (value["version"] == 1 and value["witness"] is not None):
            raise VerificationError(
                f"the trust file is of version {value['version']!r}; this program reads {', '.join(map(str, _READ))}"
            )
        if not isinstance(value["chain_id"], str) or not isinstance(value["genesis_digest"], str):
            raise TypeError("chain_id and genesis_digest must be texts")
        names = {bytes.fromhex(entry["address"]): str(entry["name"]) for entry in value["validators"]}
        changes = tuple(Change.from_json(entry) for entry in value["changes"])
        validators = validators_from_json(value["validators"])
        log = LogTrust.from_json(value.get("log_keys", []), value["witness"])
        if not validators.validators and not log.witnesses:
            raise ValueError("there are neither validators nor witnesses")
        first = int(value["initial_height"])
        return cls(value["chain_id"], value["genesis_digest"], first, validators, changes, names, log)

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
            **self.log.to_json(),
        }

    def validators_at(self, height: int, more: Iterable[Change] = ()) -> tuple[ValidatorSet, int]:
        """The validators of `height`, and how many changes led there.

        Raises `VerificationError` at the first change that its predecessors did not sign.
        `more` are changes from a receipt; those that this file has already are passed over.
        """
        if not self.validators.validators:
            raise VerificationError("the trust file names no validators, only witnesses of the log")
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
            "log_keys": _log_keys(document),
            "witness": None,
        }
    )


def _log_keys(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """The members' receipt keys of genesis, as keys of the ledger's log."""
    origin = origin_of(document["chain_id"])
    payloads = (entry["payload"] for entry in document["app_state"]["contributions"])
    return [
        {"name": payload["member"], "key": str(log_key(origin, load_public_key(payload["receipt_key"])))}
        for payload in payloads
    ]
