"""A role's contract: what its defaults say, its argument specification says too, and its README shows."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tools.role_tables import ROLES, readme, role_names


def _read(role: str, path: str) -> Any:
    return yaml.safe_load((ROLES / role / path).read_text())


def test_every_role_has_a_contract() -> None:
    assert role_names() == sorted(path.name for path in ROLES.iterdir() if path.is_dir())


@pytest.mark.parametrize("role", role_names())
def test_defaults_and_argument_specification_agree_key_by_key(role: str) -> None:
    options = _read(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert _read(role, "defaults/main.yml") == {name: option["default"] for name, option in options.items()}


@pytest.mark.parametrize("role", role_names())
def test_every_variable_says_what_it_means_and_bears_the_roles_name(role: str) -> None:
    options = _read(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert all(name.startswith(f"{role}_") for name in options)
    assert all(option["description"].strip().endswith(".") for option in options.values())


@pytest.mark.parametrize("role", role_names())
def test_tasks_are_a_table_of_contents(role: str) -> None:
    imported = [task["ansible.builtin.import_tasks"] for task in _read(role, "tasks/main.yml")]
    assert imported == ["preflight.yml", "install.yml", "configure.yml", "run.yml"]


@pytest.mark.parametrize("role", role_names())
def test_the_readme_shows_the_variables_as_they_are(role: str) -> None:
    assert (ROLES / role / "README.md").read_text() == readme(role), "run: python -m tools.role_tables"
