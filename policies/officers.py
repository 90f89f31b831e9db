"""The register of officers: whose signature counts on waivers, attestations and reports.

Names and keys come from the members' signed contributions (alone, or inside the agreed genesis), each with its proof of
possession; never from the document that is being verified. Where the ledger's own record of a member is known, proven
or from the reader's own node, its officers count instead of those that genesis names for the member: a key that was
replaced there signs nothing that is verified from then on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gchain_node import contribution
from gchain_node.dsse import verify_dsse
from gchain_node.errors import NodeError
from gchain_node.keys import PublicKey, key_id, load_public_key
from policies.errors import ReportError

__all__ = ["Officer", "Officers", "Register", "read_envelope"]

Register = Mapping[str, Mapping[str, PublicKey]]
"""The officers' keys on the ledger: member -> officer -> key."""


@dataclass(frozen=True, slots=True)
class Officer:
    member: str
    name: str

    def __str__(self) -> str:
        return f"{self.member}/{self.name}"


@dataclass(frozen=True)
class Officers:
    """Officers by the hex id of their key."""

    by_key: Mapping[str, tuple[Officer, PublicKey]]

    @classmethod
    def of_genesis(cls, genesis: Mapping[str, Any]) -> Officers:
        return cls._of(genesis["app_state"]["contributions"], genesis["app_state"]["consortium"])

    @classmethod
    def of_contributions(cls, directory: Path, consortium: str) -> Officers:
        """From `public/contributions/`.

        Raises:
            ReportError: a contribution does not verify.
        """
        return cls._of([json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))], consortium)

    @classmethod
    def _of(cls, contributions: Iterable[Mapping[str, Any]], consortium: str) -> Officers:
        found: dict[str, tuple[Officer, PublicKey]] = {}
        for document in contributions:
            try:
                contribution.verify(document, consortium=consortium)
            except NodeError as error:
                raise ReportError(f"the register of officers cannot be read: {error}") from error
            payload = document["payload"]
            for officer in payload["officers"]:
                key = load_public_key(officer["public_key"])
                found[key_id(key).hex()] = (Officer(payload["member"], officer["name"]), key)
        return cls(found)

    def as_registered(self, register: Register) -> Officers:
        """With the register's officers in place of what is known of its members."""
        found = {kid: entry for kid, entry in self.by_key.items() if entry[0].member not in register}
        for member, keys in register.items():
            found |= {key_id(key).hex(): (Officer(member, name), key) for name, key in keys.items()}
        return Officers(found)

    def verify(self, envelope: Mapping[str, Any], payload_type: str) -> tuple[dict[str, Any], list[Officer]]:
        """The JSON object in a DSSE envelope, and the officers who signed it: at least one.

        Raises:
            ReportError: it does not verify, holds no object, or no registered officer signed it.
        """
        try:
            payload, signers = verify_dsse(envelope, payload_type, {kid: key for kid, (_, key) in self.by_key.items()})
            document = json.loads(payload)
        except (NodeError, ValueError) as error:
            raise ReportError(f"no registered officer's signature holds: {error}") from error
        if not isinstance(document, dict):
            raise ReportError(f"what was signed is not an object but {type(document).__name__}")
        return document, [self.by_key[kid][0] for kid in dict.fromkeys(signers)]


def read_envelope(path: Path) -> dict[str, Any]:
    """A DSSE envelope from a file.

    Raises:
        ReportError: missing, or not JSON.
    """
    try:
        envelope = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: not a signed envelope: {error}") from error
    if not isinstance(envelope, dict):
        raise ReportError(f"{path}: not a signed envelope")
    return envelope
