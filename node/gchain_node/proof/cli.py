"""`verify receipt.json --trust trust.json`: what a receipt proves, without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gchain_node.errors import ConfigurationError
from gchain_node.proof.proven import Proven
from gchain_node.proof.receipt import verify_receipt
from gchain_node.proof.rpc_json import text_time
from gchain_node.proof.saved import COSE_SIGN1, verify_cose, verify_state
from gchain_node.proof.trust import Trust

__all__ = ["read_json", "verify"]

_MAX_BYTES = 64 * 1024 * 1024


def verify(
    receipt: Annotated[Path, typer.Argument(help="A receipt (JSON or COSE), or a saved state proof.")],
    trust: Annotated[Path, typer.Option(help="The trust file, from a source of your own.")],
    transaction: Annotated[
        Path | None, typer.Option(help="Of a COSE receipt: the transaction's bytes, to be those of its entry.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is proven as JSON.")] = False,
) -> None:
    """Verify a receipt offline, and say in one sentence what it proves, by whom, when, and what stands behind it."""
    anchor = Trust.from_json(read_json(trust))
    if read_bytes(receipt)[:1] == COSE_SIGN1:
        raw = None if transaction is None else read_bytes(transaction)
        sentence, document = verify_cose(read_bytes(receipt), anchor, raw)
    elif isinstance(found := read_json(receipt), dict) and "proof" in found:
        sentence, document = verify_state(found, anchor)
    else:
        proven = verify_receipt(found, anchor)
        sentence = f"{proven.sentence()}\nResult: {json.dumps(_readable(proven.data), sort_keys=True)}"
        document = _document(proven)
    print(json.dumps(document, indent=2, sort_keys=True) if as_json else sentence)


def _document(proven: Proven) -> dict[str, Any]:
    return {
        "proven": True,
        "sentence": proven.sentence(),
        "transaction": proven.tx_hash.hex(),
        "height": proven.height,
        "time_ns": proven.time_ns if proven.attested else None,
        "code": proven.code,
        "data": _readable(proven.data),
        "signers": list(proven.attested.names) if proven.attested else [],
        "log": proven.log and {"index": proven.log.index, "size": proven.log.size, "signers": list(proven.log.members)},
        "witnesses": [{"name": name, "time": text_time(time * 10**9)} for name, time in proven.witnesses],
    }


def read_bytes(path: Path) -> bytes:
    """A file of a size that a receipt may have. Raises `ConfigurationError`."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigurationError(f"{path}: larger than {_MAX_BYTES} bytes; no receipt or trust file is")
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error


def read_json(path: Path) -> Any:
    """Raises `ConfigurationError`."""
    try:
        return json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not JSON: {error}", remedy="fetch it again from a node") from error


def _readable(value: Any) -> Any:
    """Result data for people: byte strings in hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [_readable(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _readable(entry) for key, entry in value.items()}
    return value
