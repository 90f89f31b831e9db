from __future__ import annotations

from pathlib import Path

import pytest

from gchain.errors import SandboxError
from gchain.sandbox.hosts.image import Image, capture, content_digest, place


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    root = tmp_path / "upper"
    for name in ("etc/ssh/ssh_host_ed25519_key", "etc/machine-id", "etc/ssh/sshd_config", "opt/gchain/bin/program"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "var/log/journal/1").mkdir(parents=True)
    (root / "opt/link").symlink_to("gchain/bin/program")
    return root


def test_an_image_keeps_programs_and_leaves_identity_out(upper: Path, tmp_path: Path) -> None:
    image = capture(upper, "base-1", Image(tmp_path / "cache" / "golden"))
    kept = {str(path.relative_to(image.layer)) for path in image.layer.rglob("*") if not path.is_dir()}
    assert kept == {"etc/ssh/sshd_config", "opt/gchain/bin/program", "opt/link"}
    assert not (image.layer / "var/log/journal").exists()
    assert image.digest == content_digest(image.layer)


def test_an_image_fits_the_base_that_it_was_made_on_and_no_other(upper: Path, tmp_path: Path) -> None:
    image = capture(upper, "base-1", Image(tmp_path / "cache" / "golden"))
    image.verify_base("base-1")
    with pytest.raises(SandboxError, match="made on base base-1"):
        image.verify_base("base-2")


def test_the_digest_follows_content_and_mode(upper: Path) -> None:
    before = content_digest(upper)
    assert content_digest(upper) == before
    program = upper / "opt/gchain/bin/program"
    program.chmod(0o755)
    changed_mode = content_digest(upper)
    program.write_text("other")
    assert len({before, changed_mode, content_digest(upper)}) == 3


def test_of_two_that_make_one_image_the_first_has_made_it(tmp_path: Path) -> None:
    """Both saw that there is none: the later one must neither fail nor mix its own into it."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
        place(tmp_path / name, tmp_path / "made")
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["first"]
    with pytest.raises(FileNotFoundError):
        place(tmp_path / "none", tmp_path / "other")
