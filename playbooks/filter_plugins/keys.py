"""Filters for keys: which objects a token must hold, by which URI one is used, where a consensus key's journal lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

_FIRST = "consensus"
_TOKENS = {"consensus": "validator"}


def journal(consensus_object: str) -> str:
    """The directory, under the signer's, of the double-sign journal of one consensus key: one key, one journal."""
    return "journal" if consensus_object == _FIRST else f"journal-{consensus_object}"


def key_objects(
    objects: Mapping[str, str], token: str, following: Mapping[str, str], lost: Sequence[str], consensus_type: str
) -> list[dict[str, Any]]:
    """`{name, type}` of every key that a token must hold.

    Args:
        objects: the object in use, by purpose.
        token: `validator` or `member`.
        following: the object that a rotation makes, by purpose.
        lost: purposes whose key in use went with its token; only the following one is made.
        consensus_type: `ed25519` or `secp256k1`.
    """
    wanted = [(purpose, name) for purpose, name in objects.items() if purpose not in lost]
    wanted += list(following.items())
    return [
        {"name": name, "type": consensus_type if purpose == "consensus" else "p256"}
        for purpose, name in wanted
        if _TOKENS.get(purpose, "member") == token
    ]


def key_uri(name: str, token: str, labels: Mapping[str, str], module_path: str, unit: str) -> str:
    """The PKCS#11 URI (RFC 7512) of a key; of its whole token if `name` is empty.

    Args:
        name: the object in the token.
        token: `validator` or `member`: what the kit calls the token, and its PIN.
        labels: the token's own label in the HSM, by what the kit calls it.
        module_path: the PKCS#11 module on the host.
        unit: the systemd unit, without its suffix, that has the PIN as a credential.
    """
    path = f"token={quote(labels[token], safe='')}" + (f";object={quote(name, safe='')};type=private" if name else "")
    return f"pkcs11:{path}?module-path={module_path}&pin-source=file:/run/credentials/{unit}.service/{token}-pin"


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"gchain_journal": journal, "gchain_key_objects": key_objects, "gchain_key_uri": key_uri}
