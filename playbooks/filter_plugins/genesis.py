"""Filters for genesis: the document that this member accepted by its digest, and the officers of its contribution."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import rfc8785
from ansible.errors import AnsibleFilterError

_NONE: dict[str, Any] = {"document": "", "contributions": [], "registered": {}}


def agreed_genesis(path: str, digest: str) -> dict[str, Any]:
    """The document at `path` if its digest is `digest` (`sha256:<hex>` over RFC 8785); the empty one without a digest.

    Returns `{document: text, contributions: [payload], registered: {member: {key name: public key}}}`.
    """
    if not digest:
        return _NONE
    try:
        text = Path(path).read_text()
        document = json.loads(text)
        contributions = [each["payload"] for each in document["app_state"]["contributions"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"{path}: not a genesis document of this kit: {error!r}") from error
    found = f"sha256:{hashlib.sha256(rfc8785.dumps(document)).hexdigest()}"
    if found != digest:
        raise AnsibleFilterError(
            f"{path} has digest {found}, but {digest} was accepted: it is not the document that the members agreed on. "
            "Fetch the agreed one, or accept this digest after every member has signed it"
        )
    registered = {each["member"]: _keys(each) for each in contributions}
    return {"document": text, "contributions": contributions, "registered": registered}


def _keys(contribution: dict[str, Any]) -> dict[str, str]:
    keys = {
        "member": contribution["member_key"],
        "receipt": contribution["receipt_key"],
        "tls_ca": contribution["tls_ca"],
    }
    if contribution.get("validator"):
        keys["consensus"] = contribution["validator"]["public_key"]
    return keys


def officers(path: str) -> list[dict[str, Any]]:
    """The public files of the member's officers (name, public key, proof of possession), as the CLI collected them."""
    try:
        documents = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise AnsibleFilterError(f"{path}: no list of officers' public files: {error}") from error
    needed = {"name", "public_key", "pop"}
    if not isinstance(documents, list) or any(not needed <= set(each) for each in documents):
        raise AnsibleFilterError(f"{path}: a list of objects with name, public_key and pop expected")
    return documents


def as_files(officers: list[dict[str, Any]], directory: str) -> list[dict[str, str]]:
    """The same documents as entries for the module host_files."""
    return [{"path": f"{directory}/officer-{each['name']}.json", "content": json.dumps(each)} for each in officers]


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {
            "gchain_agreed_genesis": agreed_genesis,
            "gchain_officers": officers,
            "gchain_as_files": as_files,
        }
