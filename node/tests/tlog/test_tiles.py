"""Paths of tiles and entry bundles (C2SP tlog-tiles)."""

from __future__ import annotations

import contextlib

import pytest

from gchain_node import cbor
from gchain_node.errors import VerificationError
from gchain_node.tlog.entries import Entry, bundle, unbundle
from gchain_node.tlog.tiles import TilePath


@pytest.mark.parametrize(
    ("text", "tile"),
    [
        ("0/000", TilePath(0, 0)),
        ("1/x001/234", TilePath(1, 1234)),
        ("0/x001/x234/067", TilePath(0, 1234067)),
        ("entries/x001/x234/067.p/17", TilePath(None, 1234067, 17)),
        ("entries/999", TilePath(None, 999)),
    ],
)
def test_a_path_is_read_and_written_as_the_specification_has_it(text: str, tile: TilePath) -> None:
    assert TilePath.parse(text) == tile
    assert str(tile) == text


@pytest.mark.parametrize(
    "text",
    ["", "0", "0/0", "0/0000", "00/000", "0/x000/001", "64/000", "0/000.p/0", "0/000.p/256", "0/000.p/01", "-1/000",
     "data/000", "0/x001/x234/x067", "0/../000", "0/x001/x002/x003/x004/x005/x006/007"],
)  # fmt: skip
def test_another_path_is_refused(text: str) -> None:
    with pytest.raises(VerificationError):
        TilePath.parse(text)


def test_a_bundle_gives_back_its_entries_and_a_cut_one_is_refused() -> None:
    entries = [b"one", b"", bytes(65_535)]
    assert unbundle(bundle(entries)) == entries
    for cut in (1, 3, 4):
        with pytest.raises(VerificationError):
            unbundle(bundle(entries[:1])[:cut])
    with pytest.raises(ValueError, match="at most 65535"):
        bundle([bytes(65_536)])


def test_an_entry_is_read_back_and_any_other_shape_is_refused() -> None:
    entry = Entry.of(7, 2, b"transaction", 0, b"data")
    raw = entry.encode()
    assert raw == cbor.encode({name: getattr(entry, name) for name in ("code", "data", "height", "index", "tx")})
    assert Entry.decode(raw) == entry
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        with contextlib.suppress(VerificationError):
            assert Entry.decode(bytes(changed)) != entry
