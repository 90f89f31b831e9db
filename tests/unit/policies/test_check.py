"""`gchain check` without a member judges those whose credentials are here, and says so where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from gchain.environment import load
from gchain.workspace import Workspace
from policies.check import here
from policies.errors import SourceError


def test_the_members_whose_credentials_are_here_are_judged_in_the_consortiums_order(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "sandbox", "unit")
    for name in ("registry", "health"):
        path = workspace.member(name).aws_credentials
        path.parent.mkdir(parents=True)
        path.write_text("[default]\n")
    assert here(load("sandbox"), workspace) == ["health", "registry"]


def test_a_workspace_without_credentials_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no member's credentials"):
        here(load("sandbox"), Workspace(tmp_path, "sandbox", "unit"))
