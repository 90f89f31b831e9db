"""A header with what proves it: what a state proof ends in.

The app hash after height h stands in the header of h + 1, so a value read at h is proven by its `StateProof` and the
signed header of h + 1: `verify_signed_header(document, trust).app_hash` is the root that `StateProof.verify` needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gchain_node.errors import NotYetProvable, VerificationError
from gchain_node.proof.block import Header
from gchain_node.proof.light import LightBlock, verify_commit, verify_light_block
from gchain_node.proof.receipt import BlockSource, signed_change
from gchain_node.proof.rpc_json import commit_from_json, commit_to_json, header_from_json, header_to_json, reading
from gchain_node.proof.trust import Change, Trust

__all__ = ["build_signed_header", "verify_signed_header"]

_VERSION: Final = 1
_FIELDS: Final = {"version", "chain_id", "header", "commit", "changes"}


def build_signed_header(source: BlockSource, height: int) -> dict[str, Any]:
    """The header of `height`, a commit for it, and the changes of the validator set before it, as JSON.

    Raises:
        NotYetProvable: it is not committed yet.
    """
    found = source.signed_header(height)
    if found is None:
        raise NotYetProvable(f"block {height} is not committed yet, or no longer kept")
    header, commit = found
    return {
        "version": _VERSION,
        "chain_id": header.chain_id,
        "header": header_to_json(header),
        "commit": commit_to_json(commit),
        "changes": [signed_change(source, h).to_json() for h in source.validator_changes() if h < height],
    }


def verify_signed_header(document: Mapping[str, Any], trust: Trust) -> Header:
    """The header, once it is shown that validators whom `trust` leads to signed it. Raises `VerificationError`."""
    return reading("the signed header", lambda: _verify(document, trust))


def _verify(document: Mapping[str, Any], trust: Trust) -> Header:
    if not isinstance(document, Mapping) or set(document) != _FIELDS or document["version"] != _VERSION:
        raise VerificationError(f"a signed header of version {_VERSION} has exactly {', '.join(sorted(_FIELDS))}")
    header, commit = header_from_json(document["header"]), commit_from_json(document["commit"])
    changes = [Change.from_json(entry) for entry in document["changes"]]
    validators, _ = trust.validators_at(header.height, changes)
    verify_light_block(LightBlock(header, commit, validators), trust.chain_id)
    verify_commit(trust.chain_id, validators, commit)
    return header
