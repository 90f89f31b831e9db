"""The zone's package mirror in the cache: whole, whoever else makes it at the same time or was killed at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gchain.sandbox.hosts import package_mirror
from gchain.sandbox.hosts.base import BaseImage
from gchain.sandbox.hosts.package_mirror import ensure_package_mirror


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaseImage:
    """An image; its repository is one file, signed by nobody, as none of that matters here."""
    monkeypatch.setenv("GCHAIN_CACHE", str(tmp_path))

    def build(draft: Path, made_from: BaseImage) -> None:
        (draft / "served").mkdir()
        (draft / "served/Packages").write_text(made_from.digest)
        (draft / "key.asc").write_text("first")

    monkeypatch.setattr(package_mirror, "_build", build)
    return BaseImage(tmp_path / "base" / "d1", "d1")


def _files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def test_a_repository_is_made_once_and_nothing_else_is_left(image: BaseImage, tmp_path: Path) -> None:
    mirror = ensure_package_mirror(image)
    assert _files(tmp_path / "debs") == ["d1/key.asc", "d1/served/Packages"]
    assert mirror.served.stat().st_mode & 0o055 == 0o055
    mirror.public_key.write_text("kept")
    assert ensure_package_mirror(image).public_key.read_text() == "kept"


def test_what_a_killed_process_left_is_no_part_of_a_repository(image: BaseImage, tmp_path: Path) -> None:
    for left in (".d1", ".building-x/d1"):
        (tmp_path / "debs" / left / "served").mkdir(parents=True)
        (tmp_path / "debs" / left / "served/InRelease").write_text("of another key")
    assert _files(ensure_package_mirror(image).served) == ["Packages"]


def test_of_two_processes_the_first_that_ends_has_made_the_repository(
    image: BaseImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = package_mirror._build

    def overtaken(draft: Path, made_from: BaseImage) -> None:
        monkeypatch.setattr(package_mirror, "_build", build)
        ensure_package_mirror(made_from)
        build(draft, made_from)
        (draft / "key.asc").write_text("second")

    monkeypatch.setattr(package_mirror, "_build", overtaken)
    assert ensure_package_mirror(image).public_key.read_text() == "first"
