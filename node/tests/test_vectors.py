"""Every public vector in `cases/` says where it is from, and is read by a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
VECTORS = sorted(path.relative_to(TESTS / "cases") for path in (TESTS / "cases").glob("*/*.json"))
README = (TESTS / "cases" / "README.md").read_text()
SOURCES = [path.read_text() for path in sorted(TESTS.rglob("test_*.py")) if path != Path(__file__)]


def _named(vector: Path) -> bool:
    """In the table by its name, or by its folder's."""
    folder, name = vector.parts
    rows = [row.split("|")[1] for row in README.splitlines() if row.startswith("| `")]
    return any(f"`{folder}/`" in row or (f"`{folder}/" in row and f"{name}`" in row) for row in rows)


@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_a_vector_has_its_source_in_the_table(vector: Path) -> None:
    assert _named(vector)


@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_a_vector_is_read_by_a_test(vector: Path) -> None:
    assert any(re.search(rf"\b{re.escape(vector.name)}", text) for text in SOURCES)


def test_a_vector_without_a_row_would_be_found() -> None:
    assert not _named(Path("checkpoint/other.json"))
    assert not _named(Path("cosmos/sign1.json"))
