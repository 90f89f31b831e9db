"""Earlier consortium reports: a merge that changes the report keeps the one before, so that the two can be compared."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gchain.workspace import Workspace

__all__ = ["Entry", "entries", "keep"]

_NAME = re.compile(r"\d{8}T\d{6}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One earlier report; `name` is the time of its evidence and the start of its table's digest."""

    name: str
    path: Path


def _directory(workspace: Workspace) -> Path:
    return workspace.public / "history"


def entries(workspace: Workspace) -> list[Entry]:
    """The earlier reports, oldest first."""
    found = sorted(_directory(workspace).glob("*.json"))
    return [Entry(path.stem, path) for path in found if _NAME.fullmatch(path.stem)]


def keep(workspace: Workspace, document: dict[str, Any]) -> None:
    """Put the report that stands now aside, if `document` is of another table."""
    path = workspace.public / "consortium-report.json"
    try:
        standing = json.loads(path.read_text())
        made = re.sub(r"[^0-9T]", "", standing["generated_at"][:19])
        name = f"{made}-{standing['table_digest'].removeprefix('sha256:')[:12]}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # nothing that could be compared
    if standing["table_digest"] != document["table_digest"] and _NAME.fullmatch(name):
        _directory(workspace).mkdir(parents=True, exist_ok=True)
        (_directory(workspace) / f"{name}.json").write_text(json.dumps(standing, indent=1, sort_keys=True) + "\n")
