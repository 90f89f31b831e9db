"""`verify receipt.json --trust trust.json`: what a receipt proves, without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gchain_node.errors import ConfigurationError
from gchain_node.proof.receipt import verify_receipt
from gchain_node.proof.rpc_json import text_time
from gchain_node.proof.trust import Trust

__all__ = ["read_json", "verify"]

_MAX_BYTES = 64 * 1024 * 1024


def verify(
    receipt: Annotated[Path, typer.Argument(help="The receipt, as a node gave it.")],
    trust: Annotated[Path, typer.Option(help="The trust file, from a source of your own.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print what is proven as JSON.")] = False,
) -> None:
    """Verify a receipt offline, and say in one sentence what it proves, by whom, when, and what stands behind it."""
    proven = verify_receipt(read_json(receipt), Trust.from_json(read_json(trust)))
    if not as_json:
        print(proven.sentence())
        print(f"Result: {json.dumps(_readable(proven.data), sort_keys=True)}")
        return
    document = {
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
    print(json.dumps(document, indent=2, sort_keys=True))


def read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigurationError(f"{path}: larger than {_MAX_BYTES} bytes; no receipt or trust file is")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
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
