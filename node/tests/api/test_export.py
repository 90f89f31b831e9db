"""The export over HTTP: whole, streamed, and refused where it cannot be whole."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import cbor2
import pytest

from gchain_node.errors import ApiError
from gchain_node.export_cli import fetch_export

Served = Any  # of conftest.py, which pytest does not let tests import


def items(raw: bytes) -> list[Any]:
    found, stream = [], io.BytesIO(raw)
    while stream.tell() < len(raw):
        found.append(cbor2.load(stream))
    return found


def test_an_export_has_every_block_and_the_header_that_proves_the_last(served: Served, tmp_path: Path) -> None:
    hash_ = served.commit("exported")["hash"]
    served.api.get(f"/v1/receipts/{hash_}")
    size = fetch_export(str(served.status.base_url), tmp_path / "export")
    assert size == (tmp_path / "export").stat().st_size
    head, *blocks, end = items(gzip.decompress((tmp_path / "export").read_bytes()))
    assert (head["format"], head["from"], head["to"]) == ("gchain-export", 1, len(blocks))
    assert json.loads(head["genesis"]) == served.api.get("/v1/genesis").json() == served.consortium.genesis
    assert [int(block["header"]["height"]) for block in blocks] == list(range(1, len(blocks) + 1))
    assert int(end["end"]["header"]["height"]) == len(blocks) + 1
    assert end["end"]["checkpoint"].startswith("gchain/gchain-dev\n")


@pytest.mark.parametrize(("first", "last", "status"), [(1, 10_000, 409), (5, 2, 409), (0, 1, 409)])
def test_blocks_that_are_not_there_are_not_exported(
    served: Served, tmp_path: Path, first: int, last: int, status: int
) -> None:
    with pytest.raises(ApiError) as caught:
        fetch_export(str(served.status.base_url), tmp_path / "export", first=first, last=last)
    assert caught.value.status == status
    assert not list(tmp_path.glob("export*"))
    assert served.status.get("/v1/export", params={"from": "x"}).status_code == 400


def test_an_export_that_cannot_begin_with_the_ledger_says_where_it_can(served: Served, tmp_path: Path) -> None:
    for number in range(3):
        served.commit(f"r{number}")
    served.engine._blocks._connection.execute("DELETE FROM block WHERE height < 3")
    url, out = str(served.status.base_url), tmp_path / "export"
    with pytest.raises(ApiError, match=r"keeps blocks from 3 on, and not block 1: .* --from 3") as caught:
        fetch_export(url, out)
    assert caught.value.status == 410
    assert list(tmp_path.glob("export*")) == []
    error = served.status.get("/v1/export").json()["error"]
    assert (error["status"], error["name"]) == (410, "BLOCK_NOT_KEPT")
    assert fetch_export(url, out, first=3)
    assert items(gzip.decompress(out.read_bytes()))[0]["from"] == 3
