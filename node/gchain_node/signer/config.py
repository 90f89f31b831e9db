"""`signer.toml`: which key signs for which chain, where its journal is, and where the engine listens."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gchain_node.errors import ConfigurationError

__all__ = ["FenceConfig", "NextKey", "SignerConfig", "load_config"]


def _unix(text: str) -> str:
    if not text.startswith("unix:///"):
        raise ValueError(f"{text!r} is not unix:///PATH")
    return text


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f"{path} is not an absolute path")
    return path


class NextKey(BaseModel):
    """`[next]`: the key that takes over at `first_height`, with a journal of its own (a rotation under way)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    journal: Annotated[Path, AfterValidator(_absolute)]
    first_height: Annotated[int, Field(ge=2)]


class FenceConfig(BaseModel):
    """`[fence]`: the file in which the node shows the chain, and who this signer is on the ledger (`fence.py`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: Annotated[Path, AfterValidator(_absolute)]
    id: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$")] = "first"
    epoch: Annotated[int, Field(ge=0)] = 0


class SignerConfig(BaseModel):
    """`engine_uid`: who may listen at `socket`; without it any user may. `stop_height`: the last height to sign."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chain_id: Annotated[str, Field(min_length=1, max_length=50)]
    key: str
    key_type: Literal["ed25519", "secp256k1"]
    socket: Annotated[str, AfterValidator(_unix)]
    journal: Annotated[Path, AfterValidator(_absolute)]
    initial_height: Annotated[int, Field(ge=1)] = 1
    stop_height: Annotated[int, Field(ge=1)] | None = None
    engine_uid: Annotated[int, Field(ge=0)] | None = None
    engine_user: str | None = None
    next: NextKey | None = None
    fence: FenceConfig | None = None

    @model_validator(mode="after")
    def _journals_are_apart(self) -> Self:
        if self.next is not None and (self.next.journal == self.journal or self.next.key == self.key):
            raise ValueError("next: its key and its journal must not be those of the key that it follows")
        return self

    @property
    def socket_path(self) -> str:
        return self.socket.removeprefix("unix://")


def load_config(path: Path) -> SignerConfig:
    """Read and check a `signer.toml`. Raises `ConfigurationError` naming file, key and what was found."""
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", remedy="name the signer's file with --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not a TOML file: {error}") from error
    try:
        return SignerConfig.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_explain(path, problem) for problem in error.errors())) from error


def _explain(path: Path, problem: object) -> str:
    if not isinstance(problem, dict):
        return f"{path}: {problem}"
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{path}: {key}: unknown key; known: {', '.join(SignerConfig.model_fields)}"
    if problem["type"] == "missing":
        return f"{path}: {key}: missing"
    return f"{path}: {key}: {problem['msg'].removeprefix('Value error, ')} (found {problem['input']!r})"
