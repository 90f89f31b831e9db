"""Ledger export: blocks with everything that an audit needs, as one stream. The format is in docs/audit.md.

A CBOR sequence (RFC 8742): one map that names the format and holds genesis, one map a block, and one map at the end.
`gchain audit` reads it without the node. Nothing here is signed: the headers' commits are.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cbor2

from gchain_node.errors import NotYetProvable, StateError, VerificationError
from gchain_node.proof.block import Commit, Header, ValidatorSet
from gchain_node.proof.receipt import BlockSource
from gchain_node.proof.rpc_json import commit_to_json, header_to_json, validators_to_json

__all__ = ["FORMAT", "VERSION", "export_items", "write_export"]

FORMAT: Final = "gchain-export"
VERSION: Final = 1


def export_items(
    source: BlockSource, genesis: bytes, first: int, last: int, checkpoint: str | None = None
) -> Iterator[bytes]:
    """The export of blocks `first` to `last`, in pieces. It ends with header and commit of `last + 1`.

    Args:
        genesis: the genesis document, as a file has it.
        checkpoint: a signed note of the log, to be compared with the log that the audit makes.

    Raises:
        NotYetProvable: block `last + 1` is not committed yet.
        StateError: a block is not kept.
    """
    if source.signed_header(last + 1) is None:
        raise NotYetProvable(f"an export up to block {last} needs block {last + 1}, which is not committed yet")
    chain_id = json.loads(genesis)["chain_id"]
    head = {"format": FORMAT, "version": VERSION, "chain_id": chain_id, "from": first, "to": last, "genesis": genesis}
    yield cbor2.dumps(head)
    validators: ValidatorSet | None = None
    for height in range(first, last + 1):
        header, commit = _signed(source, height)
        if validators is None or header.validators_hash != validators.hash():
            validators, fresh = (found := source.validators(height)), validators_to_json(found)
        else:
            fresh = None
        yield cbor2.dumps(_block(source, header, commit, fresh))
    header, commit = _signed(source, last + 1)
    end: dict[str, Any] = {"header": header_to_json(header), "commit": commit_to_json(commit), "checkpoint": checkpoint}
    if validators is None or header.validators_hash != validators.hash():
        end["validators"] = validators_to_json(source.validators(last + 1))
    yield cbor2.dumps({"end": end})


def write_export(items: Iterator[bytes], path: Path) -> int:
    """Write an export to a file, compressed (gzip). The file appears when it is whole. The bytes written."""
    fresh = path.with_name(path.name + ".part")
    try:
        with fresh.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
            for item in items:
                file.write(item)
        fresh.replace(path)
    except OSError as error:
        raise StateError(f"{path}: the export cannot be written: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)
    return path.stat().st_size


def _signed(source: BlockSource, height: int) -> tuple[Header, Commit]:
    found = source.signed_header(height)
    if found is None:
        raise StateError(f"block {height} is not kept by this node", remedy="export from a member who keeps all blocks")
    return found


def _block(source: BlockSource, header: Header, commit: Commit, validators: list[dict[str, Any]] | None) -> Any:
    height = header.height
    txs, results = source.transactions(height), source.results(height)
    if len(txs) != len(results):
        raise StateError(f"block {height} has {len(txs)} transactions and {len(results)} results at this node")
    last_commit = source.last_commit(height)
    if last_commit.hash() != header.last_commit_hash:
        raise VerificationError(f"the commit in block {height} that this node has is not the one that its header names")
    return {
        "header": header_to_json(header),
        "commit": commit_to_json(commit),
        "last_commit": commit_to_json(last_commit),
        "txs": list(txs),
        "results": [[int(r.code), r.data, r.gas_wanted, r.gas_used] for r in results],
        "evidence": list(source.evidence(height)),
        "validators": validators,
    }
