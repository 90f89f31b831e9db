"""Values of the ledger as JSON and as text for people.

Bytes become base64url without padding, digests lower-case hex, times RFC 3339 in UTC with the nanoseconds of the block.
"""

from __future__ import annotations

import base64
from typing import Any

import cbor2

from gchain_node import tx
from gchain_node.codes import TABLE, Code
from gchain_node.errors import TransactionError
from gchain_node.messages import TxResult

__all__ = ["base64url", "code_name", "describe_tx", "json_value", "tx_result"]


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def json_value(value: Any) -> Any:
    """A decoded CBOR value in what JSON can say."""
    if isinstance(value, bytes):
        return base64url(value)
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    return value


def cbor_json(encoded: bytes) -> Any:
    """Deterministic CBOR of the ledger as JSON; None for nothing."""
    return json_value(cbor2.loads(encoded)) if encoded else None


def code_name(code: int) -> str:
    """`OK`, `NONCE_USED`; `CODE_1234` for one that this version does not know."""
    return Code(code).name if code in TABLE else f"CODE_{code}"


def tx_result(result: TxResult) -> dict[str, Any]:
    return {
        "code": result.code,
        "result": code_name(result.code),
        "log": result.log,
        "data": cbor_json_or_text(result.data),
        "gas_wanted": result.gas_wanted,
        "gas_used": result.gas_used,
    }


def cbor_json_or_text(data: bytes) -> Any:
    """Result data as JSON; data that is no CBOR as base64url."""
    try:
        return cbor_json(data)
    except (ValueError, EOFError):
        return base64url(data)


def describe_tx(raw: bytes) -> dict[str, Any]:
    """Who asks for what; nulls for bytes that are no transaction (a block of a faulty proposer may hold them)."""
    try:
        asked = tx.decode(raw).tx
    except TransactionError:
        return {"module": None, "action": None, "signer": None, "nonce": None, "expires_height": None}
    return {
        "module": asked.module,
        "action": asked.action,
        "signer": asked.signer,
        "nonce": asked.nonce,
        "expires_height": asked.expires_height,
    }
