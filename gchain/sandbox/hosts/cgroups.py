"""Control groups of a sandbox's hosts, on hybrid and on pure cgroup v2 machines: kill, freeze, memory cap.

Each host has a group of its own, `gchain-<sandbox>/<instance>`, and a sibling `<instance>.sup` for what keeps it.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gchain.errors import SandboxError

__all__ = ["Cgroups"]

_V2 = Path("/sys/fs/cgroup")
_HYBRID = Path("/sys/fs/cgroup/unified")


def _unified() -> Path:
    """The cgroup v2 hierarchy.

    Raises:
        SandboxError: this machine has none.
    """
    for root in (_V2, _HYBRID):
        if (root / "cgroup.procs").exists() and (root / "cgroup.controllers").exists():
            return root
    raise SandboxError("no cgroup v2 hierarchy is mounted", remedy="mount -t cgroup2 none /sys/fs/cgroup/unified")


@dataclass(frozen=True)
class Cgroups:
    """The groups below one name such as `gchain-default`."""

    name: str

    @property
    def root(self) -> Path:
        return _unified() / self.name

    @property
    def _memory_root(self) -> Path | None:
        """The v1 memory hierarchy on a hybrid machine, where the controller lives; None on pure v2."""
        legacy = _V2 / "memory"
        return legacy / self.name if (legacy / "cgroup.procs").exists() else None

    def path(self, group: str) -> Path:
        return self.root / group

    def make(self, group: str) -> Path:
        self.root.mkdir(exist_ok=True)
        path = self.path(group)
        path.mkdir(exist_ok=True)
        return path

    def make_host(self, group: str, memory_mib: int) -> list[Path]:
        """A host's group with its memory cap; returns each `cgroup.procs` that must list its first process."""
        path = self.make(group)
        limit = memory_mib * 1024 * 1024
        legacy = self._memory_root
        if legacy is not None:
            (legacy / group).mkdir(parents=True, exist_ok=True)
            (legacy / group / "memory.limit_in_bytes").write_text(str(limit))
            return [path / "cgroup.procs", legacy / group / "cgroup.procs"]
        for parent in (self.root.parent, self.root):
            if "memory" not in (parent / "cgroup.subtree_control").read_text().split():
                (parent / "cgroup.subtree_control").write_text("+memory")
        (path / "memory.max").write_text(str(limit))
        return [path / "cgroup.procs"]

    def populated(self, group: str) -> bool:
        return "populated 1" in _read(self.path(group) / "cgroup.events")

    def memory(self, group: str) -> int:
        """Bytes that a host uses now, page cache included as the kernel counts it."""
        legacy = self._memory_root
        path = legacy / group / "memory.usage_in_bytes" if legacy else self.path(group) / "memory.current"
        return int(_read(path) or 0)

    def freeze(self, group: str, frozen: bool) -> None:
        (self.path(group) / "cgroup.freeze").write_text("1" if frozen else "0")

    def frozen(self, group: str) -> bool:
        return _read(self.path(group) / "cgroup.freeze").strip() == "1"

    def kill(self, group: str, deadline: float = 10.0) -> None:
        """End every process of a group at once, also a frozen one, and wait until none is left."""
        path = self.path(group)
        if not path.exists():
            return
        (path / "cgroup.kill").write_text("1")
        _wait(lambda: not self.populated(group), deadline, f"processes of {path} to end")

    def _hierarchies(self) -> list[Path]:
        """This sandbox's directory in every hierarchy: nspawn makes some of its own in the v1 ones."""
        roots = [self.root, *_V2.glob(f"*/{self.name}")]
        return sorted({root for root in roots if root.exists()})

    def remove(self, group: str) -> None:
        for root in self._hierarchies():
            if (root / group).exists():
                _remove_tree(root / group)

    def remove_all(self) -> None:
        """Kill and remove every group of the sandbox; first those whose processes start others in other groups."""
        groups = [path.name for path in self.root.iterdir() if path.is_dir()] if self.root.exists() else []
        for group in sorted(groups, key=lambda name: (name != "daemon", not name.endswith(".sup"), name)):
            self.kill(group)
        for root in self._hierarchies():
            _remove_tree(root)

    def processes(self, group: str) -> list[int]:
        """Process ids in a group and those below it, some of which come and go with the units of the host."""
        below = (Path(path) for path, _, _ in os.walk(self.path(group)))
        return [int(pid) for path in below for pid in _read(path / "cgroup.procs").split()]


def _read(path: Path) -> str:
    """What a group's file says; empty when the group is gone, be it between opening and reading (ENODEV)."""
    try:
        return path.read_text()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
        return ""


def _remove_tree(top: Path) -> None:
    for path, _, _ in os.walk(top, topdown=False):
        _wait(lambda path=path: _rmdir(Path(path)), 5.0, f"{path} to empty")  # type: ignore[misc]


def _rmdir(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _wait(condition: Callable[[], bool], deadline: float, what: str) -> None:
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise SandboxError(f"waited {deadline:.0f} s for {what}")
        time.sleep(0.02)
