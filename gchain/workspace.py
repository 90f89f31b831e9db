"""Where the working files of one environment lie (docs/interfaces.md, "Directories").

A workspace holds what belongs to one environment on one machine: each member's secrets under `members/<member>/`
(mode 0700) and the signed public files that members exchange under `public/`. No other module spells these paths.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from gchain.errors import ConfigurationError

__all__ = ["REPOSITORY", "MemberDirectory", "Workspace", "cache_directory", "sandbox_root", "workspace_of"]

REPOSITORY = Path(__file__).resolve().parent.parent
"""The checkout that this program runs from: environments, infra, roles and playbooks are read from here."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,15}")


def cache_directory() -> Path:
    """Programs, base images and wheels that can be rebuilt: `$GCHAIN_CACHE`, else `/var/cache/gchain`."""
    return Path(os.environ.get("GCHAIN_CACHE", "/var/cache/gchain"))


def sandbox_root() -> Path:
    """Where sandboxes keep their state, one directory a name: `$GCHAIN_SANDBOX_ROOT`, else `/var/lib/gchain`."""
    return Path(os.environ.get("GCHAIN_SANDBOX_ROOT", "/var/lib/gchain"))


@dataclass(frozen=True)
class MemberDirectory:
    """One agency's own files; nothing under it is ever shared with another member."""

    root: Path

    @property
    def aws_credentials(self) -> Path:
        return self.root / "aws" / "credentials"

    @property
    def ssh_key(self) -> Path:
        return self.root / "ssh" / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.root / "ssh" / "known_hosts"

    @property
    def officer(self) -> Path:
        """The officer's token store and PIN file: on the officer's own machine, never on a ledger host."""
        return self.root / "officer"

    @property
    def pulumi_home(self) -> Path:
        return self.root / "pulumi-home"

    @property
    def evidence(self) -> Path:
        return self.root / "evidence"

    @property
    def report(self) -> Path:
        return self.root / "report.json"


@dataclass(frozen=True)
class Workspace:
    """The working files of one environment."""

    root: Path
    environment: str
    sandbox: str | None = None

    @classmethod
    def of_sandbox(cls, name: str = "default") -> Workspace:
        """The workspace of the sandbox `name`.

        Raises:
            ConfigurationError: the name is not a short lower-case label (it becomes part of interface names).
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"sandbox name {name!r}: expected a lower-case letter and at most 15 letters, digits or dashes",
                remedy="choose a name such as 'default' or 'test-1'",
            )
        return cls(sandbox_root() / name, "sandbox", name)

    @classmethod
    def of_environment(cls, environment: str) -> Workspace:
        """The workspace of a real environment: `$GCHAIN_WORKSPACE`, else `~/.gchain/<environment>`."""
        configured = os.environ.get("GCHAIN_WORKSPACE")
        return cls(Path(configured) if configured else Path.home() / ".gchain" / environment, environment)

    def member(self, name: str) -> MemberDirectory:
        return MemberDirectory(self.root / "members" / name)

    @property
    def public(self) -> Path:
        return self.root / "public"

    @property
    def facts(self) -> Path:
        return self.public / "facts"

    @property
    def contributions(self) -> Path:
        return self.public / "contributions"

    @property
    def genesis(self) -> Path:
        return self.public / "genesis.json"

    @property
    def genesis_signatures(self) -> Path:
        return self.public / "genesis-signatures"

    @property
    def reports(self) -> Path:
        return self.public / "reports"

    @property
    def officers(self) -> Path:
        """The ledger's proofs of who each member's officers are, since genesis named them."""
        return self.public / "officers"

    @property
    def approvals(self) -> Path:
        return self.public / "approvals"

    @property
    def receipts(self) -> Path:
        return self.public / "receipts"

    @property
    def trust(self) -> Path:
        return self.public / "trust.json"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def run(self) -> Path:
        return self.root / "run"

    def stack(self, member: str) -> str:
        """The Pulumi stack of a member (or of `foundation`): `<environment>[.<sandbox>]-<member>`."""
        suffix = f".{self.sandbox}" if self.sandbox not in (None, "default") else ""
        return f"{self.environment}{suffix}-{member}"


def workspace_of(environment: str, sandbox: str = "default") -> Workspace:
    """The working directory of an environment on this machine; `sandbox` names one of the sandboxes."""
    return Workspace.of_sandbox(sandbox) if environment == "sandbox" else Workspace.of_environment(environment)
