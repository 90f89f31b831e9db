"""Faults that a test planted: the reconciler must not heal them, and a restarted one must not either."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gchain.sandbox.layout import Layout

__all__ = ["Faults"]


class Faults:
    """The file `run/faults.json`: `{"cut": [instance...], "killed": [instance...]}`."""

    def __init__(self, layout: Layout) -> None:
        self._path: Path = layout.run / "faults.json"

    def cut(self) -> set[str]:
        return set(self._read().get("cut", []))

    def killed(self) -> set[str]:
        return set(self._read().get("killed", []))

    def plant(self, kind: str, instance_id: str) -> None:
        with self._changing() as faults:
            faults[kind] = sorted({*faults.get(kind, []), instance_id})

    def heal(self, kind: str, instance_id: str) -> None:
        with self._changing() as faults:
            faults[kind] = sorted(set(faults.get(kind, [])) - {instance_id})

    def _read(self) -> dict[str, list[str]]:
        try:
            found: dict[str, list[str]] = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        return found

    @contextmanager
    def _changing(self) -> Iterator[dict[str, list[str]]]:
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            faults = self._read()
            yield faults
            draft = self._path.with_suffix(".draft")
            draft.write_text(json.dumps(faults))
            draft.rename(self._path)
