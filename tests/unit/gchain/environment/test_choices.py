"""A sandbox may choose the type of its validators' keys when it is begun, and nothing else, and not later."""

from __future__ import annotations

from pathlib import Path

import pytest

from gchain.environment import choose_key_type, load, load_for
from gchain.errors import ConfigurationError
from gchain.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace", "sandbox", "test")


def test_a_sandbox_without_choices_has_its_environments_terms(workspace: Workspace) -> None:
    assert load_for(workspace) == load("sandbox")


def test_a_chosen_key_type_replaces_that_of_the_file_and_nothing_else(workspace: Workspace) -> None:
    choose_key_type(workspace, "secp256k1")
    chosen, written = load_for(workspace), load("sandbox")
    assert chosen.consortium.validator_key_type == "secp256k1"
    assert chosen.consortium == written.consortium.model_copy(update={"validator_key_type": "secp256k1"})
    assert chosen.zone_digest == written.zone_digest


def test_a_sandbox_that_is_begun_keeps_its_key_type(workspace: Workspace) -> None:
    choose_key_type(workspace, "secp256k1")
    (workspace.root / "sandbox.json").write_text("{}")
    choose_key_type(workspace, "secp256k1")
    with pytest.raises(ConfigurationError, match="begun with secp256k1 validator keys, not ed25519"):
        choose_key_type(workspace, "ed25519")
    assert load_for(workspace).consortium.validator_key_type == "secp256k1"


def test_a_sandbox_that_was_begun_without_a_choice_takes_no_other_type(workspace: Workspace) -> None:
    workspace.root.mkdir()
    (workspace.root / "sandbox.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="begun with ed25519"):
        choose_key_type(workspace, "secp256k1")


def test_an_unknown_type_is_refused_and_nothing_is_written(workspace: Workspace) -> None:
    with pytest.raises(ConfigurationError, match="no validator key type 'rsa'"):
        choose_key_type(workspace, "rsa")
    assert not workspace.root.exists()


@pytest.mark.parametrize("content", ["", '{"chain_id": "other"}', '{"validator_key_type": "rsa"}'])
def test_choices_that_say_anything_else_are_refused(workspace: Workspace, content: str) -> None:
    workspace.root.mkdir()
    (workspace.root / "choices.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"choices.json"):
        load_for(workspace)


def test_a_real_environment_chooses_nothing(tmp_path: Path) -> None:
    (tmp_path / "choices.json").write_text('{"validator_key_type": "ed25519"}')
    assert load_for(Workspace(tmp_path, "us-gov")).consortium.validator_key_type == "secp256k1"
