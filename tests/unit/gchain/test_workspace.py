from __future__ import annotations

from pathlib import Path

import pytest

from gchain.errors import ConfigurationError
from gchain.workspace import Workspace, workspace_of


@pytest.mark.parametrize("name", ["", "Default", "-a", "a" * 17, "../x", "1st"])
def test_a_sandbox_name_that_is_no_short_label_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="sandbox name"):
        Workspace.of_sandbox(name)


def test_stacks_of_two_sandboxes_have_names_of_their_own() -> None:
    assert Workspace.of_sandbox("default").stack("treasury") == "sandbox-treasury"
    assert Workspace.of_sandbox("test").stack("treasury") == "sandbox.test-treasury"


def test_a_real_environment_lies_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GCHAIN_WORKSPACE", str(tmp_path))
    assert workspace_of("uk").root == tmp_path
    monkeypatch.delenv("GCHAIN_WORKSPACE")
    assert workspace_of("uk").root == Path.home() / ".gchain" / "uk"
