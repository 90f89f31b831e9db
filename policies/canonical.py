"""Canonical bytes and digests: RFC 8785 JSON under SHA-256, written `sha256:<hex>`."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785

__all__ = ["canonical_json", "digest"]


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value."""
    return bytes(rfc8785.dumps(value))


def digest(value: Any) -> str:
    """`sha256:<hex>` over the canonical JSON of `value`."""
    return "sha256:" + hashlib.sha256(canonical_json(value)).hexdigest()
