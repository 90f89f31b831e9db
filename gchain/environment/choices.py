"""What a sandbox does otherwise than its environment says, chosen when it is begun: `choices.json` beside its state.

Real environments choose nothing: their files are all there is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from gchain.environment.loading import Environment, load
from gchain.errors import ConfigurationError
from gchain.workspace import Workspace

__all__ = ["Choices", "KeyType", "choose_key_type", "load_for"]

KeyType = Literal["ed25519", "secp256k1"]


class Choices(BaseModel):
    """The keys of `consortium.yaml` that a sandbox may replace."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    validator_key_type: KeyType | None = None


def load_for(workspace: Workspace) -> Environment:
    """The environment that a workspace belongs to, with what its sandbox chose.

    Raises:
        ConfigurationError: as `load`; or the choices are not a whole file.
    """
    return load(workspace.environment).choosing(_read(workspace).model_dump(exclude_none=True))


def choose_key_type(workspace: Workspace, asked: str) -> None:
    """Begin a sandbox with consensus keys of this type. One that is begun keeps what it has.

    Raises:
        ConfigurationError: there is no such type, or the sandbox was begun with the other one.
    """
    if asked not in get_args(KeyType):
        raise ConfigurationError(f"there is no validator key type {asked!r}", remedy=f"one of {get_args(KeyType)}")
    begun = load_for(workspace).consortium.validator_key_type
    if (workspace.root / "sandbox.json").exists():
        if begun != asked:
            raise ConfigurationError(
                f"sandbox {workspace.sandbox!r} was begun with {begun} validator keys, not {asked}",
                remedy=f"choose another name, or take it down first: gchain sandbox down --name {workspace.sandbox}",
            )
        return
    workspace.root.mkdir(parents=True, exist_ok=True)
    _path(workspace).write_text(Choices.model_validate({"validator_key_type": asked}).model_dump_json() + "\n")


def _path(workspace: Workspace) -> Path:
    return workspace.root / "choices.json"


def _read(workspace: Workspace) -> Choices:
    path = _path(workspace)
    if workspace.sandbox is None or not path.is_file():
        return Choices()
    try:
        return Choices.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        raise ConfigurationError(f"{path}: not a sandbox's choices: {error}") from error
