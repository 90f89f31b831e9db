"""DSSE envelopes (Dead Simple Signing Envelope, protocol v1.0.2) signed by officers' keys.

`keyid` is the hex key id. ECDSA signatures are 64 bytes R || S with low S, as everywhere in the kit.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from gchain_node.errors import VerificationError
from gchain_node.keys.key import Key
from gchain_node.keys.public import PublicKey, verify_signature

__all__ = ["pae", "sign_dsse", "verify_dsse"]


def pae(payload_type: str, payload: bytes) -> bytes:
    """Pre-authentication encoding (protocol, "Signature Definition"): what is signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_dsse(payload_type: str, payload: bytes, *keys: Key) -> dict[str, Any]:
    """An envelope over `payload` with one signature a key, ready for `json.dumps`."""
    signatures = [{"keyid": key.kid.hex(), "sig": _base64(key.sign(pae(payload_type, payload)))} for key in keys]
    return {"payloadType": payload_type, "payload": _base64(payload), "signatures": signatures}


def verify_dsse(
    envelope: Mapping[str, Any], payload_type: str, keys: Mapping[str, PublicKey]
) -> tuple[bytes, list[str]]:
    """The payload, and the ids of `keys` (hex key id to key) that signed it: at least one.

    Raises `VerificationError`: malformed, another payload type, a signature by a known key that does not verify, or
    none by a known key. Signatures of unknown keys count for nothing.
    """
    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
        found_type = envelope["payloadType"]
        signatures = [
            (str(item["keyid"]), base64.b64decode(item["sig"], validate=True)) for item in envelope["signatures"]
        ]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise VerificationError(f"not a DSSE envelope: {error}") from error
    if found_type != payload_type:
        raise VerificationError(f"the envelope holds {found_type!r}, {payload_type!r} expected")
    signers = []
    for keyid, signature in signatures:
        if keyid in keys:
            verify_signature(keys[keyid], pae(payload_type, payload), signature)
            signers.append(keyid)
    if not signers:
        raise VerificationError("the envelope carries no signature of a known key")
    return payload, signers


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
