"""Reading an export: a gzip file with a CBOR sequence, block by block, without holding it all."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import cbor2

from gchain.audit.findings import AuditError
from gchain.errors import ConfigurationError

__all__ = ["Export", "open_export"]

_FORMAT, _VERSION = "gchain-export", 1
_GZIP = b"\x1f\x8b"


@dataclass
class Export:
    """`genesis` is the document; `blocks` gives each block's map, `end` is there once they are read."""

    path: Path
    chain_id: str
    first: int
    last: int
    genesis: dict[str, Any]
    blocks: Iterator[dict[str, Any]]
    end: dict[str, Any]


def open_export(path: Path) -> Export:
    """Raises `ConfigurationError` for what is no export, `AuditError` for a damaged one."""
    items = _items(path)
    head = next(items, None)
    if not isinstance(head, dict) or head.get("format") != _FORMAT:
        raise ConfigurationError(f"{path}: no ledger export", remedy="make one with `gchain-node export`")
    if head.get("version") != _VERSION:
        raise ConfigurationError(f"{path}: an export of version {head.get('version')}; this program reads {_VERSION}")
    try:
        genesis = json.loads(head["genesis"])
        export = Export(path, str(head["chain_id"]), int(head["from"]), int(head["to"]), genesis, iter(()), {})
    except (KeyError, TypeError, ValueError) as error:
        raise AuditError(f"{path}: the export's head is malformed: {error!r}") from error
    export.blocks = _blocks(items, export)
    return export


def _blocks(items: Iterator[Any], export: Export) -> Iterator[dict[str, Any]]:
    count = 0
    for item in items:
        if not isinstance(item, dict):
            raise AuditError(f"{export.path}: item {count + 1} of the export is no map")
        if "end" in item:
            export.end = item["end"]
            break
        yield item
        count += 1
    if not export.end or next(items, None) is not None:
        raise AuditError(f"{export.path}: the export is cut off after {count} blocks, or goes on after its end")
    if count != export.last - export.first + 1:
        raise AuditError(f"{export.path}: {count} blocks are there, {export.first} to {export.last} are announced")


def _items(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as raw, gzip.GzipFile(fileobj=raw) as file:
            if raw.read(len(_GZIP)) != _GZIP:
                return  # whoever takes this for an export has the wrong file, not a damaged one
            raw.seek(0)
            decoder = cbor2.CBORDecoder(cast("IO[bytes]", file))
            while file.peek(1):
                yield decoder.decode()
    except (gzip.BadGzipFile, zlib.error, EOFError, cbor2.CBORError, ValueError, TypeError) as error:
        raise AuditError(f"{path}: the export cannot be read on: {error}") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
