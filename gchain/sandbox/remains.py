"""What a sandbox may have left on the machine, found without its state directory: a crash may have taken that first."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from gchain.workspace import sandbox_root

__all__ = ["mounts_below", "namespaces_of", "remove_mounts"]


def namespaces_of(name: str, namespaces: Iterable[str], others: Iterable[str] | None = None) -> list[str]:
    """Those of `namespaces` that belong to the sandbox `name`, and not to one whose longer name begins the same."""
    if others is None:
        others = [path.parent.name for path in sandbox_root().glob("*/sandbox.json")]
    longer = [f"gc-{other}-" for other in others if other != name and other.startswith(f"{name}-")]
    return [each for each in namespaces if each.startswith(f"gc-{name}-") and not each.startswith(tuple(longer))]


def mounts_below(root: Path, mountinfo: str) -> list[str]:
    """Mount points under `root`, deepest first."""
    points = [line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines()]
    return sorted((point for point in points if Path(point).is_relative_to(root)), reverse=True)


def remove_mounts(root: Path) -> None:
    """Hosts mount in namespaces of their own, which end with them; this is for what a person mounted by hand."""
    for point in mounts_below(root, Path("/proc/self/mountinfo").read_text()):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)
