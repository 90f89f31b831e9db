"""A member's own record of its keys: which object in which token is in use, which one comes next, which are gone.

`members/<member>/keys.json`; made by rotations, read by the inventory. Without the file the keys are those of genesis,
under the names that `site.yml` gave them. It holds public keys and names of objects, nothing secret.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gchain.errors import ConfigurationError
from gchain.workspace import Workspace

__all__ = ["PURPOSES", "TOKENS", "KeyInUse", "KeyRecord", "NextKey", "Purpose", "RetiredKey"]

Purpose = Literal["consensus", "member", "receipt", "tls"]
PURPOSES: tuple[Purpose, ...] = ("consensus", "member", "receipt", "tls")
TOKENS: dict[Purpose, str] = {"consensus": "validator", "member": "member", "receipt": "member", "tls": "member"}
"""What the kit calls the token of each; its label in the HSM is a setting of the stack."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NextKey(_Model):
    """A key that a rotation made. `first_height` is set once the ledger has it: from there on it is the one."""

    object: str
    public_key: str = ""
    pop: str = ""
    address: str = ""
    certificate: str = ""
    attributes: dict[str, Any] = Field(default_factory=dict)
    first_height: int = 0


class KeyInUse(_Model):
    """`public_key` is empty for a key of genesis, whose public half stands there. `lost`: the token took it along."""

    object: str
    public_key: str = ""
    certificate: str = ""
    since: str = ""
    lost: bool = False
    next: NextKey | None = None


class RetiredKey(_Model):
    """A key that was replaced; `destroyed` says whether its object is known to be gone from the token."""

    purpose: str
    object: str
    public_key: str
    replaced_by: str
    last_height: int
    at: str
    destroyed: bool = False
    lost: bool = False
    certificate: str = ""


class KeyRecord(_Model):
    """`keys` by purpose; `retired` in the order of their end, the ones still to be destroyed among them.

    `officers` has those, by name, whose key a rotation replaced or is replacing.
    """

    version: Literal[1] = 1
    keys: dict[Purpose, KeyInUse] = Field(default_factory=lambda: {p: KeyInUse(object=p) for p in PURPOSES})
    officers: dict[str, KeyInUse] = Field(default_factory=dict)
    retired: list[RetiredKey] = Field(default_factory=list)

    @staticmethod
    def path(workspace: Workspace, member: str) -> Path:
        return workspace.member(member).root / "keys.json"

    @classmethod
    def read(cls, workspace: Workspace, member: str) -> KeyRecord:
        """Raises `ConfigurationError` if the file is there and is no such record."""
        path = cls.path(workspace, member)
        if not path.is_file():
            return cls()
        try:
            return cls.model_validate_json(path.read_text())
        except (OSError, ValidationError) as error:
            raise ConfigurationError(
                f"{path}: not the record of a member's keys: {error}",
                remedy="restore it from the operator's backup; on the host, `gchain-node keys list` shows a token",
            ) from error

    def write(self, workspace: Workspace, member: str) -> None:
        path = self.path(workspace, member)
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n")
        draft.chmod(0o600)
        draft.replace(path)

    def next_object(self, purpose: Purpose) -> str:
        """`consensus-2` after `consensus`, and so on: no name is ever used twice."""
        return f"{purpose}-{2 + sum(each.purpose == purpose for each in self.retired)}"

    def issuers(self) -> str:
        """Certificates (PEM) of the TLS-issuing keys that rotations brought: the one in use, and the next one."""
        key = self.keys["tls"]
        return key.certificate + (key.next.certificate if key.next is not None else "")

    def to_variables(self) -> dict[str, Any]:
        """What the roles need to know (`gchain_keys` of the inventory)."""
        following = {purpose: key.next for purpose, key in self.keys.items() if key.next is not None}
        registered = {key.object: key.public_key for key in self.keys.values() if key.public_key and not key.lost}
        registered |= {each.object: each.public_key for each in following.values() if each.first_height}
        consensus, coming = self.keys["consensus"], following.get("consensus")
        told = coming is not None and coming.first_height and not consensus.lost
        return {
            "objects": {purpose: key.object for purpose, key in self.keys.items()},
            "next_objects": {purpose: each.object for purpose, each in following.items()},
            "lost": [purpose for purpose, key in self.keys.items() if key.lost],
            "registered": registered,
            "tls_ca": self.keys["tls"].certificate,
            "next_consensus": coming.model_dump(include={"object", "first_height"}) if coming and told else {},
        }
