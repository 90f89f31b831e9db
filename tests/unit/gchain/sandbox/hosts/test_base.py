from __future__ import annotations

from pathlib import Path

import pytest

from gchain.errors import SandboxError
from gchain.sandbox.hosts import base


def test_the_digest_names_the_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    before = base._inputs_digest()
    assert base._inputs_digest() == before
    monkeypatch.setattr(base, "PACKAGES", (*base.PACKAGES, "one-more"))
    assert base._inputs_digest() != before


def test_a_finished_image_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCHAIN_CACHE", str(tmp_path))
    directory = tmp_path / "base" / base._inputs_digest()
    directory.mkdir(parents=True)
    (directory / "packages.txt").write_text("sudo=1.9\n")
    found = base.ensure_base_image(pytest.fail)
    assert found.root == directory / "root"
    assert found.packages_digest.startswith("sha256:")


def test_a_failed_build_shows_the_end_of_its_log_and_leaves_no_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("debootstrap", ""), ("unshare", "echo E: Failed getting release file; exit 1")):
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("GCHAIN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SandboxError, match="Failed getting release file") as caught:
        base.ensure_base_image(lambda _: None)
    assert "GCHAIN_DEBIAN_MIRROR" in str(caught.value.remedy)
    assert not list((tmp_path / "cache/base").glob("[0-9a-f]*"))
